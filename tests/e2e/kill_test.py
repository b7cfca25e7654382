#!/usr/bin/env python3
"""Checkpoints against everything that can happen to a process and its disk: kills at random moments, a full disk, a failing
read, flipped bits. Nothing older is ever lost, and every training ends in the bytes of the undisturbed one.

    NETC_KILLS=1000 NETC=build/release/netc tests/e2e/kill_test.py Kills      # as many kills as you have patience for
"""
import os
import random
import resource
import signal
import subprocess
import time
import unittest

from support import NETC, Case, main, read_safetensors

KILLS = int(os.environ.get("NETC_KILLS", "24"))


class Kills(Case):
    def command(self, out, *extra):
        return [NETC, "train", "tiny.net", "--seed", "7", "--output", out, "-q", "--save-every", "3", "--keep", "3",
                "--log", f"{out}.jsonl", *extra]

    def environment(self):
        return {**os.environ, "NETC_CACHE_DIR": str(self.folder / "cache")}

    def results(self, out):
        return [(self.folder / out / f"{name}.safetensors").read_bytes() for name in ("last", "best")]

    def test_random_kills_leave_no_trace(self):
        self.tiny(epochs=12, train=256)
        subprocess.run(self.command("whole"), cwd=self.folder, env=self.environment(), check=True)
        started = time.time()  # now kernels are cached, as in what follows: a kill falls into the run, not after it
        subprocess.run(self.command("again"), cwd=self.folder, env=self.environment(), check=True)
        seconds = time.time() - started
        whole, seed, kills, runs, idle = self.results("whole"), random.randrange(1 << 30), 0, 0, 0
        rng = random.Random(seed)
        while kills < KILLS:
            out = f"run{runs}"
            runs += 1
            ended = False
            while not ended:
                last = self.folder / out / "last.safetensors"
                extra = ["--resume"] if last.exists() else []
                process = subprocess.Popen(self.command(out, *extra), cwd=self.folder, env=self.environment(),
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                before = last.stat().st_mtime_ns if extra else 0
                try:  # enough kills of one run: let it end
                    _, errors = process.communicate(timeout=None if kills >= KILLS else rng.uniform(0.01, 1.2 * seconds))
                    ended = True
                    self.assertEqual(process.returncode, 0, f"seed {seed}, kill {kills}: {errors}")
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    kills += 1
                if last.exists():
                    read_safetensors(last)
                    idle += last.stat().st_mtime_ns == before
            self.assertEqual(whole, self.results(out), f"seed {seed}")
            kept = sorted(p.name for p in (self.folder / out).glob("step-*"))
            self.assertEqual(len(kept), 3, kept)
            self.assertFalse(list((self.folder / out).glob("*.tmp-*")))
        print(f"{kills} kills of {runs} trainings, {idle} of them before a new checkpoint; seed {seed}", flush=True)


class Faults(Case):
    def train(self, *extra, **kwargs):
        return self.netc("train", "tiny.net", "--seed", 7, "--output", "a", *extra, **kwargs)

    def setUp(self):
        super().setUp()
        self.tiny()
        self.train("--stop-after", 5)
        self.last = self.folder / "a" / "last.safetensors"
        self.before = self.last.read_bytes()

    def assert_nothing_lost(self):
        self.assertEqual(self.before, self.last.read_bytes())
        self.assertFalse(list((self.folder / "a").glob("*.tmp-*")))
        self.train("--resume")

    def test_file_too_large(self):
        """A quota's way to be full: write() fails in the middle of a file."""
        size = len(self.before)
        done = subprocess.run([NETC, "train", "tiny.net", "--seed", "7", "--output", "a", "--resume", "--no-cache"],
                              cwd=self.folder, capture_output=True, text=True,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2)))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("E0604 cannot write a/", done.stderr)
        self.assertIn("File too large", done.stderr)
        self.assert_nothing_lost()

    def test_full_disk(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={len(self.before) * 3 // 2 // 4096 * 4096}", "none", str(disk)],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", str(disk)], check=True)
        (disk / "last.safetensors").write_bytes(self.before)
        done = self.netc("train", "tiny.net", "--seed", 7, "--output", "disk", "--resume", code=4)
        self.assertIn("E0604 cannot write disk/", done.stderr)
        self.assertIn("No space left on device", done.stderr)
        self.assertEqual(self.before, (disk / "last.safetensors").read_bytes())
        self.assertEqual(["last.safetensors"], [p.name for p in disk.iterdir()])

    def test_full_disk_under_the_log(self):
        done = self.train("--resume", "--log", "/dev/full", code=4)
        self.assertIn("E0604 cannot write /dev/full: No space left on device", done.stderr)
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # KiB; what reads as zeros without an end was not read
        self.assertLess(most, 1 << 20)

    def test_failing_read(self):
        """A regular file with a size that cannot be read: the kernel knows no speed of the loopback device."""
        failing = "/sys/class/net/lo/speed"
        try:
            with open(failing, "rb") as file:
                file.read()
            self.skipTest(f"{failing} can be read here")
        except FileNotFoundError:
            self.skipTest(f"there is no {failing} here")
        except OSError as error:
            self.assertIn(f"E0602 cannot read {failing}: {error.strerror}", self.train("--resume", failing, code=3).stderr)
        self.assertIn("E0602", self.train("--resume", "a", code=3).stderr)
        self.assert_nothing_lost()

    def test_flipped_bits(self):
        rng = random.Random(3)
        for _ in range(12):
            damaged = bytearray(self.before)
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            (self.folder / "damaged.safetensors").write_bytes(damaged)
            done = self.train("--resume", "damaged.safetensors", code=3)
            self.assertIn("E06", done.stderr)
        damaged = bytearray(self.before)
        damaged[-9] ^= 4
        (self.folder / "damaged.safetensors").write_bytes(damaged)
        for done in (self.train("--resume", "damaged.safetensors", code=3),
                     self.netc("eval", "tiny.net", "--weights", "damaged.safetensors", code=3)):
            self.assertIn("E0609 damaged.safetensors is damaged", done.stderr)
        self.assert_nothing_lost()


if __name__ == "__main__":
    main()
