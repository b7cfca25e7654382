#!/usr/bin/env python3
"""Trains the three members, prints the table of the README and draws accuracy.svg. What is there already is not repeated.

Usage: measure.py [--seeds 1 11 21] [--data FOLDER] [--netc NETC] [--threads N] [--draw] OUTPUT
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from draw_dots import draw_dots  # noqa: E402: beside the examples

ROWS = [("plain", "probabilities.plain", "plain/best"), ("residual", "probabilities.residual", "residual/best"),
        ("inception", "probabilities.inception", "inception/best"), ("mean of probabilities", "probabilities", "best"),
        ("mean of logits", "logits", "best"), ("vote", "votes", "best")]


def netc(args, command, name, *extra):
    data = ["--data", f"test={args.data}"] + (["--data", f"train={args.data}"] if command == "train" else [])
    done = subprocess.run([args.netc, command, f"{HERE / 'ensemble.net'}:{name}", *(data if args.data else []), "--threads", str(args.threads), *extra],
                          check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def accuracies(args, seed):
    """Of each row, in per cent."""
    folder = args.output / str(seed)
    if not (folder / "best.safetensors").exists():
        resume = ["--resume"] if folder.exists() else []
        netc(args, "train", "probabilities", "--seed", str(seed), "--output", folder, "-q", *resume)
    return [100 * json.loads(netc(args, "eval", name, "--weights", folder / f"{file}.safetensors", "--json"))["top1"] for _, name, file in ROWS]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="a member's own is one of these plus its place")
    parser.add_argument("--data", help="the folder with Fashion-MNIST's four files, if it is not that of Debian's package")
    parser.add_argument("--netc", default="netc")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--draw", action="store_true", help="also draw accuracy.svg beside this script")
    parser.add_argument("output", type=pathlib.Path)
    args = parser.parse_args()
    columns = [accuracies(args, seed) for seed in args.seeds]
    rows = [(row[0], [column[i] for column in columns]) for i, row in enumerate(ROWS)]
    for name, values in rows:
        print(f"{name:22}", *(f"{value:.2f}" for value in values), f"  mean {statistics.mean(values):.2f}")
    if args.draw:
        draw_dots(HERE / "accuracy.svg", "Test accuracy, percent", rows)
