"""The side of a peer: warms a step up, then measures whenever the driver asks.

A worker prints a JSON line once it is warm, and then one for each line of its standard input, a number of seconds. It is the protocol
of `netc bench --on-demand`, so that the driver (alternate.py) treats all programs alike.
"""
import json
import resource
import sys
import time


def resident_bytes(field):
    """A line of /proc/self/status in bytes: VmRSS now, VmHWM at most since the last reset."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return 1024 * int(line.split()[1])
    raise KeyError(field)


def reset_peak():
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")


def serve(step, description, warm_up=3, libraries_bytes=0):
    """`step()` does one step. `libraries_bytes`: resident before the network existed."""
    for _ in range(warm_up):
        step()
    print(json.dumps({**description, "libraries_bytes": libraries_bytes, "peak_bytes": resident_bytes("VmHWM")}), flush=True)
    for line in sys.stdin:
        seconds = float(line)
        milliseconds = []
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        end = time.perf_counter() + seconds
        while not milliseconds or time.perf_counter() < end:
            before = time.perf_counter()
            step()
            milliseconds.append(1e3 * (time.perf_counter() - before))
        print(json.dumps({"ms": milliseconds, "peak_bytes": resident_bytes("VmHWM"),
                          "page_faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults}), flush=True)
