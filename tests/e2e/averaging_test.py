#!/usr/bin/env python3
"""Stochastic weight averaging end to end: exact after interruptions, and what it leaves."""
import json

from support import Case, main


class Averaging(Case):
    def train(self, out, *extra, code=0):
        return self.netc("train", "tiny.net", "--seed", 7, "--output", out, *extra, code=code)

    def last(self, out):
        return (self.folder / out / "last.safetensors").read_bytes()

    def test_stochastic_weight_averaging(self):
        self.recipe('swa = average(start = 2epochs, every = 3steps, lr = 0.05, anneal = 1epochs); accumulate = 2', epochs=4)
        self.train("a", "--threads", 1, "--log", "run.jsonl")
        for stop in (5, 13):  # four steps an epoch: before the first average, and between two
            self.train(f"b{stop}", "--stop-after", stop, "--threads", 3, "--log", f"b{stop}.jsonl")
            self.train(f"b{stop}", "--resume", "--log", f"b{stop}.jsonl")
            self.assertEqual(self.last("a"), self.last(f"b{stop}"))
            self.assertEqual((self.folder / "a/best.safetensors").read_bytes(), (self.folder / f"b{stop}/best.safetensors").read_bytes())
        again = (self.folder / "a/best.safetensors").read_bytes()
        (self.folder / "a/best.safetensors").unlink()  # killed between the last checkpoint and the end
        self.train("a", "--resume", "--log", "run.jsonl")
        self.assertEqual(again, (self.folder / "a/best.safetensors").read_bytes())
        events = [json.loads(line) for line in (self.folder / "run.jsonl").read_text().splitlines()]
        averages = [e for e in events if e["kind"] == "average"]
        self.assertEqual([(e["step"], e["models"]) for e in averages], [(16, 3)])  # after 8, 11 and 14 steps
        last, best = self.tensors("a/last.safetensors"), self.tensors("a/best.safetensors")
        self.assertFalse(any("/" in name for name in best))
        for name, value in best.items():
            if not name.endswith(("running_mean", "running_var")):
                self.assertEqual(value, last["swa/" + name], name)
            self.assertNotEqual(value, last[name], name)
        tested = self.json("eval", "tiny.net", "--weights", "a/best.safetensors")
        self.assertAlmostEqual(tested["loss"], averages[0]["test_loss"], delta=1e-5)
        self.assertIn("E0917", self.train("c", "--epochs", 1, code=4).stderr)

    def test_averages_of_a_network_without_batch_norm(self):
        self.recipe("swa = average(start = 1epochs)")
        text = (self.folder / "tiny.net").read_text().replace("conv_bn_relu(", "conv_relu(").replace("conv_bn(", "conv(")
        self.write("tiny.net", "block conv_relu(channels: int, window: size) { conv(channels, window); relu }\n" + text)
        self.assertIn("average of 2 models", self.train("a").stderr)
        last, best = self.tensors("a/last.safetensors"), self.tensors("a/best.safetensors")
        for name, value in best.items():
            self.assertEqual(value, last["swa/" + name], name)


if __name__ == "__main__":
    main()
