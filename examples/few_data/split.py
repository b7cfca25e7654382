#!/usr/bin/env python3
"""Cuts CIFAR-10 in two by its classes and writes both parts as .npy files: source_*.npy holds automobile, bird, cat, deer and ship,
target_*.npy truck, frog, dog, horse and airplane, each numbered 0 to 4. So each class of the target has a relative in the source.

Usage: split.py CIFAR OUTPUT     where CIFAR is the folder of the binary version, with data_batch_1.bin to data_batch_5.bin and test_batch.bin
"""
import pathlib
import struct
import sys

PARTS = {"source": [1, 2, 3, 4, 8], "target": [9, 6, 5, 7, 0]}  # CIFAR-10's labels
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32


def npy(path, dtype, shape, data):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)


def split(files, output, role):
    raw = b"".join(path.read_bytes() for path in files)
    if not raw or len(raw) % RECORD:
        raise SystemExit(f"{files[0] if files else role} is not the binary version of CIFAR-10")
    records = [raw[i:i + RECORD] for i in range(0, len(raw), RECORD)]
    for part, classes in PARTS.items():
        chosen = [record for record in records if record[0] in classes]
        npy(output / f"{part}_{role}_x.npy", "|u1", (len(chosen), *SHAPE), b"".join(record[1:] for record in chosen))
        npy(output / f"{part}_{role}_y.npy", "<i8", (len(chosen),), struct.pack(f"<{len(chosen)}q", *(classes.index(record[0]) for record in chosen)))
        print(f"{part} {role}: {len(chosen):,} images")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    cifar, output = map(pathlib.Path, sys.argv[1:])
    output.mkdir(parents=True, exist_ok=True)
    split(sorted(cifar.glob("data_batch_*.bin")), output, "train")
    split(sorted(cifar.glob("test_batch.bin")), output, "test")
