"""Part 2: a training step of a small network under each tool of compute-sanitizer."""
import shutil

from . import networks
from .machine import Skip

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
FOUND = 9  # the exit code that stands for an error that was found


def run(machine, args):
    sanitizer = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if not sanitizer:
        raise Skip("there is no compute-sanitizer")
    networks.write(machine.work)
    rows, problems = [], []
    for tool in TOOLS:
        for name, precision in (("residuals", "bf16"), ("branches", "f32")):
            done = machine.command([sanitizer, "--tool", tool, "--error-exitcode", FOUND, machine.netc, "train", f"{name}.net",
                                    "--quiet", "--seed", 1, "--precision", precision, "--device", machine.device,
                                    "--stop-after", 3, "--output", f"{tool}_{name}"], timeout=100)
            last = (done.stdout + done.stderr).strip().splitlines()[-1:]
            (problems if done.returncode else rows).append(f"{tool:10} {name} {precision}: {last[0] if last else 'no word'}")
    return rows, problems
