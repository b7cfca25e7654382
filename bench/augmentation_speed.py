#!/usr/bin/env python3
"""What augmentation costs a training: images/s of `netc train` against the same step on a replayed batch.

    bench/augmentation_speed.py --cifar /data/cifar-10-batches-bin        # build/release/netc, two threads
    bench/augmentation_speed.py --only fashion_mnist --rounds 5

Of each example three lists of augmentations: none, its own, and all that its pictures allow. Programs run by turns:
`netc bench --train` replays one batch in the step without augmentation, `netc train` reads, shuffles, augments and logs. The
ratio is train's images/s over bench's, with the spread over the rounds; the replayed step with the list's own operators on fixed records
is the second column, so that what the pixels cost and what drawing and reading cost are told apart.
"""
import argparse
import json
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GEOMETRY = ["flip(horizontal)", "rotate(15deg)", "shift(10%)", "scale(10%)", "shear(10deg)"]
HOLES = ["erase(25%)"]  # or cutout: a list has one of them
COLORS = ["color_jitter(brightness = 20%, contrast = 20%, saturation = 20%, hue = 5%)", "grayscale(10%)", "rand_augment(2, 9)"]
EXAMPLES = {
    "fashion_mnist": ["crop(28x28, pad = 2)", *GEOMETRY, *HOLES, "mixup(0.2)"],
    "cifar_resnet20": ["crop(32x32, pad = 4)", *GEOMETRY, *COLORS, *HOLES, "mixup(0.2)"],
}
AUGMENT = re.compile(r"augment\s*=\s*\[[^\]]*\]")


def run(*command, text=None):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, input=text).stdout


def with_list(source, augmentations):
    """The example with another list; None keeps its own."""
    if augmentations is None:
        return source
    text, count = AUGMENT.subn(f"augment = [{', '.join(augmentations)}]", source)
    if count != 1:
        raise SystemExit(f"{count} `augment` lists in the example, 1 expected")
    return text


def replayed(netc, network, batch, threads, seconds):
    """Images/s of the step on one batch, over all steps, as a training's rate is."""
    answer = run(netc, "bench", network, "--train", "--batch", batch, "--threads", threads, "--on-demand", text=f"{seconds}\n")
    steps = json.loads(answer.splitlines()[1])["ms"]
    return 1e3 * batch * len(steps) / sum(steps)


def trained(netc, network, batch, threads, seconds, images_per_second, data, folder):
    """Images/s of a training of about `seconds`, without its first records."""
    steps = max(200, int(seconds * images_per_second / batch / 50) * 50)
    log = folder / "log.jsonl"
    log.unlink(missing_ok=True)
    run(netc, "train", network, "--batch", batch, "--threads", threads, "--seed", 1, "--stop-after", steps, "--log", log,
        "--output", folder / "run", "--quiet", *data)
    records = [json.loads(line) for line in log.read_text().splitlines()]
    rates = [r["images_per_second"] for r in records if r["kind"] == "step" and r["step"] > 50]
    return statistics.fmean(rates)


def measure(arguments, example, full, folder):
    source = (ROOT / "examples" / example / f"{example}.net").read_text()
    data = ["--data", f"train={arguments.cifar}", "--data", f"test={arguments.cifar}"] if example.startswith("cifar") else []
    files = {}
    for name, augmentations in (("none", []), ("own", None), ("all", full)):
        files[name] = folder / f"{example}_{name}.net"
        files[name].write_text(with_list(source, augmentations))
    ratios, step_ratios = {name: [] for name in files}, {name: [] for name in files}
    for _ in range(arguments.rounds):
        for name, file in files.items():
            still = replayed(arguments.netc, files["none"], arguments.batch, arguments.threads, arguments.seconds)
            step = replayed(arguments.netc, file, arguments.batch, arguments.threads, arguments.seconds)
            moving = trained(arguments.netc, file, arguments.batch, arguments.threads, arguments.seconds, step, data, folder)
            ratios[name].append(moving / still)
            step_ratios[name].append(step / still)
            print(f"  {example} {name}: replayed {still:.0f}, its step {step:.0f}, trained {moving:.0f} images/s", flush=True)
    for name in files:
        spread = f"{min(ratios[name]):.3f} to {max(ratios[name]):.3f}"
        print(f"{example:15} {name:5} training {statistics.median(ratios[name]):.3f} ({spread}), step alone "
              f"{statistics.median(step_ratios[name]):.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=Path, default=ROOT / "build/release/netc")
    parser.add_argument("--cifar", help="folder of CIFAR-10's binary files; without it that example is left out")
    parser.add_argument("--only", choices=EXAMPLES)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    arguments = parser.parse_args()
    for example, full in EXAMPLES.items():
        if arguments.only not in (None, example):
            continue
        if example.startswith("cifar") and not arguments.cifar:
            print(f"{example}: left out, no --cifar")
            continue
        with tempfile.TemporaryDirectory() as folder:
            measure(arguments, example, full, Path(folder))


if __name__ == "__main__":
    main()
