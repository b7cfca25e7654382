"""Runs programs by turns: A B A B. Whatever is not measured is stopped (SIGSTOP), so that no pool spins beside another.

Every window also notes how much of the machine's time others took; a disturbed one does not count where there are undisturbed ones.
"""
import ctypes
import json
import os
import re
import select
import signal
import statistics
import subprocess
import time

DISTURBED = 0.05  # of all processors' time


class WorkerFailed(Exception):
    pass


class Worker:
    """A program that speaks the protocol of worker.py."""

    def __init__(self, name, command, env=None, start_limit=300):
        self.name = name
        self.windows = []
        self.errors = []
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=env, start_new_session=True,
                                        preexec_fn=die_with_parent)
        try:
            self.description = json.loads(self._answer(start_limit))
        except WorkerFailed:
            self.close()
            raise
        self._signal(signal.SIGSTOP)
        raise_priority(self.process.pid)

    def ask(self, request, limit=120):
        self._signal(signal.SIGCONT)
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        try:
            return json.loads(self._answer(limit))
        finally:
            self._signal(signal.SIGSTOP)

    def measure(self, request):
        """The answer to a request, and in it how much of all processors' time others took meanwhile."""
        before, own_before, start = machine_ticks(), self._ticks(), time.monotonic()
        answer = self.ask(request)
        total = (time.monotonic() - start) * os.sysconf("SC_CLK_TCK") * os.cpu_count()
        others = (machine_ticks() - before) - (self._ticks() - own_before)
        answer["others"] = max(0.0, others / max(total, 1.0))
        self.windows.append(answer)
        return answer

    def close(self):
        if self.process.poll() is None:
            self._signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass

    def _answer(self, limit):
        ready, _, _ = select.select([self.process.stdout], [], [], limit)
        line = self.process.stdout.readline() if ready else ""
        while line and not line.startswith("{"):  # a library's chatter
            line = self.process.stdout.readline()
        if line:
            return line
        if not ready:
            raise WorkerFailed(f"{self.name}: no answer within {limit} s")
        raise WorkerFailed(f"{self.name}: " + last_words(self.process.stderr.read()))

    def _signal(self, number):
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def _ticks(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


def die_with_parent():
    """In a child: a driver that is killed leaves no stopped programs behind."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def raise_priority(session):
    """Lets a session's processes run before all others', where the system has groups for them and permits it."""
    try:
        with open(f"/proc/{session}/autogroup", "w") as group:
            group.write("-20")
    except OSError:
        pass


def last_words(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"E\d{4} ", line)]  # netc's; Python's comes last
    return (errors or lines[-1:] or ["ended without a word"])[0][:300]


def machine_ticks():
    """Busy ticks of all processors since boot."""
    with open("/proc/stat") as stat:
        fields = [int(f) for f in stat.readline().split()[1:]]
    user, nice, system, _idle, _wait, irq, softirq, steal = fields[:8]
    return user + nice + system + irq + softirq + steal


def alternate(workers, rounds, seconds):
    """`rounds` windows of `seconds` for each worker, by turns; every other round backwards."""
    for r in range(rounds):
        for worker in workers if r % 2 == 0 else reversed(workers):
            worker.measure(seconds)


def summary(windows):
    """Of one program's windows: the least and the median time, and whether others disturbed all of them."""
    quiet = [w for w in windows if w["others"] < DISTURBED]
    used = quiet or windows
    times = [t for w in used for t in w["ms"]]
    return {"ms_min": min(times), "ms_median": statistics.median(times), "windows": [min(w["ms"]) for w in windows],
            "steps": len(times), "disturbed": not quiet, "others": [round(w["others"], 3) for w in windows],
            "peak_bytes": max(w.get("peak_bytes", 0) for w in windows)}


def ratio(ours, theirs):
    """How many times faster we are, by the least times; and from round to round at worst and at best."""
    by_round = [t / o for o, t in zip(ours["windows"], theirs["windows"])]
    return {"ratio": theirs["ms_min"] / ours["ms_min"], "ratio_median": theirs["ms_median"] / ours["ms_median"],
            "ratio_low": min(by_round), "ratio_high": max(by_round)}
