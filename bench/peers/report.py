"""Results as JSON and as tables in Markdown."""
import json
import math


def save(path, results):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=1) + "\n")
    temporary.rename(path)


def percent(part, whole):
    return f"{100 * part / whole:.0f} %" if whole else "?"


def roofline_ms(launches, limits, dtype):
    """The least time of the launches: each bound by the measured multiply-adds or by the bandwidth of a copy."""
    peak, bandwidth = limits[f"{dtype}_gflops"] * 1e6, max(limits["copy_gbps"], limits["triad_gbps"]) * 1e6
    if not peak:
        return None
    return sum(max(l["flops"] / peak, l["bytes"] / bandwidth) for l in launches)


def case_row(case):
    """The cells of one case, one row a peer."""
    head = [case["network"], case["mode"], str(case["batch"]), case["dtype"], str(case["threads"])]
    ours = case["programs"].get("netc")
    if not ours or "error" in ours:
        return [[*head, ours["error"] if ours else "not run", "", "", "", "", "", ""]]
    limits = case["limits"]
    gflops = case["flops"] / ours["ms_min"] / 1e6
    own = [f"{ours['ms_min']:.2f}{'*' if ours['disturbed'] else ''}", f"{gflops:.0f}", percent(gflops, limits[f"{case['dtype']}_gflops"]),
           percent(case["roofline_ms"] or 0, ours["ms_min"])]
    rows = []
    for name, theirs in case["programs"].items():
        if name == "netc":
            continue
        if "error" in theirs:
            rows.append([*head, *own, name, theirs["error"], ""])
            continue
        r = theirs["ratio"]
        rows.append([*head, *own, name, f"{theirs['ms_min']:.2f}{'*' if theirs['disturbed'] else ''}",
                     f"**{r['ratio']:.2f}** ({r['ratio_low']:.2f}-{r['ratio_high']:.2f})"])
    return rows


def markdown(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def cases_table(cases):
    titles = ["network", "mode", "batch", "type", "threads", "netc ms", "GFLOP/s", "of peak", "of roofline", "peer", "ms", "ratio (rounds)"]
    return markdown(titles, [row for case in cases for row in case_row(case)])


def memory_table(results):
    rows = []
    for r in results:
        for name, program in r["programs"].items():
            mib = [f"{program[k] / 2**20:.0f}" for k in ("peak_bytes", "libraries_bytes")] if "error" not in program else [program["error"], ""]
            rows.append([r["key"], name, *mib])
        if "share" in r:
            rows.append([r["key"], "netc's share of PyTorch's peak", f"{r['share']:.2f}", f"{r['share_without_libraries']:.2f} without its libraries"])
    return markdown(["case", "program", "peak MiB", "libraries MiB"], rows)


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values)) if values else float("nan")


def convolutions_table(rows):
    titles = ["convolution", "direction", "type", "threads", "netc GFLOP/s", "oneDNN", "version", "ratio", "of roofline"]
    cells = []
    for r in rows:
        if "error" in r:
            cells.append([r["name"], r["direction"], r["dtype"], str(r["threads"]), r["error"], "", "", "", ""])
            continue
        mark = "*" if r["disturbed"] else ""
        cells.append([r["name"], r["direction"], r["dtype"], str(r["threads"]), f"{r['netc_gflops']:.0f}{mark}", f"{r['onednn_gflops']:.0f}",
                      r["onednn"], f"{r['ratio']:.2f}", percent(r["roofline_ms"], r["netc_ms"])])
    text = markdown(titles, cells)
    groups = {}
    for r in rows:
        if "error" not in r:
            groups.setdefault((r["direction"], r["dtype"], r["threads"]), []).append(r)
    for (direction, dtype, threads), members in groups.items():
        ratios = [m["ratio"] for m in members]
        text += (f"\n{direction}, {dtype}, {threads} threads: geometric mean {geometric_mean(ratios):.3f}, least {min(ratios):.2f}, "
                 f"{100 * geometric_mean([m['roofline_ms'] / m['netc_ms'] for m in members]):.0f} % of the roofline\n")
    return text
