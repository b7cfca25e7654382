#!/usr/bin/env python3
"""Watching a training: tables, curves, TensorBoard's events; evaluation class by class; a look inside; divergence."""
import csv
import json
import math
import os
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from support import CLASSES, Case, main, png_size, read_safetensors

# A Python that has the package `tensorboard`; by default this one, if it has.
TENSORBOARD_PYTHON = os.environ.get("NETC_TENSORBOARD_PYTHON", sys.executable)

READ_WITH_TENSORBOARD = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
events.Reload()
print(json.dumps({"scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]},
                  "images": {tag: [[e.step, e.width, e.height, e.encoded_image_string.hex()] for e in events.Images(tag)]
                             for tag in events.Tags()["images"]}}))
"""


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def fields(message):
    """The (number, value) pairs of a protocol buffer."""
    at, found = 0, []

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(message):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
        elif key & 7 == 2:
            size = varint()
            found.append((key >> 3, message[at:at + size]))
            at += size
        else:
            code, size = {1: ("<d", 8), 5: ("<f", 4)}[key & 7]
            found.append((key >> 3, struct.unpack(code, message[at:at + size])[0]))
            at += size
    return found


def records(path):
    """The events of a file, whose checksums are right."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        length = data[at:at + 8]
        size = struct.unpack("<Q", length)[0]
        record = data[at + 12:at + 12 + size]
        assert struct.unpack("<I", data[at + 8:at + 12])[0] == masked(length), at
        assert struct.unpack("<I", data[at + 12 + size:at + 16 + size])[0] == masked(record), at
        found.append(fields(record))
        at += size + 16
    return found


class Watch(Case):
    def train(self, out, *extra, **kwargs):
        return self.netc("train", "tiny.net", "--seed", 7, "--output", out, "--watch", *extra, **kwargs)

    def table(self, path, untimed=False):
        with (self.folder / path).open() as file:
            rows = list(csv.DictReader(file))
        if untimed:
            for row in rows:
                row.pop("images_per_second", None), row.pop("seconds", None)
        return rows

    def test_tables_and_curves(self):
        self.tiny(epochs=10, train=256)
        self.train("a", "--log", "run.jsonl")
        log = [json.loads(line) for line in (self.folder / "run.jsonl").read_text().splitlines()]
        steps, epochs, gradients = (self.table(f"a/{name}.csv") for name in ("steps", "epochs", "gradients"))
        self.assertEqual([int(row["step"]) for row in steps], list(range(1, 161)))
        for event in log:
            if event["kind"] == "step":
                row = steps[event["step"] - 1]
                self.assertEqual((float(row["loss"]), float(row["learning_rate"])), (event["loss"], event["lr"]))
            else:
                row = epochs[event["epoch"] - 1]
                for name in ("train_loss", "train_accuracy", "test_loss", "top1", "top5"):
                    self.assertEqual(float(row[name]), event[name], name)
        self.assertEqual([int(row["step"]) for row in gradients], [50, 100, 150])
        self.assertIn("fc", gradients[0])
        self.assertIn("conv_bn_relu0.conv", gradients[0])
        for row in gradients:
            self.assertTrue(all(0 <= float(value) < 1e3 for value in row.values()), row)
        for name in ("curves", "confusion"):
            root = ElementTree.parse(self.folder / "a" / f"{name}.svg").getroot()
            self.assertTrue(root.tag.endswith("svg"))
        texts = [e.text for e in ElementTree.parse(self.folder / "a/curves.svg").iter() if e.tag.endswith("text")]
        for wanted in ("Loss", "Accuracy", "Learning rate", "training", "test"):
            self.assertIn(wanted, texts)

    def test_watching_changes_no_bit_and_survives_interruptions(self):
        self.tiny(epochs=4)
        self.netc("train", "tiny.net", "--seed", 7, "--output", "plain")
        self.train("whole")
        for steps in (5, 8, 19):
            out = f"parts{steps}"
            self.train(out, "--stop-after", steps)
            for name in ("steps", "epochs"):  # what a killed process wrote after its checkpoint
                with (self.folder / out / f"{name}.csv").open("a") as file:
                    file.write("99,99,1,1,1\n" if name == "steps" else "99,99,1,1,1,1,1,1,1\n")
                    file.write("unfinished")
            self.train(out, "--resume")
            for name in ("steps", "epochs", "gradients"):
                self.assertEqual(self.table(f"whole/{name}.csv", True), self.table(f"{out}/{name}.csv", True))
            for name in ("curves.svg", "confusion.svg", "last.safetensors"):
                self.assertEqual((self.folder / "whole" / name).read_bytes(), (self.folder / out / name).read_bytes(), name)
        self.assertEqual((self.folder / "plain/last.safetensors").read_bytes(), (self.folder / "whole/last.safetensors").read_bytes())
        (self.folder / "parts5" / "steps.csv").write_text("buy milk\n")
        self.assertIn("E0605", self.train("parts5", "--resume", code=3).stderr)
        columns = (self.folder / "whole/steps.csv").read_text().splitlines()[0]
        for row in ("x,1,1,1,1", "1,1"):
            (self.folder / "parts5/steps.csv").write_text(f"{columns}\n{row}\n")
            damaged = self.train("parts5", "--resume", code=3).stderr
            self.assertIn("E0605", damaged)
            self.assertIn("steps.csv is damaged", damaged)

    def test_a_table_of_columns_alone_is_gone_on_with(self):
        self.tiny(epochs=7)
        self.train("whole")
        self.train("part", "--stop-after", 5)
        whole = (self.folder / "whole/gradients.csv").read_text()
        (self.folder / "part/gradients.csv").write_text(whole.splitlines()[0] + "\n")
        self.train("part", "--resume")
        self.assertEqual((self.folder / "part/gradients.csv").read_text(), whole)

    def test_event_records(self):
        self.tiny()
        self.train("a")
        files = list((self.folder / "a").glob("events.out.tfevents.*"))
        self.assertEqual(len(files), 1)
        events = records(files[0])
        self.assertEqual(dict(events[0])[3], b"brain.Event:2")
        scalars = {}
        for event in events:
            for number, summary in event:
                if number == 5:
                    value = dict(fields(dict(fields(summary))[1]))
                    scalars.setdefault(value[1].decode(), []).append((dict(event)[2], value.get(2)))
        rows = self.table("a/steps.csv")
        self.assertEqual([(step, round(value, 4)) for step, value in scalars["loss/step"]],
                         [(int(r["step"]), round(struct.unpack("<f", struct.pack("<f", float(r["loss"])))[0], 4)) for r in rows])
        self.assertIn("confusion", scalars)
        self.assertIn("first_layer", scalars)

    def test_read_by_tensorboard(self):
        found = subprocess.run([TENSORBOARD_PYTHON, "-c", "import tensorboard"], capture_output=True)
        if found.returncode != 0:
            self.skipTest(f"{TENSORBOARD_PYTHON} has no package `tensorboard` (NETC_TENSORBOARD_PYTHON names another Python)")
        self.tiny(epochs=4)
        self.train("a", "--save-every", 5, "--stop-after", 21)
        self.train("a", "--resume", "--stop-after", 28)
        self.train("a", "--resume")
        done = subprocess.run([TENSORBOARD_PYTHON, "-c", READ_WITH_TENSORBOARD, str(self.folder / "a")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        read = json.loads(done.stdout)
        steps, epochs = self.table("a/steps.csv"), self.table("a/epochs.csv")
        self.assertEqual([step for step, _ in read["scalars"]["loss/step"]], list(range(1, 33)))
        for (_, value), row in zip(read["scalars"]["loss/step"], steps):
            self.assertAlmostEqual(value, float(row["loss"]), delta=1e-6)
        for (step, value), row in zip(read["scalars"]["accuracy/test"], epochs, strict=True):
            self.assertEqual(step, int(row["step"]))
            self.assertAlmostEqual(value, float(row["top1"]), delta=1e-6)
        for tag in ("first_layer", "confusion"):
            self.assertEqual(len(read["images"][tag]), 4)
            for _, width, height, data in read["images"][tag]:
                (self.folder / "image.png").write_bytes(bytes.fromhex(data))
                self.assertEqual(png_size(self.folder / "image.png"), (width, height))


class Evaluation(Case):
    def setUp(self):
        super().setUp()
        self.tiny(epochs=6, train=256, test=101)
        self.netc("train", "tiny.net", "--seed", 7, "--output", "a")

    def test_report(self):
        plain = self.json("eval", "tiny.net", "--weights", "a/last.safetensors")
        report = self.json("eval", "tiny.net", "--weights", "a/last.safetensors", "--report", "--svg", "c.svg")
        for key, value in plain.items():
            self.assertEqual(report[key], value)
        matrix = report["confusion"]
        self.assertEqual(sum(map(sum, matrix)), 101)
        self.assertAlmostEqual(sum(matrix[c][c] for c in range(CLASSES)) / 101, plain["top1"], delta=1e-9)
        for c, scores in enumerate(report["classes"]):
            taken = sum(row[c] for row in matrix)
            self.assertAlmostEqual(scores["recall"], matrix[c][c] / sum(matrix[c]), delta=1e-12)
            self.assertAlmostEqual(scores["precision"], matrix[c][c] / taken if taken else 0, delta=1e-12)
            self.assertEqual(scores["samples"], sum(matrix[c]))
        self.assertTrue(0 <= report["calibration_error"] <= 1)
        ElementTree.parse(self.folder / "c.svg")
        text = self.netc("eval", "tiny.net", "--weights", "a/last.safetensors", "--report").stdout
        for wanted in ("loss ", "precision", "recall", "calibration error", "true \\ predicted"):
            self.assertIn(wanted, text)
        batches = [self.json("eval", "tiny.net", "--weights", "a/last.safetensors", "--report", "--batch", b)["confusion"] for b in (1, 7)]
        self.assertEqual(batches, [matrix, matrix])

    def test_precisions_and_noise(self):
        rows = self.json("eval", "tiny.net", "--weights", "a/last.safetensors", "--precisions", "--noise", "0.01,0.5")
        self.assertEqual([(r["precision"], r["noise"]) for r in rows],
                         [(p, n) for p in ("f32", "bf16", "f16") for n in (0, 0.01, 0.5)])
        plain = self.json("eval", "tiny.net", "--weights", "a/last.safetensors")
        self.assertEqual(plain.pop("skipped"), 0)
        self.assertEqual({k: rows[0][k] for k in plain}, plain)
        for row in rows:
            self.assertEqual(row["noise"] == 0 and row["precision"] == "f32", row["loss"] == plain["loss"], row)
            if row["noise"] <= 0.01:
                self.assertAlmostEqual(row["top1"], plain["top1"], delta=0.05)
        other = self.json("eval", "tiny.net", "--weights", "a/last.safetensors", "--noise", 0.5, "--seed", 2)
        self.assertNotEqual(other[1]["loss"], rows[2]["loss"])
        again = self.json("eval", "tiny.net", "--weights", "a/last.safetensors", "--noise", 0.01, 0.5)  # f32, as the recipe says
        self.assertEqual([(r["precision"], r["noise"], r["loss"]) for r in again], [("f32", r["noise"], r["loss"]) for r in rows[:3]])
        self.assertIn("images/s", self.netc("eval", "tiny.net", "--weights", "a/last.safetensors", "--precisions").stdout)
        self.netc("eval", "tiny.net", "--weights", "a/last.safetensors", "--precisions", "--report", code=2)

    def test_look(self):
        seen = self.json("look", "tiny.net", "--weights", "a/last.safetensors", "--count", 3, "--channels", 5)
        self.assertEqual(seen[0]["layer"], "conv_bn_relu0.conv.weight")
        self.assertEqual(png_size(self.folder / "look/filters.png"), (3 * 32 + 2, 3 * 32 + 2))  # 8 filters of 3x3, ten times as large
        for picture in seen[1:]:
            self.assertEqual(picture["shape"][1:], [8, 8])
            self.assertEqual(png_size(self.folder / picture["picture"]), (5 * 66 + 2, 3 * 66 + 2))
        named = self.json("look", "tiny.net", "--weights", "a/last.safetensors", "--layers", "conv_bn_relu0.**", "--output", "b")
        self.assertTrue(len(named) > 1 and all(p["layer"].startswith("conv_bn_relu0.") for p in named), named)
        self.assertIn("E0515", self.netc("look", "tiny.net", "--weights", "a/last.safetensors", "--layers", "stem.**", code=1).stderr)


class Schedules(Case):
    def test_explain_draws_the_schedule(self):
        self.tiny(epochs=30)
        self.write("tiny.net", (self.folder / "tiny.net").read_text().replace("[cosine(peak = 0.1)]", "[warmup(5epochs), cosine(peak = 0.1)]"))
        text = self.netc("explain", "tiny.net", "--svg", "s.svg").stdout
        self.assertIn("schedule     [warmup(5epochs), cosine(peak = 0.1)]", text)
        line = next(line for line in text.splitlines() if "█" in line)
        bars = line.split()[0]
        self.assertEqual(len(bars), 60)
        self.assertEqual((bars[0], bars[10], bars[-1]), ("▁", "█", "▁"))
        self.assertIn("at most 0.1", line)
        ElementTree.parse(self.folder / "s.svg")
        rates = self.json("explain", "tiny.net")["schedule"]["rates"]
        self.assertAlmostEqual(max(rate for _, rate in rates), 0.1, delta=1e-3)
        for epoch, rate in rates:
            expected = 0.1 * epoch / 5 if epoch < 5 else 0.05 * (1 + math.cos(math.pi * (epoch - 5) / 25))
            self.assertAlmostEqual(rate, expected, delta=1e-9)

    def test_a_schedule_in_steps(self):
        self.tiny(epochs=4)
        self.write("tiny.net", (self.folder / "tiny.net").read_text().replace("[cosine(peak = 0.1)]", "[warmup(8steps), cosine(peak = 0.1)]"))
        self.assertIn("it counts steps, --samples N draws it", self.netc("explain", "tiny.net").stdout)
        self.assertIn("E0924", self.netc("explain", "tiny.net", "--svg", "s.svg", code=2).stderr)
        rates = self.json("explain", "tiny.net", "--samples", 128)["schedule"]["rates"]  # 8 steps an epoch
        self.assertEqual(len(rates), 32)
        self.assertEqual(max(rates, key=lambda r: r[1])[0], 1)
        self.assertIn("E0924", self.netc("explain", "std.lenet:lenet", "--svg", "s.svg", code=2).stderr)


class Divergence(Case):
    """Linear layers at a rate of 1000: after an update or two, their values overflow one after the other."""
    NET = """
dataset shapes { train = numpy("train_x.npy", "train_y.npy"); test = numpy("test_x.npy", "test_y.npy") }
network growing(classes: int = 4) {
    input image: u8 [1, 8, 8]
    first: conv(8, 3x3)
    second: conv(8, 3x3)
    third: conv(8, 3x3)
    global_avg_pool
    fc: linear(classes)
    output logits
}
train run = growing on shapes {
    optimizer = sgd()
    schedule = constant(RATE)
    batch = 16
    epochs = 2
}
"""

    def train(self, rate, *extra, **kwargs):
        self.tiny()
        self.write("growing.net", self.NET.replace("RATE", rate))
        return self.netc("train", "growing.net", "--seed", 7, "--output", "a", *extra, **kwargs)

    def finite(self, step):
        header, data = read_safetensors(self.folder / "a/last.safetensors")
        self.assertEqual(int(header["__metadata__"]["netc.training.step"]), step - 1)
        return all(map(math.isfinite, struct.unpack(f"<{len(data) // 4}f", data)))

    def test_names_the_layer_and_keeps_the_checkpoint(self):
        done = self.train("1000", "--save-every", 1, code=4)
        found = re.search(r"E0914 the loss is (?:nan|infinite) at step (\d+), learning rate 1000; the first layer that is not finite is "
                          r"`(first|second|third|fc)`, (?:conv|linear)\(.*\) at growing.net:(\d): of \d+ values \d+ (?:is|are) (?:infinite|nan)", done.stderr)
        self.assertTrue(found, done.stderr)
        self.assertEqual({"first": "5", "second": "6", "third": "7", "fc": "9"}[found[2]], found[3])
        self.assertIn("not finite:\n  `", done.stderr)
        self.assertTrue(self.finite(int(found[1])))

    def test_check_finds_the_first_value(self):
        done = self.train("1000", "--check", "--save-every", 1, code=4)
        found = re.search(r"E0915 .* at step (\d+), learning rate 1000", done.stderr)
        self.assertTrue(found, done.stderr)
        self.assertTrue(self.finite(int(found[1])))
        self.train("1e-4", "--check", "--threads", 2)
        checked = (self.folder / "a/last.safetensors").read_bytes()
        self.train("1e-4")
        self.assertEqual(checked, (self.folder / "a/last.safetensors").read_bytes())

    OVERFLOWS = '''
dataset shapes { train = numpy("train_x.npy", "train_y.npy"); test = numpy("test_x.npy", "test_y.npy") }
network bad(classes: int = 4) {
    input image: u8 [1, 8, 8]
    first: conv(16, 3x3, bias = false, init = constant(300))
    LAYER
    global_avg_pool
    fc: linear(classes)
    output logits
}
train run = bad on shapes { optimizer = sgd(); schedule = constant(0.001); batch = 16; epochs = 1; precision = PRECISION }
'''

    def first_bad(self, layer, precision, device):
        self.write("bad.net", self.OVERFLOWS.replace("LAYER", layer).replace("PRECISION", precision))
        done = self.netc("train", "bad.net", "--seed", 7, "--output", "b", "--check", "--device", device, code=4)
        found = re.search(r"E0915 a layer is not finite at step 1, .*; the first layer that is not finite is (.*)", done.stderr)
        self.assertTrue(found, done.stderr)
        return found[1]

    def test_tells_overflow_from_nan_by_layer_and_line(self):
        self.tiny()
        counts = {}
        for device in ("cpu", "cuda-emulation"):
            # Too large for f16 but not for f32; infinite in f32; no number where a value is negative.
            f16 = self.first_bad("second: conv(16, 1x1, init = constant(300))", "f16", device)
            self.assertRegex(f16, r"`(first|second)`, conv\(.*\) at bad.net:[56]: of \d+ values \d+ overflow f16$")
            infinite = self.first_bad("grown: exp", "f32", device)
            self.assertRegex(infinite, r"`.*`, exp at bad.net:6: of \d+ values \d+ are infinite$")
            nan = self.first_bad("negated: neg; root: log", "f32", device)
            self.assertRegex(nan, r"`.*`, log at bad.net:6: of \d+ values (\d+ (is|are) infinite, )?\d+ are nan$")
            counts[device] = (infinite, nan)
        self.assertEqual(counts["cpu"], counts["cuda-emulation"])


if __name__ == "__main__":
    main()
