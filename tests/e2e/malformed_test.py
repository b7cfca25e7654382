#!/usr/bin/env python3
"""Broken weights, data and arrays: a message with a code, the documented exit code, and no partial file."""
import gzip
import json
import struct

from support import Case, main, write_npy


def safetensors(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


class Malformed(Case):
    def refused(self, *args, codes=("E06", "E07"), code=3):
        done = self.netc(*args, code=code, timeout=60)
        self.assertTrue(any(code in done.stderr for code in codes), done.stderr)

    def test_weights(self):
        self.tiny()
        self.netc("train", "tiny.net", "--output", "good", "--epochs", 1)
        good = (self.folder / "good" / "last.safetensors").read_bytes()
        f32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
        cases = {
            "empty": b"", "short": b"\x01", "text": b"hello, I am no weights file\n" * 10,
            "huge header": struct.pack("<Q", 1 << 60) + b"{}", "not json": safetensors(b"{]"),
            "truncated": good[:-5], "longer": good + b"x", "half": good[: len(good) // 2],
            "no tensors": safetensors({}), "other names": safetensors({"a": f32}, b"\0" * 8),
            "overlap": safetensors({"a": f32, "b": f32}, b"\0" * 8),
            "outside": safetensors({"a": {**f32, "data_offsets": [0, 1 << 40]}}, b"\0" * 8),
            "negative": safetensors({"a": {**f32, "shape": [-2]}}, b"\0" * 8),
            "duplicate": safetensors(b'{"a":%s,"a":%s}' % ((json.dumps(f32).encode(),) * 2), b"\0" * 8),
        }
        for name, content in cases.items():
            with self.subTest(name):
                (self.folder / "w.safetensors").write_bytes(content)
                self.refused("eval", "tiny.net", "--weights", "w.safetensors")
                self.refused("predict", "tiny.net", "--weights", "w.safetensors", "--random-input")
                if name not in ("no tensors", "other names"):
                    self.refused("inspect", "w.safetensors")
        self.refused("eval", "tiny.net", "--weights", "nothing.safetensors")
        self.refused("eval", "tiny.net", "--set", "classes=5", "--weights", "good/last.safetensors")

    def test_arrays_and_images(self):
        self.tiny()
        cases = {"empty.npy": b"", "text.npy": b"no array", "cut.npy": None, "bad.png": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
                 "bad.jpg": b"\xff\xd8\xff\xe0" + b"\0" * 40, "what.bin": b"\1\2\3\4" * 8}
        for name, content in cases.items():
            if content is None:
                write_npy(self.folder / name, "|u1", (9, 1, 8, 8), b"\0" * 100)
            else:
                (self.folder / name).write_bytes(content)
            with self.subTest(name):
                self.refused("predict", "tiny.net", "--random-weights", "--input", name)
        write_npy(self.folder / "wide.npy", "|u1", (1, 3, 8, 8), b"\0" * 192)
        self.refused("predict", "tiny.net", "--random-weights", "--input", "wide.npy")

    def test_data_sets(self):
        self.tiny()
        train = lambda *extra: ("train", "tiny.net", "--output", "out", *extra)  # noqa: E731
        labels = struct.pack("<128q", *[9] * 128)
        write_npy(self.folder / "train_y.npy", "<i8", (128,), labels)
        self.refused(*train())                                     # labels out of range
        write_npy(self.folder / "train_y.npy", "<i8", (127,), labels[8:])
        self.refused(*train())                                     # another count
        (self.folder / "train_x.npy").unlink()
        self.refused(*train())                                     # missing
        self.assertFalse((self.folder / "out" / "last.safetensors").exists())

    def test_idx(self):
        self.write("i.net", """
dataset d { train = idx("x.gz", "y.gz"); test = idx("x.gz", "y.gz") }
network n { input image: u8 [1, 4, 4]; flatten; linear(10); output logits }
train t = n on d { loss = cross_entropy(); optimizer = sgd(); schedule = [constant(0.1)]; batch = 2; epochs = 1 }
""")
        x = struct.pack(">IIII", 0x803, 4, 4, 4) + bytes(64)
        y = struct.pack(">II", 0x801, 4) + bytes(4)
        def put(images, labels):
            (self.folder / "x.gz").write_bytes(images)
            (self.folder / "y.gz").write_bytes(labels)
        put(gzip.compress(x), gzip.compress(y))
        self.netc("train", "i.net", "--output", "good")
        cases = {
            "swapped": (gzip.compress(y), gzip.compress(x)), "cut": (gzip.compress(x[:-1]), gzip.compress(y)),
            "trailing": (gzip.compress(x + b"x"), gzip.compress(y)), "cut gzip": (gzip.compress(x)[:-9], gzip.compress(y)),
            "flipped gzip": (bytes(b ^ 255 for b in gzip.compress(x)), gzip.compress(y)), "empty": (b"", b""),
            "huge": (gzip.compress(struct.pack(">IIII", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1)), gzip.compress(y)),
            "fewer labels": (gzip.compress(x), gzip.compress(struct.pack(">II", 0x801, 3) + bytes(3))),
        }
        for name, (images, labels) in cases.items():
            with self.subTest(name):
                put(images, labels)
                self.refused("train", "i.net", "--output", "out")

    def test_output_that_cannot_be_written(self):
        self.tiny()
        self.refused("predict", "tiny.net", "--random-weights", "--random-input", "--output", "no/such/folder/y.npy",
                     codes=("E0604",), code=4)
        self.refused("graph", "tiny.net", "--output", "no/such/folder/g.dot", codes=("E0604",), code=4)


if __name__ == "__main__":
    main()
