"""Measurements as an SVG picture, a row each: a dot a run, a line at their mean; the standard library of Python is all it needs.

    draw_dots("accuracy.svg", "Test accuracy, percent", [("nothing", [80.1, 79.5]), ("augmentation", [82.2, 82.9])])
"""
import pathlib

from draw_lines import COLORS, ticks

WIDTH, LEFT, TOP, RIGHT, ROW = 560, 150, 30, 20, 34


def draw_dots(path, title, rows):
    """`rows`: (name, values)."""
    every = [value for _, values in rows for value in values]
    margin = 0.08 * (max(every) - min(every))
    low, high = min(every) - margin, max(every) + margin
    bottom = TOP + ROW * len(rows)
    at = lambda value: LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 28}" width="{WIDTH}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>', f'<text x="{LEFT}" y="18" font-weight="bold">{title}</text>']
    for tick in ticks(low, high):
        out.append(f'<path d="M{at(tick):.1f} {TOP}V{bottom}" stroke="#ddd"/>')
        out.append(f'<text x="{at(tick):.1f}" y="{bottom + 16}" text-anchor="middle">{tick:.4g}</text>')
    for i, (name, values) in enumerate(rows):
        y, mean, color = TOP + ROW * (i + 0.5), sum(values) / len(values), COLORS[i % len(COLORS)]
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{name}</text>')
        if len(values) > 1:
            out.append(f'<path d="M{at(mean):.1f} {y - 12:.1f}v24" stroke="{color}" stroke-width="2"/>')
        out += [f'<circle cx="{at(value):.1f}" cy="{y:.1f}" r="4" fill="{color}" fill-opacity="0.6"/>' for value in values]
    pathlib.Path(path).write_text("\n".join(out) + "\n</svg>\n")
