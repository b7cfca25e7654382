"""Part 4: the kernels of ResNet-50's training step against a floor: their bytes at the copy's rate, or their arithmetic at the rate
of tensor cores, whichever takes longer. Both rates are what an H100 was published to reach."""
from .machine import Skip

BYTES_PER_SECOND, FLOPS_PER_SECOND = 3.0e12, {"bf16": 780e12, "f32": 60e12}
SLOWEST = 12


def run(machine, args):
    if "H100" not in (name := machine.json("devices")["cuda"]["name"]):
        raise Skip(f"the floor is an H100's, and this is {name}")
    rows = []
    for precision in ("bf16", "f32"):
        bench = machine.json("bench", "std.resnet:resnet50", "--train", "--batch", 256 if precision == "bf16" else 128,
                             "--precision", precision, "--device", machine.device, "--seconds", 5, "--profile")
        launches = []
        for kernel in bench["profile"]:
            floor = max(kernel["bytes"] / BYTES_PER_SECOND, kernel["flops"] / FLOPS_PER_SECOND[precision])
            launches.append((kernel["ns_min"] / 1e6, floor * 1e3, kernel["label"]))
        spent, least = sum(l[0] for l in launches), sum(l[1] for l in launches)
        rows.append(f"{precision}: {len(launches)} launches take {spent:.2f} ms, at least {least:.2f} ms; a step {bench['ms_min']:.2f} ms")
        for ms, floor, label in sorted(launches, key=lambda l: l[1] - l[0])[:SLOWEST]:
            rows.append(f"   {ms:8.3f} ms, {ms / max(floor, 1e-6):6.1f} times its floor: {label}")
    return rows, []
