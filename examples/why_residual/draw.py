#!/usr/bin/env python3
"""Draws loss.svg and gradients.svg from four trainings with --watch.

Usage: draw.py FOLDER     where FOLDER holds plain20, plain56, residual20 and residual56
"""
import csv
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from draw_lines import draw_lines  # noqa: E402: beside the examples

RUNS = [("plain 20", "plain20"), ("plain 56", "plain56"), ("residual 20", "residual20"), ("residual 56", "residual56")]
STEPS_A_POINT = 26  # 18 points an epoch of 468 steps


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def losses(folder):
    """The training loss over epochs, means of a few steps each."""
    rows = table(folder / "steps.csv")
    per_epoch = max(int(row["step"]) for row in rows) / max(float(row["epoch"]) for row in rows)
    values = [float(row["loss"]) for row in rows]
    groups = [values[i:i + STEPS_A_POINT] for i in range(0, len(values) - STEPS_A_POINT + 1, STEPS_A_POINT)]
    return [((i + 0.5) * STEPS_A_POINT / per_epoch, sum(group) / len(group)) for i, group in enumerate(groups)]


def norms(folder):
    """The norm of the first gradient that was written of each convolution, by its place from the input."""
    first = table(folder / "gradients.csv")[0]
    convolutions = [name for name in first if name.endswith(".conv")]
    return [(i + 1, float(first[name])) for i, name in enumerate(reversed(convolutions))]


if __name__ == "__main__":
    runs = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).resolve().parent
    draw_lines(here / "loss.svg", "Training loss", "epoch", [(name, losses(runs / folder)) for name, folder in RUNS])
    draw_lines(here / "gradients.svg", "Gradient norm after 50 steps", "convolution, from the input",
               [(name, norms(runs / folder)) for name, folder in RUNS], logarithmic=True)
