#!/usr/bin/env python3
"""Training end to end: learning, logs, the same bits at any number of threads and after any interruption."""
import json
import signal
import struct
import subprocess
import time

from support import NETC, Case, main, png_size, read_safetensors


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

    def test_data_options_name_what_is_there(self):
        self.tiny()
        self.assertIn("E0701 a data set has no role `trian`", self.train("a", "--data", "trian=x.npy", code=3).stderr)
        self.write("no_test.net", (self.folder / "tiny.net").read_text().replace("    test =", "    validation = 25%  //"))
        self.netc("train", "no_test.net", "--output", "v", "--epochs", 1)
        refused = self.netc("eval", "no_test.net", "--weights", "v/last.safetensors", "--data", "test=test_x.npy", code=3)
        self.assertIn("E0701 the data set `shapes` declares no `test`", refused.stderr)
        # Only the images are replaced: the labels stay where they are declared.
        (self.folder / "elsewhere").mkdir()
        self.netc("train", "../tiny.net", "--output", "out", "--epochs", 1, "--data", "train=../train_x.npy", cwd="elsewhere")

    def test_same_bits_at_any_number_of_threads(self):
        self.tiny()
        for threads in (1, 2, 3, 5, 8):
            self.train(f"t{threads}", "--threads", threads)
        for threads in (2, 3, 5, 8):
            self.assertEqual(self.last("t1"), self.last(f"t{threads}"), f"{threads} threads")

    def test_bf16_learns_and_keeps_f32_masters(self):
        self.tiny(epochs=8, train=512)
        self.train("f32")
        self.train("a", "--precision", "bf16")
        self.train("b", "--precision", "bf16", "--threads", 3)
        self.assertEqual(self.last("a"), self.last("b"))
        self.assertNotEqual(self.last("a"), self.last("f32"))
        self.train("parts", "--precision", "bf16", "--stop-after", 5)
        refused = self.train("parts", "--resume", code=3)
        self.assertIn("E0606", refused.stderr)
        self.train("parts", "--precision", "bf16", "--resume")
        self.assertEqual(self.last("a"), self.last("parts"))
        for precision in ("f32", "bf16", "f16"):
            metrics = self.json("eval", "tiny.net", "--weights", "a/last.safetensors", "--precision", precision)
            self.assertGreater(metrics["top1"], 0.9, precision)
        f32, bf16 = (read_safetensors(self.folder / out / "last.safetensors")[0] for out in ("f32", "a"))
        for header in (f32, bf16):
            del header["__metadata__"]
        self.assertEqual(f32, bf16)  # names, types, shapes: masters and moments in f32

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

    def test_resume_notices_another_network_of_the_same_shapes(self):
        self.tiny()
        self.train("a", "--stop-after", 3)
        text = (self.folder / "tiny.net").read_text()
        self.write("tiny.net", "// a comment changes nothing\n" + text)
        self.train("a", "--resume", "--stop-after", 4)
        self.assertIn("conv_bn_relu(8, 3x3)\n", text)
        self.write("tiny.net", text.replace("conv_bn_relu(8, 3x3)\n", "conv_bn_relu(8, 3x3)\n    tanh\n", 1))
        self.assertIn("its network's fingerprint is", self.train("a", "--resume", code=3).stderr)

    def test_an_input_of_another_name(self):
        self.tiny()
        self.train("a")
        text = (self.folder / "tiny.net").read_text()
        self.write("tiny.net", text.replace("input image:", "input picture:"))
        self.train("b", "--check")
        self.assertEqual(self.tensors("a/last.safetensors"), self.tensors("b/last.safetensors"))
        one, other = (self.json("eval", "tiny.net", "--weights", f"{out}/last.safetensors") for out in "ab")
        self.assertEqual(one, other)

    def test_resume_says_how_convolutions_were_done(self):
        self.tiny()
        self.train("whole", "--no-winograd")
        self.train("a", "--no-winograd", "--stop-after", 3)
        done = self.train("a", "--resume", code=3)
        self.assertIn("cannot be resumed: its winograd is off, this run's is on", done.stderr)
        self.assertIn("--no-winograd", done.stderr)
        self.train("a", "--resume", "--no-winograd")
        self.assertEqual(self.last("whole"), self.last("a"))

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

    def test_frozen_layers_keep_their_bits(self):
        self.tiny()
        self.train("first")
        self.recipe('weights = load("first/last.safetensors", except = ["fc.**"]); freeze = ["conv_bn_relu0.**", "conv_bn0.**"]')
        done = self.train("second")
        self.assertIn("frozen", done.stderr)
        self.assertIn("first/last.safetensors: 30 tensors loaded", done.stderr)
        self.assertIn("2 excepted, initialised anew: ", done.stderr)
        first, second = self.tensors("first/last.safetensors"), self.tensors("second/last.safetensors")
        model = [name for name in first if not name.startswith("momentum/")]
        self.assertEqual(sorted(model), sorted(name for name in second if not name.startswith("momentum/")))
        for name in model:
            frozen = name.startswith(("conv_bn_relu0.", "conv_bn0."))
            self.assertEqual(first[name] == second[name], frozen, name)
            self.assertEqual("momentum/" + name in second, not frozen and "running" not in name, name)
        self.train("parts", "--stop-after", 5)
        (self.folder / "first/last.safetensors").unlink()  # a resumed training does not read it
        self.train("parts", "--resume", "--threads", 3)
        self.assertEqual(self.last("parts"), self.last("second"))
        self.assertIn("E0602", self.train("again", code=3).stderr)

    def test_weights_that_do_not_fit(self):
        self.tiny()
        self.train("first")
        text = (self.folder / "tiny.net").read_text().replace("conv_bn_relu(8, 3x3)\n    residual", "conv_bn_relu(8, 1x1)\n    residual")
        strict = text.replace("    loss = cross_entropy()", '    weights = load("first/last.safetensors")')
        self.write("tiny.net", strict)
        self.assertIn("1 mismatched: conv_bn_relu0.conv.weight file [8, 1, 3, 3], network [8, 1, 1, 1]", self.train("a", code=3).stderr)
        self.write("tiny.net", strict.replace('.safetensors")', '.safetensors", strict = false)'))
        self.assertIn("1 of another shape, initialised anew: conv_bn_relu0.conv.weight", self.train("a").stderr)

    def test_groups_clipping_and_average(self):
        self.recipe('groups = [group("fc.**", lr = 0.0), group(vectors, lr = 0.0, weight_decay = 0.0)]; clip = norm(0.5); ema = 0.9')
        self.train("a", "--threads", 1)
        self.train("b", "--stop-after", 6, "--threads", 3)
        self.train("b", "--resume")
        self.assertEqual(self.last("a"), self.last("b"))
        last, best = self.tensors("a/last.safetensors"), self.tensors("a/best.safetensors")
        self.assertEqual(last["fc.weight"], self.tensors("b/last.safetensors")["fc.weight"])
        for name in ("fc.weight", "fc.bias", "conv_bn0.bn.weight"):  # a rate of 0: the average is the value
            self.assertEqual(last[name], last["ema/" + name], name)
        self.assertNotEqual(last["conv_bn0.conv.weight"], last["ema/conv_bn0.conv.weight"])
        self.assertFalse(any("/" in name for name in best))  # the averaged weights, to use
        ema = {name[4:]: value for name, value in last.items() if name.startswith("ema/")}
        self.assertEqual(sorted(ema), sorted(best))
        metrics = self.json("eval", "tiny.net", "--weights", "a/best.safetensors")
        self.assertEqual(metrics["samples"], 51)

    def test_accumulated_batches_are_one_large_batch(self):
        def network(keys):
            self.tiny()
            text = (self.folder / "tiny.net").read_text().replace("conv_bn_relu(", "conv_relu(").replace("conv_bn(", "conv(")
            block = "block conv_relu(channels: int, window: size) { conv(channels, window); relu }\n"
            self.write("tiny.net", block + text.replace("    batch = 16", "    " + keys))
        network("batch = 32")
        self.train("large")
        network("batch = 8; accumulate = 4")
        self.train("a", "--log", "run.jsonl")
        large, small = self.tensors("large/last.safetensors"), self.tensors("a/last.safetensors")
        self.assertEqual(sorted(large), sorted(small))
        for name in large:
            for x, y in zip(*(struct.unpack(f"<{len(t[name]) // 4}f", t[name]) for t in (large, small))):
                self.assertAlmostEqual(x, y, delta=1e-4, msg=name)
        events = [json.loads(line) for line in (self.folder / "run.jsonl").read_text().splitlines()]
        self.assertEqual([e["step"] for e in events if e["kind"] == "epoch"], [4, 8])
        self.train("parts", "--stop-after", 3, "--threads", 3)
        self.train("parts", "--resume")
        self.assertEqual(self.last("a"), self.last("parts"))
        network("batch = 32; accumulate = 5")
        self.assertIn("less than the 5 batches of 32 of a step", self.train("b", code=3).stderr)

    def test_f16_skips_what_overflows_and_resumes_in_between(self):
        self.recipe("precision = f16; loss_scale = dynamic(initial = 16777216, growth_interval = 3); ema = 0.9; clip = norm(1.0)", epochs=7)
        self.train("whole", "--threads", 1, "--log", "run.jsonl", "--watch")
        steps = (self.folder / "whole/steps.csv").read_text().splitlines()
        self.assertEqual(steps[0], "step,epoch,loss,learning_rate,images_per_second,loss_scale,skipped_steps")
        whole = [tuple(float(cell) for cell in line.split(",")[-2:]) for line in steps[1:]]
        events = [json.loads(line) for line in (self.folder / "run.jsonl").read_text().splitlines()]
        logged = [(e["loss_scale"], e["skipped_steps"]) for e in events if e["kind"] == "step"]
        self.assertEqual(logged, [whole[49]])
        self.assertGreater(whole[-1][1], 0)  # some were skipped
        self.assertEqual(len(whole), 56)
        for (scale, skipped), (then, total) in zip(whole, whole[1:]):  # halved by an overflow, else the same or doubled
            self.assertIn(then, [scale / 2] if total > skipped else [scale, 2 * scale])
        for stop in (1, 7):
            self.train(f"parts{stop}", "--stop-after", stop, "--threads", 3)
            self.train(f"parts{stop}", "--resume", "--threads", 2, "--check")
            self.assertEqual(self.last("whole"), self.last(f"parts{stop}"))
        tensors = self.tensors("whole/last.safetensors")
        self.assertEqual(struct.unpack("<f", tensors["loss_scale/scale"])[0], whole[-1][0])
        self.assertEqual(struct.unpack("<f", tensors["loss_scale/skipped_steps"])[0], whole[-1][1])
        self.assertIn("doubled after 3 steps without one", self.netc("explain", "tiny.net", "--train").stdout)
        self.assertNotIn("loss scale", self.netc("explain", "tiny.net", "--train", "--precision", "bf16").stdout)
        self.assertIn("its precision is f16", self.train("whole", "--resume", "--precision", "f32", code=3).stderr)

    def test_f16_learns(self):
        self.tiny(epochs=8, train=512)
        top1 = {}
        for precision in ("f32", "f16"):
            self.train(precision, "--precision", precision)
            top1[precision] = self.json("eval", "tiny.net", "--weights", f"{precision}/last.safetensors")["top1"]
        self.assertGreater(top1["f16"], top1["f32"] - 0.1)
        self.assertGreater(top1["f16"], 0.6)

    def test_a_fixed_loss_scale_ends_with_the_first_overflow(self):
        self.recipe("precision = f16; loss_scale = 16777216")
        done = self.train("a", code=4)
        self.assertRegex(done.stderr, "E0916 gradients overflow at a fixed loss scale, 1.67772e.07, at step 1, learning rate 0.1; the first "
                                      "that is not finite is `gradient/")
        self.recipe("precision = f16; loss_scale = 128")
        self.train("b")

    def test_early_stop(self):
        self.recipe("early_stop = 2epochs", epochs=60, train=64)
        self.assertIn("no better result in 2 epochs", self.train("a").stderr)

    def augmented(self, augment, **extra):
        self.tiny(**extra)
        text = (self.folder / "tiny.net").read_text()
        return self.write("tiny.net", text.replace("augment = [flip(horizontal)]", augment))

    def test_every_augmentation_trains_with_the_same_bits(self):
        self.augmented("""copies = 2; augment = [crop(8x8, pad = 1), random_resized_crop(8x8, area = 50%), flip(horizontal),
            flip(vertical), sharpness(2.0), posterize(5), solarize(200), invert(20%), autocontrast, equalize, rotate(10deg), shift(10%), scale(10%), shear(5deg), color_jitter(brightness = 20%, contrast = 20%,
            saturation = 20%, hue = 5%), grayscale(20%), cutout(2), rand_augment(count = 2, magnitude = 5), trivial_augment,
            mixup(0.2), cutmix(1.0)]""")
        self.train("whole")
        _, last = self.last("whole"), json.loads(read_safetensors(self.folder / "whole/last.safetensors")[0]["__metadata__"]
                                                 ["netc.training.recipe"])
        self.assertEqual(last["copies"], "2")
        self.train("parts", "--stop-after", 21, "--threads", 3)  # 128 samples twice, 16 a step: 16 steps an epoch
        self.train("parts", "--resume")
        self.assertEqual(self.last("whole"), self.last("parts"))

    def test_views_of_an_evaluation(self):
        self.augmented("augment = [flip(horizontal)]", epochs=8, train=512)
        self.train("a")
        plain = self.json("eval", "tiny.net", "--weights", "a/last.safetensors")
        views = [self.json("eval", "tiny.net", "--weights", "a/last.safetensors", "--views", 4, "--batch", b) for b in (7, 51)]
        self.assertEqual(views[0]["samples"], 51)
        self.assertEqual(views[0]["top1"], views[1]["top1"])
        self.assertAlmostEqual(views[0]["loss"], views[1]["loss"], delta=1e-5)
        self.assertGreater(views[0]["top1"], plain["top1"] - 0.05)
        self.assertNotEqual(views[0]["loss"], plain["loss"])

    def test_a_sheet_of_what_the_network_sees(self):
        self.tiny()
        self.netc("augment", "tiny.net", "--samples", 2, "--views", 3, "--output", "sheet.png")
        self.assertEqual(png_size(self.folder / "sheet.png"), (4 * 66 + 2, 2 * 66 + 2))
        self.augmented("")
        self.assertIn("E0928", self.netc("augment", "tiny.net", code=2).stderr)

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
