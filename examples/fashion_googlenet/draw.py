#!/usr/bin/env python3
"""Draws accuracy.svg from two trainings with --watch, the second of which goes on from the first.

Usage: draw.py FOLDER     where FOLDER holds first and finish
"""
import csv
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from draw_lines import draw_lines  # noqa: E402: beside the examples

FROM_EPOCH = 2  # the first epoch's accuracies would leave no room for the others


def accuracies(folder, column, after=0):
    """(epoch, percent)"""
    with open(folder / "epochs.csv", newline="") as file:
        points = [(after + int(row["epoch"]), 100 * float(row[column])) for row in csv.DictReader(file)]
    return [point for point in points if point[0] >= FROM_EPOCH]


if __name__ == "__main__":
    runs = pathlib.Path(sys.argv[1])
    lines = {}
    for name, column in (("training", "train_accuracy"), ("test", "top1")):
        first = accuracies(runs / "first", column)
        lines[name] = first + accuracies(runs / "finish", column, after=first[-1][0])
    draw_lines(pathlib.Path(__file__).resolve().parent / "accuracy.svg", "Accuracy, percent", "epoch", list(lines.items()))
