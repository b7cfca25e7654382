#!/usr/bin/env python3
"""Splits CIFAR-10, pretrains once, trains each way with five seeds, prints the table of the README and draws accuracy.svg.
What is there already is not repeated.

Usage: measure.py [--netc NETC] [--threads N] [--draw] CIFAR OUTPUT     where CIFAR is the folder of the binary version
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from draw_dots import draw_dots  # noqa: E402: beside the examples

WAYS = ["nothing", "augmentation", "transfer", "both"]
SEEDS = [1, 2, 3, 4, 5]


def train(args, name, seed, folder):
    """The accuracy after the last epoch, in per cent; never the best one, which the test data would have chosen."""
    done = folder / "eval.json"
    if not done.exists():
        threads = ["--threads", str(args.threads)]
        net = f"{args.output / 'few_data.net'}:{name}"
        subprocess.run([args.netc, "train", net, "--seed", str(seed), "--output", folder, "-q", *threads], check=True, stdout=subprocess.DEVNULL)
        metrics = subprocess.run([args.netc, "eval", net, "--weights", folder / "last.safetensors", "--json", *threads],
                                 check=True, stdout=subprocess.PIPE, text=True).stdout
        done.write_text(metrics)
    return 100 * json.loads(done.read_text())["top1"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--netc", default="netc")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--draw", action="store_true", help="also draw accuracy.svg beside this script")
    parser.add_argument("cifar", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    args = parser.parse_args()
    if not (args.output / "target_test_y.npy").exists():
        subprocess.run([HERE / "split.py", args.cifar, args.output], check=True)
    shutil.copy(HERE / "few_data.net", args.output)  # its paths are relative to it
    print(f"source task, seed 1: {train(args, 'pretrain', 1, args.output / 'pretrain'):.2f} %", flush=True)
    rows = [(way, [train(args, way, seed, args.output / way / str(seed)) for seed in SEEDS]) for way in WAYS]
    for way, values in rows:
        print(f"{way:13}", *(f"{value:.2f}" for value in values), f"  mean {statistics.mean(values):.2f}, deviation {statistics.stdev(values):.2f}")
    if args.draw:
        draw_dots(HERE / "accuracy.svg", "Test accuracy with 500 pictures, percent", rows)
