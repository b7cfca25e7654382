"""Part 1: two training steps of small networks (one in bf16, where what one step rounds otherwise grows in the next), and
a prediction with what they learned, on the device and on the CPU. Both may be off from exact arithmetic by the tests'
tolerance for two steps, so they may differ by twice that."""
from . import networks
from .machine import read_losses, read_npy, read_safetensors, step_tolerance


def train(machine, name, device, precision):
    stem = f"{name}_{precision}_{device}"
    machine.run("train", f"{name}.net", "--quiet", "--seed", 1, "--precision", precision, "--device", device,
                "--epochs", 2 if precision == "f32" else 1, "--output", stem, "--log", f"{stem}.jsonl")
    return read_losses(machine.work / f"{stem}.jsonl"), read_safetensors(machine.work / stem / "last.safetensors")


def predict(machine, name, device, precision):
    path = machine.work / f"{name}_{precision}_{device}.npy"
    machine.run("predict", f"{name}.net", "--quiet", "--weights", f"{name}_f32_cpu/last.safetensors", "--random-input", "--seed", 1,
                "--batch", 4, "--precision", precision, "--no-winograd", "--device", device, "--output", path)
    return read_npy(path)


def worst(expected, got):
    """The largest difference relative to the largest expected value, at least 1e-2. NaN is infinitely wrong."""
    scale = max([1e-2, *map(abs, expected)])
    differences = [abs(a - b) for a, b in zip(expected, got, strict=True)]
    return float("inf") if any(d != d for d in differences) else max(differences, default=0) / scale


def check_training(machine, name, precision):
    """(whether it is right, a row of the table)"""
    state_limit, loss_limit = (2 * limit for limit in step_tolerance(precision))
    losses, state = train(machine, name, "cpu", precision)
    device_losses, device_state = train(machine, name, machine.device, precision)
    if not losses or not state or set(state) != set(device_state):
        return False, f"{name:10} {precision:4}  training   the two runs kept different things"
    loss = max(abs(a - b) / max(1, abs(a)) for a, b in zip(losses, device_losses, strict=True))
    tensor, error = max(((t, worst(v, device_state[t])) for t, v in state.items()), key=lambda e: e[1])
    return (loss <= loss_limit and error <= state_limit,
            f"{name:10} {precision:4}  training   loss {loss:.1e} of {loss_limit:.1e}, {tensor} {error:.1e} of {state_limit:.1e}")


def check_inference(machine, name, precision):
    limit = 2 * step_tolerance(precision)[0]
    error = worst(predict(machine, name, "cpu", precision), predict(machine, name, machine.device, precision))
    return error <= limit, f"{name:10} {precision:4}  inference  {error:.1e} of {limit:.1e}"


def run(machine, args):
    rows, problems = [], []
    for name in networks.write(machine.work):
        if args.only and args.only not in name:
            continue
        for check, precisions in ((check_training, ("f32", "tf32", "bf16")), (check_inference, ("f32", "tf32", "bf16", "f16"))):
            for precision in precisions:
                try:
                    good, row = check(machine, name, precision)
                except RuntimeError as error:
                    good, row = False, f"{name:10} {precision:4}  {error}"
                (rows if good else problems).append(row)
                print(row, flush=True)
    return rows, problems
