"""Peak resident memory of a training step, netc's and PyTorch's, each in a fresh process and one after the other.

PyTorch runs with the system's allocator as it is and with the settings that make it fast; the lesser peak counts. What its libraries occupy before the
network exists is told apart, since a program that links them pays for it once.
"""
from peers import cases as matrix
from peers.alternate import Worker, WorkerFailed

ALLOCATOR = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")


def peak_of(command, env=None):
    try:
        worker = Worker("memory", command, env)
    except WorkerFailed as failure:
        return {"error": str(failure)}
    try:
        answer = worker.measure(0)
        return {"peak_bytes": answer["peak_bytes"], "libraries_bytes": worker.description.get("libraries_bytes", 0)}
    finally:
        worker.close()


def run(environment, case):
    tuned = environment.variables(case.threads)
    plain = {k: v for k, v in tuned.items() if k not in ALLOCATOR}
    torch = matrix.peer_command(environment, case, "torch-eager")
    peaks = {"netc": peak_of(matrix.netc_command(environment, case)), "PyTorch": peak_of(torch, plain),
             "PyTorch, tuned allocator": peak_of(torch, tuned)}
    result = {"key": case.key(), "programs": peaks}
    others = [p for name, p in peaks.items() if name != "netc" and "error" not in p]
    if others and "error" not in peaks["netc"]:
        least = min(others, key=lambda p: p["peak_bytes"])
        result["share"] = peaks["netc"]["peak_bytes"] / least["peak_bytes"]
        result["share_without_libraries"] = peaks["netc"]["peak_bytes"] / (least["peak_bytes"] - least["libraries_bytes"])
    return result
