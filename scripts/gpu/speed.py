"""Part 5: images a second of ResNet-50 and GoogLeNet, training and inference, by turns with PyTorch in one run."""
import json
import sys
from pathlib import Path

from .machine import Skip

CASES = [(network, mode, precision) for network in ("resnet50", "googlenet") for mode in ("training", "inference")
         for precision in ("bf16", "f16")]
BATCH, SECONDS, ROUNDS = 256, 3, 2
PEER = Path(__file__).with_name("torch_speed.py")
REFERENCES = {"resnet50": "std.resnet:resnet50", "googlenet": "std.googlenet:googlenet"}


def netc_images(machine, network, mode, precision):
    bench = machine.json("bench", REFERENCES[network], *(["--train"] if mode == "training" else []), "--batch", BATCH,
                         "--precision", precision, "--device", machine.device, "--seconds", SECONDS)
    return {"images": bench["images_per_second"], "bytes": bench["planned_bytes"], "compile": bench["compile_seconds"]}


def torch_images(machine, network, mode, precision, variant):
    done = machine.command([sys.executable, PEER, network, mode, precision, variant, BATCH, SECONDS])
    if done.returncode != 0:
        raise RuntimeError(f"PyTorch, {variant}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)


def run(machine, args):
    if machine.command([sys.executable, "-c", "import torch, torchvision; assert torch.cuda.is_available()"]).returncode != 0:
        raise Skip("there is no PyTorch that sees the GPU")
    rows = [f"batch {BATCH}; images/s, GB, s to compile:   netc | PyTorch, eager | torch.compile"]
    problems = []
    for network, mode, precision in CASES:
        best = {}
        for _ in range(ROUNDS):
            for who in ("netc", "eager", "compile"):
                try:
                    got = netc_images(machine, network, mode, precision) if who == "netc" else torch_images(
                        machine, network, mode, precision, who)
                except RuntimeError as error:
                    got = {"images": 0, "bytes": 0, "compile": 0}
                    problems.append(f"{network} {mode} {precision}, {who}: {str(error).splitlines()[-1]}")
                best[who] = max(best.get(who, got), got, key=lambda g: g["images"])
        cells = [f"{b['images']:8.0f} {b['bytes'] / 1e9:5.1f} {b['compile']:5.1f}" for b in best.values()]
        rows.append(f"{network:10} {mode:9} {precision}  " + " | ".join(cells))
    return rows, sorted(set(problems))
