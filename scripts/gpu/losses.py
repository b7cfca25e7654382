"""Part 3: ten training steps of whole networks at 224x224, in f32 and bf16, against the CPU's losses."""
from . import networks
from .machine import read_losses, step_tolerance

STEPS, BATCH, CLASSES = 10, 8, 1000
NETWORKS = {"resnet18": "std.resnet", "resnet50": "std.resnet", "googlenet": "std.googlenet"}

RECIPE = """import {module} {{ {name} }}
dataset noise {{
    train = numpy("big_x.npy", "big_y.npy")
    test = numpy("big_x.npy", "big_y.npy")
    normalize = imagenet
}}
train run = {name}() on noise {{
    loss = cross_entropy()
    optimizer = sgd(momentum = 0.9)
    schedule = [constant(0.001)]
    batch = {batch}
    epochs = {steps}
}}
"""


def train(machine, name, device, precision):
    log = f"big_{name}_{precision}_{device}.jsonl"
    machine.run("train", f"big_{name}.net:run", "--quiet", "--seed", 1, "--precision", precision, "--device", device,
                "--output", f"big_{name}_{precision}_{device}", "--log", log)
    return read_losses(machine.work / log)


def run(machine, args):
    networks.write_pictures(machine.work, BATCH, CLASSES)  # an epoch is one step
    rows, problems = [], []
    for name, module in NETWORKS.items():
        (machine.work / f"big_{name}.net").write_text(RECIPE.format(module=module, name=name, batch=BATCH, steps=STEPS))
        for precision in ("f32", "bf16"):
            limit = STEPS * step_tolerance(precision)[1]  # that of two steps, for each of two implementations, and five times as many
            expected, got = (train(machine, name, device, precision) for device in ("cpu", machine.device))
            assert len(expected) == 2 * STEPS, "a loss of training and of the test for each step"
            error = max(abs(a - b) / max(1, abs(a)) for a, b in zip(expected, got, strict=True))
            (rows if error <= limit else problems).append(
                f"{name:10} {precision:4}  losses {expected[0]:.4f} to {expected[-2]:.4f}, off by {error:.1e} of {limit:.1e}")
    return rows, problems
