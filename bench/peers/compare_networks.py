"""Whole networks: netc and every peer by turns."""
import subprocess
from dataclasses import asdict

from peers import cases as matrix
from peers.alternate import Worker, WorkerFailed, alternate, ratio, summary
from peers.report import roofline_ms

RATIO_BOUND = 1e-3


def run_case(environment, case, peers, rounds, seconds, limits):
    workers, programs = {}, {}
    try:
        for name in ["netc", *peers]:
            try:
                workers[name] = start(environment, case, name)
            except WorkerFailed as failure:
                programs[name] = {"error": str(failure)}
        if "netc" in workers:
            alternate(list(workers.values()), rounds, seconds)
        return evaluate(case, workers, programs, limits)
    finally:
        for worker in workers.values():
            worker.close()


def start(environment, case, name):
    if name in ("netc", matrix.DIRECT):
        return Worker(name, matrix.netc_command(environment, case, name))
    if name == "torch-inductor" and not matrix.inductor_mark(environment, case).exists():
        raise WorkerFailed("not compiled yet: --prepare-inductor")
    return Worker(name, matrix.peer_command(environment, case, name), environment.variables(case.threads))


def evaluate(case, workers, programs, limits):
    for name, worker in workers.items():
        if not worker.windows:
            continue
        about = {k: v for k, v in worker.description.items() if k != "profile"}
        programs[name] = {**summary(worker.windows), "about": about}
    result = {**asdict(case), "key": case.key(), "limits": limits, "programs": programs}
    if "netc" in workers:
        description = workers["netc"].description
        result["flops"] = description["flops"]
        result["roofline_ms"] = roofline_ms(description["profile"], limits, case.dtype)
        for name, program in programs.items():
            if name != "netc" and "error" not in program:
                program["ratio"] = ratio(programs["netc"], program)
    return result


def prepare_inductor(environment, case):
    """Lets torch.compile fill its cache for a case. Takes minutes; times nothing."""
    mark = matrix.inductor_mark(environment, case)
    if mark.exists():
        return
    environment.log(f"torch.compile: {case.key()}")
    worker = Worker("torch-inductor", matrix.peer_command(environment, case, "torch-inductor"),
                    environment.variables(case.threads), start_limit=1800)
    worker.close()
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def check_logits(environment, networks):
    """Whether netc, ONNX Runtime and OpenVINO give PyTorch's logits for the same weights and input; lines of text and the verdict."""
    lines, right = [], True
    script = """import sys, numpy as np
a, b = np.load(sys.argv[1]), np.load(sys.argv[2])
print(float(np.abs(a - b).max() / np.abs(b).max()))"""
    for network in networks:
        model = environment.models / f"{network}_b8.onnx"
        outputs = {name: model.with_suffix(f".{name}.npy") for name in ("netc", "onnxruntime", "openvino")}
        commands = {
            "netc": [environment.netc, "predict", matrix.REFERENCES[network], "--weights", environment.models / f"{network}.safetensors",
                     "--names", f"std.names:{matrix.NAME_MAPS[network]}", "--input", model.with_suffix(".x.npy"), "--output",
                     outputs["netc"], "--batch", 8, "--quiet"],
            **{peer: [environment.python, matrix.PEERS / f"run_{peer}.py", "--model", model, "--threads", 2, "--dump", outputs[peer],
                      *(["--dtype", "f32"] if peer == "openvino" else [])] for peer in ("onnxruntime", "openvino")}}
        for name, command in commands.items():
            subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL, env=environment.variables(2))
            error = float(subprocess.run([environment.python, "-c", script, outputs[name], model.with_suffix(".y.npy")], check=True,
                                         capture_output=True, text=True).stdout)
            right &= error <= RATIO_BOUND
            lines.append(f"{network}: {name} differs from PyTorch by {error:.1e} of the largest logit")
    return lines, right
