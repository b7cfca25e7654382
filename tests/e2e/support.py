"""What the end-to-end tests share: running netc, and reading and writing its files without NumPy."""
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib
from pathlib import Path

NETC = os.environ.get("NETC", "netc")
SOURCE = Path(__file__).resolve().parents[2]

CLASSES = 4
TINY_NET = """
dataset shapes {{
    train = numpy("train_x.npy", "train_y.npy")
    test = numpy("test_x.npy", "test_y.npy")
}}
network tiny(classes: int = 4) {{
    input image: u8 [1, 8, 8]
    conv_bn_relu(8, 3x3)
    residual {{ conv_bn_relu(8, 3x3); conv_bn(8, 3x3) }}
    relu
    inception {{
        branch {{ conv_bn_relu(4, 1x1) }}
        branch {{ conv_bn_relu(4, 1x1) -> conv_bn_relu(8, 3x3) }}
    }}
    global_avg_pool
    dropout(10%)
    fc: linear(classes)
    output logits
}}
train run = tiny on shapes {{
    loss = cross_entropy()
    optimizer = sgd(momentum = 0.9)
    schedule = [cosine(peak = 0.1)]
    augment = [flip(horizontal)]
    batch = {batch}
    epochs = {epochs}
}}
"""


def write_npy(path, dtype, shape, data: bytes):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    Path(path).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)


def read_npy(path):
    """(shape, list of floats) of an f32 array."""
    raw = Path(path).read_bytes()
    assert raw[:6] == b"\x93NUMPY", path
    size = struct.unpack("<H", raw[8:10])[0]
    header = eval(raw[10:10 + size].decode())  # noqa: S307: written by netc, in a test
    assert header["descr"] == "<f4", header
    data = raw[10 + size:]
    return header["shape"], list(struct.unpack(f"<{len(data) // 4}f", data))


def read_safetensors(path):
    raw = Path(path).read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8:8 + size]), raw[8 + size:]


def write_png(path, width, height, pixels: bytes):
    """Eight-bit grey."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
                           chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def png_size(path):
    """(width, height) of a whole PNG file."""
    raw = Path(path).read_bytes()
    assert raw[:8] == b"\x89PNG\r\n\x1a\n" and raw.endswith(b"IEND\xaeB`\x82"), path
    return struct.unpack(">II", raw[16:24])


def write_samples(folder, name, count, seed):
    """Noisy 8x8 pictures of four kinds: a row, a column, a diagonal, a block."""
    rng = random.Random(seed)
    pixels, labels = bytearray(), []
    for _ in range(count):
        label = rng.randrange(CLASSES)
        picture = [rng.randrange(60) for _ in range(64)]
        at = rng.randrange(1, 6)
        for i in range(8):
            spots = {0: [(at, i)], 1: [(i, at)], 2: [(i, i)], 3: [(at + i % 2, at + i // 4)]}[label]
            for y, x in spots:
                picture[8 * y + x] = 255 - rng.randrange(60)
        pixels += bytes(picture)
        labels.append(label)
    write_npy(Path(folder) / f"{name}_x.npy", "|u1", (count, 1, 8, 8), bytes(pixels))
    write_npy(Path(folder) / f"{name}_y.npy", "<i8", (count,), struct.pack(f"<{count}q", *labels))


class Case(unittest.TestCase):
    """A test with a folder of its own, and netc run in it."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="netc-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def netc(self, *args, code=0, timeout=300, env=None, cwd=""):
        done = subprocess.run([NETC, *map(str, args)], cwd=self.folder / cwd, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL,
                              env={**os.environ, "NETC_CACHE_DIR": str(self.folder / "cache"), **(env or {})})
        self.assertEqual(done.returncode, code, f"netc {' '.join(map(str, args))}\n{done.stdout}\n{done.stderr}")
        return done

    def json(self, *args, **kwargs):
        return json.loads(self.netc(*args, "--json", **kwargs).stdout)

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return name

    def tiny(self, batch=16, epochs=2, train=128, test=51):
        write_samples(self.folder, "train", train, 1)
        write_samples(self.folder, "test", test, 2)
        return self.write("tiny.net", TINY_NET.format(batch=batch, epochs=epochs))

    def recipe(self, keys, **extra):
        """The tiny network with `keys` in the place of its recipe's loss."""
        self.tiny(**extra)
        text = (self.folder / "tiny.net").read_text()
        return self.write("tiny.net", text.replace("    loss = cross_entropy()", "    " + keys))

    def tensors(self, path):
        """name: bytes, of a safetensors file."""
        header, data = read_safetensors(self.folder / path)
        header.pop("__metadata__")
        return {name: data[slice(*entry["data_offsets"])] for name, entry in header.items()}


def main():
    unittest.main(verbosity=1)
