"""Lines as an SVG picture, for the examples; the standard library of Python is all it needs.

    draw_lines("loss.svg", "Training loss", "epoch", [("plain", [(1, 0.9), (2, 0.5)]), ("residual", [(1, 0.7), (2, 0.3)])])
"""
import math
import pathlib

COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"]
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 560, 320, 62, 30, 12, 42


def ticks(low, high):
    """Round numbers from low to high, four to eight of them."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(f for f in (1, 2, 5, 10) if (high - low) / (step * f) <= 8)
    return [step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def draw_lines(path, title, x_label, series, logarithmic=False):
    """`series`: (name, [(x, y), ...]); with `logarithmic` the y axis has powers of ten."""
    of = math.log10 if logarithmic else float
    xs = [x for _, points in series for x, _ in points]
    ys = [of(y) for _, points in series for _, y in points]
    x_low, x_high, y_low, y_high = min(xs), max(xs), min(ys), max(ys)
    margin = 0.05 * (y_high - y_low)
    y_low, y_high = y_low - margin, y_high + margin
    at_x = lambda x: LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
    at_y = lambda y: HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
    text = lambda x, y, content, more="": f'<text x="{x:.1f}" y="{y:.1f}"{more}>{content}</text>'
    middle, end = ' text-anchor="middle"', ' text-anchor="end"'
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>', text(LEFT, 18, title, ' font-weight="bold"')]
    y_ticks = [float(p) for p in range(math.ceil(y_low), math.floor(y_high) + 1)] if logarithmic else ticks(y_low, y_high)
    for y in y_ticks:
        out.append(f'<path d="M{LEFT} {at_y(y):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        out.append(text(LEFT - 6, at_y(y) + 4, f"{10 ** y if logarithmic else y:.4g}", end))
    for x in ticks(x_low, x_high):
        out.append(text(at_x(x), HEIGHT - BOTTOM + 16, f"{x:.4g}", middle))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_label, middle))
    out.append(f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#888"/>')
    right = WIDTH - RIGHT
    for (name, points), color in reversed(list(zip(series, COLORS))):
        line = "L".join(f"{at_x(x):.1f} {at_y(of(y)):.1f}" for x, y in points)
        out.append(f'<path d="M{line}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        out.append(text(right, 18, name, f'{end} fill="{color}"'))
        right -= 7 * len(name) + 12
    pathlib.Path(path).write_text("\n".join(out) + "\n</svg>\n")
