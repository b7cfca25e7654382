#!/usr/bin/env python3
"""bench/compare.py's driver on netc alone: the protocol, turns, ratios and tables. No peer is installed for it."""
import subprocess
import sys
from pathlib import Path

from support import NETC, Case, main

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from peers import alternate, report  # noqa: E402
from peers.compare_convolutions import SHAPES, Netc  # noqa: E402
from peers.environment import Environment  # noqa: E402


def window(times, others=0.0):
    return {"ms": times, "others": others, "peak_bytes": 1}


class Compare(Case):
    def worker(self, *options):
        self.tiny()
        return alternate.Worker("netc", [NETC, "bench", self.folder / "tiny.net", "--threads", 1, "--on-demand", *options])

    def test_workers_measure_by_turns(self):
        workers = [self.worker(), self.worker("--train", "--profile")]
        try:
            alternate.alternate(workers, rounds=2, seconds=0.01)
            for worker in workers:
                self.assertEqual(len(worker.windows), 2)
                self.assertTrue(all(t > 0 for w in worker.windows for t in w["ms"]))
                self.assertGreater(worker.description["flops"], 0)
                self.assertGreater(worker.windows[-1]["peak_bytes"], 0)
            launches = workers[1].description["profile"]
            self.assertEqual(len(workers[1].windows[0]["launch_ns_min"]), len(launches))
            limits = {"f32_gflops": 1.0, "copy_gbps": 1e9, "triad_gbps": 1.0}
            self.assertAlmostEqual(report.roofline_ms(launches, limits, "f32"), sum(l["flops"] for l in launches) / 1e6)
        finally:
            for worker in workers:
                worker.close()

    def test_a_worker_that_fails_says_why(self):
        with self.assertRaisesRegex(alternate.WorkerFailed, "fp8"):
            self.worker("--precision", "fp8")
        refused = subprocess.run([NETC, "bench", self.folder / "tiny.net", "--on-demand"], input="soon\n", capture_output=True, text=True)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("E0927", refused.stderr)

    def test_ratios_are_above_1_where_we_are_faster(self):
        ours = alternate.summary([window([2.0, 3.0]), window([1.0], others=0.5), window([2.5])])
        self.assertEqual((ours["ms_min"], ours["ms_median"], ours["disturbed"]), (2.0, 2.5, False))
        theirs = alternate.summary([window([4.0]), window([5.0]), window([10.0])])
        r = alternate.ratio(ours, theirs)
        self.assertEqual((r["ratio"], r["ratio_low"], r["ratio_high"]), (2.0, 2.0, 5.0))
        self.assertTrue(alternate.summary([window([1.0], others=0.5)])["disturbed"])

    def test_a_convolution_is_found_in_each_direction(self):
        environment = Environment(self.folder, NETC)
        netc = Netc(environment, SHAPES[1], 1, "f32", 1, self.folder)
        try:
            times, _ = netc.measure(0, ["inference", "training"])
        finally:
            netc.close()
        self.assertEqual(set(times), {"forward", "data", "weights"})
        self.assertTrue(all(t and t > 0 for t in times.values()), times)


if __name__ == "__main__":
    main()
