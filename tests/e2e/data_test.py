#!/usr/bin/env python3
"""What a recipe says about its data, end to end: tar shards, held-out samples, subsets, class weights, corrupt records."""
import io
import json
import struct
import tarfile

from support import CLASSES, Case, main, write_npy, write_png

COUNTS = [64, 32, 16, 16]  # of 128 samples; balanced weights are 128 / (4 * count), all of them exact
BALANCED = [0.5, 1.0, 2.0, 2.0]


def stored(path):
    """Shape-free arrays that Case.tiny() has written: the bytes behind an .npy file's header."""
    raw = path.read_bytes()
    return raw[10 + struct.unpack("<H", raw[8:10])[0]:]


class Data(Case):
    def setUp(self):
        super().setUp()
        self.tiny(epochs=3)
        self.text = (self.folder / "tiny.net").read_text()
        self.pixels = stored(self.folder / "train_x.npy")
        self.labels = struct.unpack("<128q", stored(self.folder / "train_y.npy"))

    def shards(self, bad=()):
        """The training samples in three tar files, one of them compressed; pictures in `bad` lose their second half."""
        for shard, (first, last, name, mode) in enumerate(((0, 50, "s0.tar", "w"), (50, 51, "s1.tar", "w"), (51, 128, "s2.tar.gz", "w:gz"))):
            with tarfile.open(self.folder / name, mode, format=tarfile.USTAR_FORMAT) as tar:
                for i in range(first, last):
                    write_png(self.folder / "one.png", 8, 8, self.pixels[64 * i:64 * (i + 1)])
                    picture = (self.folder / "one.png").read_bytes()
                    for suffix, data in (("png", picture[:len(picture) // 2] if i in bad else picture), ("cls", str(self.labels[i]).encode())):
                        member = tarfile.TarInfo(f"part{shard}/{i:04}.{suffix}")
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))

    def network(self, name, source='numpy("train_x.npy", "train_y.npy")', data="", loss="cross_entropy()"):
        text = self.text.replace('numpy("train_x.npy", "train_y.npy")', f"{source}\n    {data}")
        return self.write(name, text.replace("loss = cross_entropy()", f"loss = {loss}"))

    def held_out(self, share, without=()):
        """How many of the samples are held out: the share of each class, rounded."""
        kept = [label for i, label in enumerate(self.labels) if i not in without]
        return sum(int(share * kept.count(c) + 0.5) for c in range(CLASSES))

    def train(self, network, out, *extra, code=0):
        return self.netc("train", network, "--seed", 7, "--output", out, *extra, code=code)

    def test_shards_are_the_same_samples(self):
        self.shards()
        self.network("shards.net", 'webdataset("s*.tar*")')
        self.train("tiny.net", "arrays")
        self.assertIn("128 training samples", self.train("shards.net", "shards").stderr)
        self.assertEqual(self.tensors("arrays/last.safetensors"), self.tensors("shards/last.safetensors"))

    def test_resume_with_shards_a_split_and_a_subset(self):
        self.shards(bad={3, 77})
        self.network("s.net", 'webdataset("s*.tar*")', "validation = 20%; subset = 70; corrupt = skip", "cross_entropy(weights = balanced)")
        done = self.train("s.net", "whole", "--threads", 1)
        self.assertIn(f"70 training samples, {self.held_out(0.2, {3, 77})} validation samples", done.stderr)
        for stop in (2, 6):  # of 4 steps an epoch
            self.train("s.net", f"parts{stop}", "--stop-after", stop, "--threads", 3)
            self.train("s.net", f"parts{stop}", "--resume", "--threads", 2)
            for name in ("last", "best"):
                whole, parts = ((self.folder / out / f"{name}.safetensors").read_bytes() for out in ("whole", f"parts{stop}"))
                self.assertEqual(whole, parts, f"{name}, stopped after {stop}")
        self.train("s.net", "cut", "--stop-after", 2)
        self.network("s.net", 'webdataset("s*.tar*")', "validation = 20%; subset = 71; corrupt = skip", "cross_entropy(weights = balanced)")
        self.assertIn("E0606", self.train("s.net", "cut", "--resume", code=3).stderr)

    def test_held_out_samples_choose_and_the_test_data_judge(self):
        self.network("v.net", data="validation = 25%")
        held_out = self.held_out(0.25)
        printed = self.train("v.net", "v", "--log", "v.jsonl", "--watch").stderr
        curves = (self.folder / "v/curves.svg").read_text()
        self.assertIn(">validation<", curves)
        self.assertNotIn(">test<", curves)
        self.assertIn(f"{128 - held_out} training samples, {held_out} validation samples", printed)
        self.assertNotIn("test loss", printed)
        self.assertRegex(printed, r"validation loss \d\.\d+  validation accuracy")
        self.assertEqual(self.json("eval", "v.net", "--weights", "v/best.safetensors")["samples"], 51)
        plain = self.write("other.net", (self.folder / "v.net").read_text().replace('    test = numpy("test_x.npy", "test_y.npy")\n', ""))
        self.train(plain, "o", "--log", "o.jsonl")
        metrics = self.json("eval", plain, "--weights", "o/last.safetensors")
        self.assertEqual(metrics["samples"], held_out)  # without test data, those held out
        epochs = [[json.loads(line) for line in (self.folder / f"{log}.jsonl").read_text().splitlines()] for log in "vo"]
        losses = [[e["test_loss"] for e in events if e["kind"] == "epoch"] for events in epochs]
        self.assertEqual(*losses)  # so nothing of the training looked at the test data
        self.assertAlmostEqual(losses[0][-1], metrics["loss"], delta=1e-5)

    def test_a_subset_takes_classes_in_turn(self):
        self.network("half.net", data=f"subset = {4 * CLASSES}")
        self.assertIn("16 training samples", self.train("half.net", "half").stderr)
        counted = self.network("counted.net", data=f"subset = {4 * CLASSES}", loss="cross_entropy(weights = balanced)")
        self.train(counted, "counted")  # as many of each class: balanced weights are all 1
        self.assertEqual(self.tensors("half/last.safetensors"), self.tensors("counted/last.safetensors"))
        self.network("more.net", data="subset = 129")
        self.assertIn("E0706", self.train("more.net", "more", code=3).stderr)

    def test_balanced_weights_are_those_of_the_definition(self):
        kinds = {c: [i for i in range(128) if self.labels[i] == c] for c in range(CLASSES)}
        order = [kinds[c][i % len(kinds[c])] for c, count in enumerate(COUNTS) for i in range(count)]
        write_npy(self.folder / "train_x.npy", "|u1", (128, 1, 8, 8), b"".join(self.pixels[64 * i:64 * (i + 1)] for i in order))
        write_npy(self.folder / "train_y.npy", "<i8", (128,), struct.pack("<128q", *(self.labels[i] for i in order)))
        for name, loss in (("balanced", "cross_entropy(weights = balanced)"), ("written", f"cross_entropy(weights = {BALANCED})"),
                           ("plain", "cross_entropy()")):
            self.train(self.network(f"{name}.net", loss=loss), name)
        balanced, written, plain = (self.tensors(f"{name}/last.safetensors") for name in ("balanced", "written", "plain"))
        self.assertEqual(balanced, written)
        self.assertNotEqual(balanced, plain)

    def test_corrupt_records_are_named(self):
        self.shards(bad={60})
        self.network("fail.net", 'webdataset("s*.tar*")')
        self.assertRegex(self.train("fail.net", "a", code=3).stderr, r"E0704 \S*s2.tar.gz: part2/0060.png at offset \d+ is not a whole PNG image")
        self.network("skip.net", 'webdataset("s*.tar*")', "corrupt = skip")
        done = self.train("skip.net", "b")
        self.assertIn("127 training samples", done.stderr)
        self.assertRegex(done.stderr, r"1 corrupt records of the training data are left out\n  \S*s2.tar.gz: part2/0060.png at offset \d+")
        left = [i for i in range(128) if i != 60]  # the same as if it had never been there
        write_npy(self.folder / "train_x.npy", "|u1", (127, 1, 8, 8), b"".join(self.pixels[64 * i:64 * (i + 1)] for i in left))
        write_npy(self.folder / "train_y.npy", "<i8", (127,), struct.pack("<127q", *(self.labels[i] for i in left)))
        self.train("tiny.net", "c")
        self.assertEqual(self.tensors("b/last.safetensors"), self.tensors("c/last.safetensors"))

    def test_corrupt_test_records_are_named_too(self):
        self.shards(bad={60})
        self.write("skip.net", self.text.replace('test = numpy("test_x.npy", "test_y.npy")', 'test = webdataset("s*.tar*"); corrupt = skip'))
        named = r"1 corrupt records of the test data are left out\n  \S*s2.tar.gz: part2/0060.png at offset \d+"
        weights = ("--weights", "a/last.safetensors")
        self.assertRegex(self.train("skip.net", "a").stderr, named)
        self.assertRegex(self.netc("eval", "skip.net", *weights).stderr, named)
        self.assertEqual(self.json("eval", "skip.net", *weights)["skipped"], 1)
        self.assertRegex(self.netc("predict", "skip.net", *weights, "--sample", "test").stderr, named)
        self.assertRegex(self.netc("look", "skip.net", *weights, "--output", "l").stderr, named)

    def test_an_ignored_label_may_be_a_class(self):
        self.train(self.network("some.net", loss="cross_entropy(ignore = 3)"), "a")
        weights = ("--weights", "a/last.safetensors")
        plain = self.json("eval", "some.net", *weights)
        report = self.json("eval", "some.net", *weights, "--report")
        self.assertLess(plain["samples"], 51)
        self.assertEqual([sum(row) for row in report["confusion"]], [c["samples"] for c in report["classes"]])
        self.assertEqual(sum(map(sum, report["confusion"])), plain["samples"])
        self.assertEqual(report["classes"][3]["samples"], 0)
        self.assertEqual(self.json("eval", "some.net", *weights, "--views", 2)["samples"], plain["samples"])

    def test_ignored_labels_that_are_no_class_can_be_looked_at(self):
        write_npy(self.folder / "test_y.npy", "<i8", (51,), struct.pack("<51q", *[255, -1] + [0] * 49))
        self.network("some.net", loss="cross_entropy(ignore = 255)")
        self.assertIn("E0707", self.netc("predict", "some.net", "--random-weights", "--sample", "test", code=3).stderr)  # -1
        write_npy(self.folder / "test_y.npy", "<i8", (51,), struct.pack("<51q", *[255] + [0] * 50))
        found = self.netc("predict", "some.net", "--random-weights", "--sample", "test", "--count", 2).stdout
        self.assertIn("(it is 255)", found)


if __name__ == "__main__":
    main()
