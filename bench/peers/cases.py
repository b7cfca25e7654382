"""What is compared: networks, modes, batches, types and threads, and the programs that run each case."""
from dataclasses import asdict, dataclass
from itertools import product

from peers.environment import PEERS, ROOT

REFERENCES = {"resnet18": "std.resnet:resnet18", "resnet50": "std.resnet:resnet50", "googlenet": "std.googlenet:googlenet",
              "cifar_resnet20": ROOT / "examples/cifar_resnet20/cifar_resnet20.net",
              "fashion_mnist": ROOT / "examples/fashion_mnist/fashion_mnist.net"}
IMAGENET = ["resnet50", "resnet18", "googlenet"]
SMALL = ["cifar_resnet20", "fashion_mnist"]
NAME_MAPS = {"resnet18": "torchvision_resnet", "resnet50": "torchvision_resnet", "googlenet": "torchvision_googlenet"}
DIRECT = "netc-direct"  # netc again, without Winograd's convolutions
PEER_NAMES = [DIRECT, "onnxruntime", "openvino", "torch-eager", "torch-frozen", "torch-inductor"]


@dataclass(frozen=True)
class Case:
    network: str
    mode: str   # "inference" or "training"
    batch: int
    dtype: str  # "f32" or "bf16"
    threads: int

    def key(self):
        return " ".join(str(v) for v in asdict(self).values())


def all_cases():
    """In the order of importance: a run that is cut short has done the first ones."""
    cases = []
    for threads, dtype in product([2, 1], ["f32", "bf16"]):
        cases += [Case(n, "inference", b, dtype, threads) for n, b in product(IMAGENET, [1, 8])]
        cases += [Case(n, "training", b, dtype, threads) for n, b in product(IMAGENET, [8, 32])]
        cases += [Case(n, "training", 128, dtype, threads) for n in SMALL]
    return cases


def netc_command(environment, case, name="netc"):
    command = [environment.netc, "bench", REFERENCES[case.network], "--batch", case.batch, "--threads", case.threads,
               "--precision", case.dtype, "--on-demand"]
    return command + (["--train"] if case.mode == "training" else []) + (["--no-winograd"] if name == DIRECT else [])


def peers_of(case):
    """Names of PEER_NAMES that can run the case."""
    if case.mode == "training":
        return ["torch-eager", "torch-inductor"]
    return [*([DIRECT, "onnxruntime"] if case.dtype == "f32" else []), "openvino", "torch-frozen", "torch-inductor"]


def peer_command(environment, case, peer):
    if peer.startswith("torch-"):
        return [environment.python, PEERS / "run_torch.py", "--network", case.network, "--mode", case.mode, "--batch", case.batch,
                "--dtype", case.dtype, "--threads", case.threads, "--variant", peer.removeprefix("torch-")]
    model = environment.models / f"{case.network}_b{case.batch}.onnx"
    command = [environment.python, PEERS / f"run_{peer}.py", "--model", model, "--threads", case.threads]
    return command + (["--dtype", case.dtype] if peer == "openvino" else [])


def inductor_mark(environment, case):
    """A file that says that torch.compile has compiled the case before, so that starting it does not take minutes."""
    return environment.folder / "inductor" / ("_".join(case.key().split()) + ".compiled")
