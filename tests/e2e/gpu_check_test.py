#!/usr/bin/env python3
"""scripts/gpu_check without a GPU: part 1 under the emulation, what a pack holds, and that wrong results are found."""
import os
import subprocess
import sys
from pathlib import Path

from support import NETC, Case, main

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/gpu_check"


class GpuCheck(Case):
    def check(self, *args, code=0, script=SCRIPT, env=None):
        done = subprocess.run([sys.executable, "-B", script, *map(str, args)], cwd=self.folder, capture_output=True, text=True,
                              env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def test_a_network_under_the_emulation(self):
        text = self.check("--netc", NETC, "--emulate", "--only", "branches")
        self.assertIn("all checks passed", text)
        self.assertEqual(text.split("== all")[1].count("branches"), 7)

    def test_kernels_that_do_nothing_fail(self):
        fake = os.environ.get("NETC_FAKE_CUDA", "")
        if not Path(fake, "libcuda.so.1").exists():
            self.skipTest("the tests' driver is not built")
        env = {"LD_LIBRARY_PATH": fake + ":" + os.environ.get("LD_LIBRARY_PATH", "")}
        if not self.json("devices", env=env)["cuda"]["nvrtc"]:
            self.skipTest("no NVRTC")
        text = self.check("--netc", NETC, "--part", 1, "--only", "vectors", code=1, env=env)
        self.assertIn("FAILED", text)
        self.assertGreaterEqual(text.split("== all")[1].count("vectors"), 7)

    def test_a_pack_is_small_and_complete(self):
        self.check("--netc", NETC, "--pack", "pack")
        self.assertTrue((self.folder / "pack/netc").is_file())
        if "reason" in self.json("devices")["cuda"]:
            self.check(script=self.folder / "pack/scripts/gpu_check", code=4)


if __name__ == "__main__":
    main()
