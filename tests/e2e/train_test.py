#!/usr/bin/env python3
"""Training end to end: learning, logs, the same bits at any number of threads and after any interruption."""
import json
import signal
import subprocess
import time

from support import NETC, Case, main, read_safetensors


class Train(Case):
    def train(self, out, *extra, code=0, **kwargs):
        return self.netc("train", "tiny.net", "--seed", 7, "--output", out, *extra, code=code, **kwargs)

    def last(self, out):
        return (self.folder / out / "last.safetensors").read_bytes()

    def test_learns_and_logs(self):
        self.tiny(epochs=8, train=512)
        self.train("a", "--log", "run.jsonl", "--threads", 2)
        events = [json.loads(line) for line in (self.folder / "run.jsonl").read_text().splitlines()]
        epochs = [event for event in events if event["kind"] == "epoch"]
        self.assertEqual(len(epochs), 8)
        self.assertEqual(sorted((e["lr"] for e in epochs), reverse=True), [e["lr"] for e in epochs])  # a cosine falls
        self.assertTrue(0 < epochs[-1]["lr"] < epochs[0]["lr"] < 0.1)
        metrics = self.json("eval", "tiny.net", "--weights", "a/best.safetensors")
        self.assertGreater(metrics["top1"], 0.9)
        self.assertGreaterEqual(metrics["top5"], metrics["top1"])

    def test_same_bits_at_any_number_of_threads(self):
        self.tiny()
        for threads in (1, 2, 3, 5, 8):
            self.train(f"t{threads}", "--threads", threads)
        for threads in (2, 3, 5, 8):
            self.assertEqual(self.last("t1"), self.last(f"t{threads}"), f"{threads} threads")

    def test_another_seed_is_another_training(self):
        self.tiny()
        self.train("a")
        self.netc("train", "tiny.net", "--seed", 8, "--output", "b")
        self.assertNotEqual(self.last("a"), self.last("b"))

    def test_stop_and_resume_is_byte_identical(self):
        self.tiny()
        self.train("whole")
        for steps in (1, 5, 8, 11):
            out = f"parts{steps}"
            self.train(out, "--stop-after", steps)
            self.assertNotEqual(self.last("whole"), self.last(out))
            self.train(out, "--resume", "--threads", 3)
            self.assertEqual(self.last("whole"), self.last(out), f"stopped after {steps}")

    def test_sigkill_and_resume_is_byte_identical(self):
        self.tiny(epochs=40, train=512)
        self.train("whole")
        process = subprocess.Popen([NETC, "train", "tiny.net", "--seed", "7", "--output", "killed", "--save-every", "3"],
                                   cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        checkpoint = self.folder / "killed" / "last.safetensors"
        deadline = time.time() + 60
        while not checkpoint.exists() and process.poll() is None and time.time() < deadline:
            time.sleep(0.005)
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        read_safetensors(checkpoint)  # whole, whenever the kill came
        self.train("killed", "--resume")
        self.assertEqual(self.last("whole"), self.last("killed"))

    def test_ctrl_c_saves(self):
        self.tiny(epochs=200, train=512)
        process = subprocess.Popen([NETC, "train", "tiny.net", "--seed", "7", "--output", "cut"], cwd=self.folder,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        log = self.folder / "cut"
        deadline = time.time() + 60
        while not (log / "last.safetensors").exists() and time.time() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, messages)
        read_safetensors(log / "last.safetensors")

    def test_progress_off_a_terminal_has_no_animation(self):
        self.tiny()
        done = self.train("a")
        self.assertNotIn("\r", done.stderr)
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertEqual(self.train("b", "-q").stderr, "")

    def test_resume_refuses_what_does_not_continue(self):
        self.tiny()
        self.train("a", "--stop-after", 3)
        self.netc("train", "tiny.net", "--seed", 8, "--output", "a", "--resume", code=3)
        self.netc("train", "tiny.net", "--seed", 7, "--output", "nothing", "--resume", code=3)
        before = self.last("a")
        (self.folder / "a" / "last.safetensors").write_bytes(before[: len(before) // 2])
        done = self.train("a", "--resume", code=3)
        self.assertIn("E06", done.stderr)

    def test_resume_says_what_differs(self):
        self.tiny()
        self.train("a", "--stop-after", 3)
        done = self.train("a", "--resume", "--epochs", 5, code=3)
        self.assertIn("E0606 a/last.safetensors cannot be resumed: its epochs is 2, this run's is 5", done.stderr)

    def test_looks_for_the_data_first(self):
        self.tiny()
        (self.folder / "train_y.npy").unlink()
        done = self.netc("train", "tiny.net", code=3)
        self.assertIn("E0701", done.stderr)
        self.assertNotIn("kernels", done.stderr)

    def test_output_that_cannot_be_written(self):
        self.tiny()
        (self.folder / "file").write_text("in the way")
        self.assertIn("E0604", self.train("file/out", code=4).stderr)

    def test_counts_the_parameters_of_auxiliary_heads(self):
        self.tiny()
        text = (self.folder / "tiny.net").read_text()
        head = "aux_head aux(weight = 0.3) { global_avg_pool; linear(classes) }\n    inception {"
        self.write("tiny.net", text.replace("inception {", head))
        plain, both = 1708, 1708 + 8 * 4 + 4
        self.assertIn(f"{both:,} parameters ({plain:,} for inference, without auxiliary heads)", self.train("a").stderr)

    def test_resume_says_that_the_processor_is_another(self):
        self.tiny()
        whole = ("train", "tiny.net", "--seed", 7)
        for cpu in ("x86-64", "x86-64-v2"):
            self.netc(*whole, "--output", cpu, "--cpu", cpu)
        self.netc(*whole, "--output", "a", "--cpu", "x86-64", "--stop-after", 3)
        done = self.netc(*whole, "--output", "a", "--resume", code=3)
        self.assertIn("E0606", done.stderr)
        self.assertIn("its target is x86-64, 4 lanes", done.stderr)
        self.assertIn("--cpu x86-64", done.stderr)
        self.netc(*whole, "--output", "a", "--resume", "--cpu", "x86-64", "--threads", 3)
        self.assertEqual(self.last("a"), self.last("x86-64"))
        # Any machine can use the weights.
        loss = [self.json("eval", "tiny.net", "--weights", "a/last.safetensors", "--cpu", cpu)["loss"] for cpu in ("x86-64", "host")]
        self.assertAlmostEqual(*loss, delta=1e-5)

    def test_metrics_do_not_depend_on_the_batch(self):
        self.tiny()
        self.train("a")
        seen = [self.json("eval", "tiny.net", "--weights", "a/last.safetensors", "--batch", b) for b in (1, 7, 128)]
        for metrics in seen[1:]:
            self.assertEqual(metrics["top1"], seen[0]["top1"])
            self.assertEqual(metrics["top5"], seen[0]["top5"])
            self.assertAlmostEqual(metrics["loss"], seen[0]["loss"], delta=1e-6)


if __name__ == "__main__":
    main()
