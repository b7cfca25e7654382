#!/usr/bin/env python3
"""Draws noise.svg: the accuracy of each precision over the noise, from what `netc eval --precisions --noise` prints.

Usage: draw.py TABLE
"""
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from draw_lines import draw_lines  # noqa: E402: beside the examples


def accuracies(path):
    """(noise, accuracy in percent) by precision."""
    table = {}
    for line in pathlib.Path(path).read_text().splitlines():
        precision, *cells = line.split()
        if precision != "precision":
            table.setdefault(precision, []).append((float(cells[0]), float(cells[2])))
    return table


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    draw_lines(here / "noise.svg", "Test accuracy, percent", "noise of a weight, relative to it", list(accuracies(sys.argv[1]).items()))
