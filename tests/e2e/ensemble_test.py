#!/usr/bin/env python3
"""Networks inside another one's graph, end to end: ensembles, teachers."""
import json
import math
import struct

from support import CLASSES, Case, main, read_npy, read_safetensors

ENSEMBLES = """
network wide(classes: int = 4) {
    input image: u8 [1, 8, 8]
    conv_bn_relu(12, 3x3)
    global_avg_pool
    fc: linear(classes)
    output logits
}
ensemble logits        { a = member(tiny, weights = "a.safetensors"); b = member(wide, weights = "b.pt"); combine = mean_logits }
ensemble probabilities { a = member(tiny, weights = "a.safetensors"); b = member(wide, weights = "b.pt") }
ensemble votes         { a = member(tiny, weights = "a.safetensors"); b = member(wide, weights = "b.pt"); combine = vote }
train wide_run = wide on shapes { optimizer = sgd(momentum = 0.9); schedule = constant(0.05); batch = 16; epochs = 1 }
"""
SEEDS = """
ensemble seeds { run = member(tiny, count = 2); fixed = member(tiny, weights = "a.safetensors") }
train together = seeds on shapes { optimizer = sgd(momentum = 0.9); schedule = constant(0.05); batch = 16; epochs = 1 }
"""
TRUNK = """
network trunk_net(classes: int = 4) {
    input image: u8 [1, 8, 8]
    stem: conv_bn_relu(12, 3x3)
    global_avg_pool
    fc: linear(classes)
    output logits
}
ensemble apart  { a = member(trunk_net, weights = "t1.safetensors"); b = member(trunk_net, weights = "t2.safetensors") }
ensemble shared { a = member(trunk_net, weights = "t1.safetensors"); b = member(trunk_net, weights = "t2.safetensors"); shared = ["stem.**"] }
recipe base { optimizer = sgd(momentum = 0.9); schedule = constant(0.05); batch = 16; epochs = 1 }
train first = trunk_net on shapes { use base }
train second = trunk_net on shapes { use base; weights = load("t1.safetensors", except = ["fc.**"]); freeze = ["stem.**"] }
train other = trunk_net on shapes { use base; seed = 5 }
"""


def softmax(row):
    greatest = max(row)
    terms = [math.exp(x - greatest) for x in row]
    return [t / sum(terms) for t in terms]


def rows(path):
    shape, values = read_npy(path)
    return [values[i:i + shape[1]] for i in range(0, len(values), shape[1])]


class Transfer(Case):
    def trained(self, text=""):
        self.tiny()
        path = self.folder / "tiny.net"
        path.write_text(path.read_text() + text)

    def predict(self, network, *weights):
        self.netc("predict", network, *weights, "--input", "test_x.npy", "--output", "y.npy", "--batch", 17)
        return rows(self.folder / "y.npy")

    def test_members_are_combined(self):
        self.trained(ENSEMBLES)
        self.netc("train", "tiny.net:run", "--output", "a")
        self.netc("train", "tiny.net:wide_run", "--output", "b")
        self.netc("convert", "a/best.safetensors", "a.safetensors")
        self.netc("convert", "b/best.safetensors", "b.pt")
        a = self.predict("tiny.net:tiny", "--weights", "a.safetensors")
        b = self.predict("tiny.net:wide", "--weights", "b.pt")
        for i, row in enumerate(self.predict("tiny.net:logits")):
            for c, value in enumerate(row):
                self.assertAlmostEqual(value, (a[i][c] + b[i][c]) / 2, delta=1e-4)
        p, q = [softmax(row) for row in a], [softmax(row) for row in b]
        for i, row in enumerate(self.predict("tiny.net:probabilities")):
            for c, value in enumerate(softmax(row)):
                self.assertAlmostEqual(value, (p[i][c] + q[i][c]) / 2, delta=1e-4)
        for i, row in enumerate(self.predict("tiny.net:votes")):
            votes = [(scores[i].index(max(scores[i])) == c) for c in range(CLASSES) for scores in (a, b)]
            for c, value in enumerate(softmax(row)):
                count = votes[2 * c] + votes[2 * c + 1]
                self.assertAlmostEqual(value, 0.999 * count / 2 + 0.001 * (p[i][c] + q[i][c]) / 2, delta=1e-4)

    def test_seeds_are_trained_one_by_one_and_joined(self):
        self.trained(SEEDS)
        self.netc("train", "tiny.net:run", "--output", "a")
        self.netc("convert", "a/best.safetensors", "a.safetensors")
        done = self.netc("train", "tiny.net:together", "--output", "out", "--seed", 3)
        self.assertIn("together: test loss", done.stdout)
        self.netc("train", "tiny.net:together.run.1", "--output", "alone", "--seed", 4)
        alone = read_safetensors(self.folder / "alone/best.safetensors")[1]
        self.assertEqual(alone, read_safetensors(self.folder / "out/run.1/best.safetensors")[1])
        metrics = self.json("eval", "tiny.net:together", "--weights", "out/best.safetensors")
        self.assertEqual(metrics["samples"], 51)
        self.assertIn("E0601", self.netc("eval", "tiny.net:together", code=3).stderr)  # two members have no weights
        self.assertIn("E0516", self.netc("bench", "tiny.net:seeds", "--train", code=1).stderr)

    def test_snapshots_of_one_training(self):
        self.trained("""
ensemble snapshots { run = member(tiny, weights = ["a/step-00000008.safetensors", "a/step-00000012.safetensors", "a/last.safetensors"]) }
train judged = snapshots on shapes { optimizer = sgd(); schedule = constant(0.05); batch = 16; epochs = 1 }
""")
        self.netc("train", "tiny.net:run", "--output", "a", "--save-every", 6, "--keep", 3)  # after 6, 8, 12 and 16 steps
        files = ["a/step-00000008.safetensors", "a/step-00000012.safetensors", "a/last.safetensors"]
        alone = [[softmax(row) for row in self.predict("tiny.net:tiny", "--weights", file)] for file in files]
        together = [softmax(row) for row in self.predict("tiny.net:snapshots")]
        self.assertNotEqual(alone[0], alone[1])
        for i, row in enumerate(together):
            for c, value in enumerate(row):
                self.assertAlmostEqual(value, sum(member[i][c] for member in alone) / 3, delta=1e-4)
        labels = struct.unpack("<51q", (self.folder / "test_y.npy").read_bytes()[-51 * 8:])
        metrics = self.json("eval", "tiny.net:judged")
        self.assertAlmostEqual(metrics["loss"], sum(-math.log(row[label]) for row, label in zip(together, labels)) / 51, delta=1e-4)
        self.assertAlmostEqual(metrics["top1"], sum(max(row) == row[label] for row, label in zip(together, labels)) / 51, delta=1e-9)

    def test_a_shared_trunk_is_computed_once(self):
        self.trained(TRUNK)
        for name, file in (("first", "t1"), ("second", "t2"), ("other", "t3")):
            self.netc("train", f"tiny.net:{name}", "--output", name)
            self.netc("convert", f"{name}/best.safetensors", f"{file}.safetensors")
        self.assertEqual(self.predict("tiny.net:apart"), self.predict("tiny.net:shared"))
        launches = [self.json("explain", f"tiny.net:{name}")["launches"] for name in ("apart", "shared")]
        self.assertLess(launches[1], launches[0])
        (self.folder / "t2.safetensors").write_bytes((self.folder / "t3.safetensors").read_bytes())
        refused = self.netc("predict", "tiny.net:shared", "--input", "test_x.npy", code=3)
        self.assertIn("E0610", refused.stderr)

    def test_members_of_other_classes_are_refused(self):
        arrays = 'train = numpy("train_x.npy", "train_y.npy"); test = numpy("test_x.npy", "test_y.npy")'
        self.trained(f"""
dataset forwards {{ {arrays}; classes = ["a", "b", "c", "d"] }}
dataset backwards {{ {arrays}; classes = ["d", "c", "b", "a"] }}
recipe base {{ optimizer = sgd(); schedule = constant(0.05); batch = 16; epochs = 1 }}
train first = tiny on forwards {{ use base }}
train second = tiny on backwards {{ use base }}
ensemble same  {{ a = member(tiny, weights = "1/best.safetensors"); b = member(tiny, weights = "1/best.safetensors") }}
ensemble mixed {{ a = member(tiny, weights = "1/best.safetensors"); b = member(tiny, weights = "2/best.safetensors") }}
""")
        self.netc("train", "tiny.net:first", "--output", "1")
        self.netc("train", "tiny.net:second", "--output", "2")
        self.predict("tiny.net:same")
        self.assertIn("E0611", self.netc("predict", "tiny.net:mixed", "--input", "test_x.npy", code=3).stderr)

    def test_a_run_that_was_stopped_takes_no_older_run_for_its_own(self):
        self.trained(SEEDS)
        self.netc("train", "tiny.net:run", "--output", "a")
        self.netc("convert", "a/best.safetensors", "a.safetensors")
        done = self.json("train", "tiny.net:together", "--output", "out", "--seed", 3)
        self.assertEqual(list(done), ["members", "together"])
        self.assertEqual(list(done["members"]), ["run.0", "run.1"])
        self.assertEqual(done["members"]["run.0"]["best"], "out/run.0/best.safetensors")
        before = (self.folder / "out/best.safetensors").read_bytes()
        again = self.netc("train", "tiny.net:together", "--output", "out", "--seed", 8, "--stop-after", 3)
        self.assertIn("member run.0 has not ended an epoch", again.stderr)
        self.assertNotIn("together", again.stdout)
        self.assertEqual((self.folder / "out/best.safetensors").read_bytes(), before)
        one = self.netc("train", "tiny.net:run", "--output", "a", "--seed", 8, "--stop-after", 3)
        self.assertIn("weights: a/last.safetensors", one.stderr)
        self.assertIsNone(self.json("train", "tiny.net:run", "--output", "a", "--seed", 8, "--stop-after", 3)["best"])
        self.assertIn("E0924", self.netc("train", "tiny.net:together", "--output", "out", "--resume", "out/run.0/last.safetensors", code=2).stderr)

    def test_the_loss_with_a_teacher(self):
        self.trained("""
network flat(classes: int = 4) { input image: u8 [1, 8, 8]; flatten; fc: linear(classes); output logits }
train taught = flat on shapes { optimizer = sgd(); schedule = constant(1e-12); batch = 16; epochs = 1
    distill = teacher(tiny, weights = "a/best.safetensors", temperature = 3.0, share = 30%) }
train some = flat on shapes { optimizer = sgd(); schedule = constant(1e-12); batch = 128; epochs = 1; loss = cross_entropy(ignore = 1)
    distill = teacher(tiny, weights = "a/best.safetensors", temperature = 3.0, share = 30%) }
""")
        self.netc("train", "tiny.net:run", "--output", "a")
        self.netc("train", "tiny.net:taught", "--output", "t", "--log", "t.jsonl")
        epoch = [json.loads(line) for line in (self.folder / "t.jsonl").read_text().splitlines()][-1]
        self.netc("predict", "tiny.net:flat", "--weights", "t/last.safetensors", "--input", "train_x.npy", "--output", "s.npy")
        self.netc("predict", "tiny.net:tiny", "--weights", "a/best.safetensors", "--input", "train_x.npy", "--output", "t.npy")
        students, teachers = rows(self.folder / "s.npy"), rows(self.folder / "t.npy")
        labels = struct.unpack("<128q", (self.folder / "train_y.npy").read_bytes()[-1024:])
        total = counted = 0
        for student, teacher, label in zip(students, teachers, labels):
            ours, theirs = softmax([x / 3 for x in student]), softmax([x / 3 for x in teacher])
            divergence = sum(t * math.log(t / s) for t, s in zip(theirs, ours) if t > 0)
            loss = 0.7 * -math.log(softmax(student)[label]) + 0.3 * 9 * divergence
            total += loss
            counted += loss if label != 1 else 0
        self.assertAlmostEqual(epoch["train_loss"], total / 128, delta=1e-4 * total / 128)
        # A label that the loss ignores counts nowhere, nor against the teacher.
        self.netc("train", "tiny.net:some", "--output", "s", "--log", "s.jsonl")
        epoch = [json.loads(line) for line in (self.folder / "s.jsonl").read_text().splitlines()][-1]
        mean = counted / sum(label != 1 for label in labels)
        self.assertAlmostEqual(epoch["train_loss"], mean, delta=1e-4 * mean)

    def test_a_teacher_is_part_of_the_step_and_does_not_learn(self):
        self.trained("""
train taught = wide on shapes { optimizer = sgd(momentum = 0.9); schedule = constant(0.05); batch = 16; epochs = 2
    distill = teacher(tiny, weights = "a.safetensors", temperature = 2.0, share = 100%) }
""" + ENSEMBLES)
        self.netc("train", "tiny.net:run", "--output", "a")
        self.netc("convert", "a/best.safetensors", "a.safetensors")
        for threads in (1, 3):
            self.netc("train", "tiny.net:taught", "--output", f"t{threads}", "--threads", threads)
        self.netc("train", "tiny.net:taught", "--output", "parts", "--stop-after", 5)
        self.netc("train", "tiny.net:taught", "--output", "parts", "--resume")
        last = [(self.folder / out / "last.safetensors").read_bytes() for out in ("t1", "t3", "parts")]
        self.assertTrue(last[0] == last[1] == last[2])
        best, _ = read_safetensors(self.folder / "t1/best.safetensors")  # the student alone
        self.assertFalse([name for name in best if name.startswith("teacher.") or "/" in name])
        self.assertIn("fc.weight", best)
        self.assertEqual(self.json("eval", "tiny.net:taught", "--weights", "t1/best.safetensors")["samples"], 51)
        header, data = read_safetensors(self.folder / "t1/last.safetensors")
        before, there = read_safetensors(self.folder / "a.safetensors")
        for name, tensor in before.items():
            if name == "__metadata__" or "/" in name:  # moments
                continue
            (first, end), (begin, stop) = header["teacher." + name]["data_offsets"], tensor["data_offsets"]
            self.assertEqual(data[first:end], there[begin:stop], name)
        self.netc("eval", "tiny.net:taught", "--weights", "t1/best.safetensors")


main()
