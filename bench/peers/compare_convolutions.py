"""Each convolution of ResNet-50, forward, data gradient and weight gradient, against oneDNN.

netc compiles a small network around the convolution, in which its input comes from a kernel and its output goes to one, as in a large
network, and the times of the convolution's own launches count: forward in inference with bias and ReLU, gradients in training. oneDNN
runs the same convolution on its own, in the layouts that it likes best, with bias and ReLU forward.
"""
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from peers import report
from peers.alternate import DISTURBED, Worker, WorkerFailed
from peers.environment import ONEDNN

SUFFIX = {"forward": "", "data": "[data gradient]", "weights": "[weight gradient]"}
NETWORK = """network convolution(classes: int = 8) {{
    input image: [{c}, {h}, {h}]
    {before}
    conv: conv({k}, {r}x{r}, stride = {stride}, pad = {pad})
    after: batch_norm
    relu
    global_avg_pool
    fc: linear(classes)
    output logits
}}
"""


@dataclass(frozen=True)
class Shape:
    c: int
    h: int
    k: int
    r: int
    stride: int = 1

    @property
    def pad(self):
        return self.r // 2

    @property
    def output(self):
        return (self.h + 2 * self.pad - self.r) // self.stride + 1

    @property
    def name(self):
        return f"{self.r}x{self.r}{f'/{self.stride}' if self.stride > 1 else ''} {self.c}-{self.k}@{self.h}"

    def flops(self, n):
        """As it is usual to count, with the taps in the padding, which a good kernel skips."""
        return 2 * n * self.k * self.c * self.r * self.r * self.output**2

    def bytes(self, n, direction, dtype):
        size = 2 if dtype == "bf16" else 4
        weights = self.k * self.c * self.r * self.r * (4 if direction == "weights" else size)
        return size * n * (self.c * self.h**2 + self.k * self.output**2) + weights


SHAPES = [Shape(3, 224, 64, 7, 2),
          Shape(64, 56, 64, 1), Shape(64, 56, 64, 3), Shape(64, 56, 256, 1), Shape(256, 56, 64, 1),
          Shape(256, 56, 128, 1), Shape(128, 56, 128, 3, 2), Shape(128, 28, 512, 1), Shape(256, 56, 512, 1, 2),
          Shape(512, 28, 128, 1), Shape(128, 28, 128, 3),
          Shape(512, 28, 256, 1), Shape(256, 28, 256, 3, 2), Shape(256, 14, 1024, 1), Shape(512, 28, 1024, 1, 2),
          Shape(1024, 14, 256, 1), Shape(256, 14, 256, 3),
          Shape(1024, 14, 512, 1), Shape(512, 14, 512, 3, 2), Shape(512, 7, 2048, 1), Shape(1024, 14, 2048, 1, 2),
          Shape(2048, 7, 512, 1), Shape(512, 7, 512, 3)]


class Netc:
    """netc on one shape: a worker for inference and one for training, each started when it is first needed."""

    def __init__(self, environment, shape, batch, dtype, threads, folder):
        self.path = Path(folder) / "convolution.net"
        # The gradient by the stem's input is never needed; the others' inputs come from another layer, as in the network, so that they
        # lie in blocks of channels, and so does what the epilogue of the gradient reads.
        before = "" if shape.c == 3 else f"before: conv_bn_relu({shape.c}, 1x1)"
        self.path.write_text(NETWORK.format(before=before, c=shape.c, h=shape.h, k=shape.k, r=shape.r, stride=shape.stride, pad=shape.pad))
        self.command = [environment.netc, "bench", self.path, "--batch", batch, "--threads", threads, "--precision", dtype,
                        "--profile", "--on-demand"]
        self.workers = {}

    def measure(self, seconds, modes):
        """Milliseconds of each direction, and the share of the machine that others took."""
        times, others = {}, 0.0
        for mode in modes:
            if mode not in self.workers:
                self.workers[mode] = Worker(f"netc {mode}", self.command + (["--train"] if mode == "training" else []))
            answer = self.workers[mode].measure(seconds)
            others = max(others, answer["others"])
            for direction in ["forward"] if mode == "inference" else ["data", "weights"]:
                times[direction] = self._launches(self.workers[mode].description["profile"], answer["launch_ns_min"], direction)
        return times, others

    @staticmethod
    def _launches(launches, nanoseconds, direction):
        """The sum over the launches of a direction, among them conversions of layouts that are the convolution's own."""
        def belongs(label):
            found = next((d for d in ("data", "weights") if SUFFIX[d] in label), "forward")
            return label.startswith("conv") and found == direction
        times = [ns for launch, ns in zip(launches, nanoseconds) if belongs(launch["label"])]
        return sum(times) / 1e6 if times else None

    def close(self):
        for worker in self.workers.values():
            worker.close()


def onednn_workers(environment, threads):
    """A worker for each oneDNN that starts. SYCL takes the number of threads from the processors that it may use."""
    workers, reasons = {}, []
    for flavour in ONEDNN:
        env = environment.variables(threads)
        env.update(LD_LIBRARY_PATH=environment.library_path(flavour), OMP_PROC_BIND="true", ONEDNN_VERBOSE="0")
        try:
            worker = Worker(flavour, ["taskset", "-c", f"0-{threads - 1}", environment.onednn(flavour)], env)
            workers[f"{worker.description['version']} {flavour}"] = worker
        except WorkerFailed as failure:
            reasons.append(str(failure))
    if not workers:
        raise WorkerFailed("; ".join(reasons))
    return workers


def compare_shape(environment, shape, args, dtype, threads, limits, onednn, folder):
    batch = args.batch or 8
    directions = [d for d in args.direction if not (shape.c == 3 and d == "data")]
    modes = [m for m, ds in (("inference", {"forward"}), ("training", {"data", "weights"})) if ds & set(directions)]
    netc, ours, theirs, others = Netc(environment, shape, batch, dtype, threads, folder), {}, {}, 0.0
    head = {"name": shape.name, "batch": batch, "dtype": dtype, "threads": threads}
    try:
        for _ in range(args.rounds):
            times, busy = netc.measure(args.seconds / 2, modes)
            others = max(others, busy)
            for direction in directions:
                if times[direction] is not None:
                    ours.setdefault(direction, []).append(times[direction])
                for version, worker in onednn.items():
                    answer = worker.measure(f"{direction} {dtype} {batch} {shape.c} {shape.h} {shape.h} {shape.k} {shape.r} {shape.stride} "
                                            f"{shape.pad} {args.seconds / 4}")
                    theirs.setdefault(direction, {}).setdefault(version, []).append(min(answer["ms"]))
                    others = max(others, answer["others"])
    except WorkerFailed as failure:
        return [{**head, "direction": direction, "error": str(failure)} for direction in directions]
    finally:
        netc.close()
    peak, bandwidth = limits[f"{dtype}_gflops"] * 1e6, max(limits["copy_gbps"], limits["triad_gbps"]) * 1e6
    rows = []
    for direction in directions:
        if direction not in ours:
            rows.append({**head, "direction": direction, "error": "no launch of netc's has the convolution's name"})
            continue
        version, best = min(((v, min(t)) for v, t in theirs[direction].items()), key=lambda pair: pair[1])
        own, flops = min(ours[direction]), shape.flops(batch)
        by_round = [t / o for o, t in zip(ours[direction], theirs[direction][version])]
        rows.append({**head, "direction": direction, "netc_ms": own, "onednn_ms": best, "onednn": version, "ratio": best / own,
                     "ratio_low": min(by_round), "ratio_high": max(by_round), "netc_gflops": flops / own / 1e6,
                     "onednn_gflops": flops / best / 1e6, "disturbed": others > DISTURBED, "limits": limits,
                     "roofline_ms": max(flops / peak, shape.bytes(batch, direction, dtype) / bandwidth)})
    return rows


def run(args, environment, results, measured_limits, stamp, replace):
    """The table of what was measured. `replace` puts rows into the results, in the place of older ones."""
    key = lambda r: (r["name"], r["direction"], r["batch"], r["dtype"], r["threads"])
    begin, done = time.monotonic(), []
    for threads in [args.threads] if args.threads else [2, 1]:
        limits, onednn = measured_limits(environment, threads), onednn_workers(environment, threads)
        try:
            for dtype in [args.dtype] if args.dtype else ["f32", "bf16"]:
                for shape in SHAPES:
                    if args.shape and not any(text in shape.name for text in args.shape):
                        continue
                    if args.resume and any(key(r)[0] == shape.name and key(r)[3:] == (dtype, threads) for r in results["convolutions"]):
                        continue
                    if time.monotonic() - begin > args.limit:
                        environment.log(f"stopped at the limit, before {shape.name}")
                        return report.convolutions_table(done)
                    with tempfile.TemporaryDirectory() as folder:
                        rows = compare_shape(environment, shape, args, dtype, threads, limits, onednn, folder)
                    done += [{**row, **stamp(environment)} for row in rows]
                    replace(results["convolutions"], done[-len(rows):], key)
                    report.save(args.output, results)
        finally:
            for worker in onednn.values():
                worker.close()
    return report.convolutions_table(done)
