#!/usr/bin/env python3
"""The command line: help, exit codes, errors for people and for tools, and what the commands print."""
import json
import os
from pathlib import Path
import re
import subprocess

from support import NETC, SOURCE, Case, main, read_npy, write_npy

PARAMETERS = {  # torchvision's, at 1000 classes
    "std.resnet:resnet18": (11_689_512, 11_689_512),
    "std.resnet:resnet34": (21_797_672, 21_797_672),
    "std.resnet:resnet50": (25_557_032, 25_557_032),
    "std.resnet:resnet101": (44_549_160, 44_549_160),
    "std.resnet:resnet152": (60_192_808, 60_192_808),
    "std.googlenet:googlenet": (13_004_888, 6_624_904),
    "std.vgg:vgg16": (138_357_544, 138_357_544),
}
COMMANDS = "check train eval predict bench tune emit explain graph ops devices inspect convert cache".split()

WRONG = """network wrong {
    input image: [3, 32, 32]
    conv2d(8, 3x3)
    max_pool(40x40)
    output y
}
"""


class CommandLine(Case):
    def test_help_starts_with_examples(self):
        text = self.netc("--help").stdout
        self.assertLess(text.index("Examples:"), text.index("Options:"))
        self.assertIn("Exit codes:", text)
        for command in COMMANDS:
            self.assertIn("netc " + command, self.netc(command, "--help").stdout)

    def test_command_line_errors_are_2(self):
        self.tiny()
        for args in ([], ["paint"], ["check"], ["train", "--epochs"], ["train", "tiny.net", "--epochs", "0"],
                     ["check", "tiny.net", "--set", "classes"], ["emit", "tiny.net", "--stage=poem"],
                     ["bench", "tiny.net", "--device", "tpu"], ["bench", "tiny.net", "--precision", "fp8"],
                     ["bench", "tiny.net", "--train", "--precision", "fp16"], ["train", "tiny.net", "--precision", "fp16"],
                     ["ops", "conv2d"], ["explain", "E9999"]):
            done = self.netc(*args, code=2)
            self.assertTrue(done.stderr.strip() or done.stdout.strip(), args)

    def test_near_misses_are_named(self):
        self.tiny()
        for args, wanted in ((["chek", "tiny.net"], "fix: netc check"), (["check", "tiny.net", "--no-advise"], "fix: --no-advice"),
                             (["predict", "tiny.net", "cat.png"], "fix: --input cat.png"), (["emit", "tiny.net", "--stage=ast", "--json"], "no option `--json`"),
                             (["cache", "clear", "--max-size", "1GiB"], "netc cache prune"), (["explain", "tiny.net", "--batch", "abc"], "whole number from 1"),
                             (["explain", "tiny.net", "--budget", "5"], "such as 2GiB"), (["explain", "tiny.net", "--budget", "-1"], "such as 2GiB"),
                             (["train", "tiny.net", "--seed", "-1"], "whole number from 0"), (["explain", "E02"], "four digits")):
            self.assertIn(wanted, self.netc(*args, code=2).stderr, args)
        self.assertIn("fix: tiny.net", self.netc("check", "tinny.net", code=1).stderr)
        self.assertIn("fix: tiny.net", self.netc("check", "tiny", code=1).stderr)
        self.assertIn("fix: std.resnet:resnet18", self.netc("check", "resnet18", code=1).stderr)
        self.assertIn("it is a folder", self.netc("check", ".", code=1).stderr)
        self.assertEqual(self.netc("check", "tiny.net", "--set", "classes=abc", code=1).stderr.count("E0102"), 1)
        self.assertEqual(self.netc("help", "train").stdout, self.netc("train", "--help").stdout)
        self.assertEqual(self.netc("explain", "e0201").stdout, self.netc("explain", "E0201").stdout)
        self.write("empty.net", "// nothing\n")
        self.assertIn("declares nothing", self.netc("check", "empty.net").stderr)

    def test_an_operator_without_a_gradient_is_found_by_check(self):
        self.write("step.net", """dataset d { train = cifar10("data_batch_*.bin") }
network n { input image: [3, 32, 32]; conv(3, 3x3); greater(image); global_avg_pool; linear(10); output logits }
train run = n on d { optimizer = sgd(momentum = 0.9); schedule = cosine(peak = 0.1); batch = 128; epochs = 30 }
""")
        self.assertIn("E0518 `greater` has no gradient", self.netc("check", "step.net", code=1).stderr)
        self.assertIn("E0518", self.netc("explain", "step.net", "--train", code=1).stderr)
        self.netc("explain", "step.net:n")

    def test_wrong_programs_are_1(self):
        self.write("wrong.net", WRONG)
        done = self.netc("check", "wrong.net", code=1)
        self.assertIn("E0101", done.stderr)
        self.assertIn("conv2d", done.stderr)
        self.assertNotIn("\x1b", done.stderr)
        for command in (["explain"], ["graph"], ["emit", "--stage=graph"], ["bench"]):
            self.netc(command[0], "wrong.net", *command[1:], code=1)

    def test_errors_as_json(self):
        self.write("wrong.net", WRONG)
        lines = self.netc("check", "wrong.net", "--error-format=json", code=1).stderr.splitlines()
        errors = [json.loads(line) for line in lines]
        self.assertIn("E0101", [e["code"] for e in errors])

    def test_names_that_do_not_exist(self):
        self.tiny()
        self.netc("check", "missing.net", code=1)
        self.netc("explain", "tiny.net:huge", code=1)
        self.netc("explain", "std.nothing:x", code=1)
        self.netc("explain", "tiny.net", "--set", "width=3", code=1)

    def test_hostile_programs_end_in_a_message(self):
        programs = {
            "empty": "", "bytes": "\x00\x01\xff" * 50, "deep": "network n { input x: [1]\n" + "(" * 20000,
            "unclosed": "network n {", "loop": "block a() { a() }\nnetwork n { input x: [1]; a(); output y }\n",
            "huge": "network n { input x: [1, 8, 8]\nrepeat 1000000000 { relu }\noutput y }\n",
            "shape": "network n { input x: [9223372036854775807, 9223372036854775807]\nflatten\noutput y }\n",
        }
        for name, text in programs.items():
            (self.folder / f"{name}.net").write_bytes(text.encode("latin-1"))
            done = self.netc("explain", f"{name}.net", code=1, timeout=60)
            self.assertRegex(done.stderr, r"E0\d\d\d", name)

    def test_explains_every_code_it_prints(self):
        self.assertIn("Right:", self.netc("explain", "E0004").stdout)

    def test_parameter_counts(self):
        for network, (training, inference) in PARAMETERS.items():
            report = self.json("explain", network)
            self.assertEqual((report["parameters"], report["parameters_inference"]), (training, inference), network)

    def test_explain_json(self):
        self.tiny()
        report = self.json("explain", "tiny.net", "--train", "--batch", 16)
        for key in ("parameters", "parameters_inference", "flops", "memory", "layers"):
            self.assertIn(key, report)
        self.assertEqual(report["parameters"], sum(layer["parameters"] for layer in report["layers"] if layer["leaf"]))
        self.assertGreater(report["memory"]["gradients"], 0)
        self.assertEqual(report["memory"]["total"], sum(v for k, v in report["memory"].items() if k != "total"))
        self.assertEqual(self.json("explain", "tiny.net")["memory"]["gradients"], 0)
        self.assertIn("conv_bn_relu", self.netc("explain", "tiny.net").stdout)

    def test_examples_are_right(self):
        examples = sorted((SOURCE / "examples").glob("*/*.net"))
        self.assertGreater(len(examples), 4)
        for example in examples:
            self.assertIn("no errors", self.netc("check", str(example)).stderr, example)

    def test_explains_and_draws_networks_that_classify_nothing(self):
        self.write("features.net", "network features { input image: [3, 8, 8]; conv(4, 3x3); output map }\n")
        report = self.json("explain", "features.net")
        self.assertEqual([port["shape"] for port in report["outputs"]], [[4, 8, 8]])
        self.netc("graph", "features.net", "--output", "features.svg")
        self.assertIn("E0205", self.netc("explain", "features.net", "--train", code=1).stderr)

    def test_explain_counts_layout_conversions(self):
        report = self.json("explain", "std.resnet:resnet18", "--train", "--batch", 2)
        conversions = report["layout_conversions"]
        self.assertLess(len(conversions), report["launches"])
        # The picture gets its halo once; every data gradient, of all convolutions but the first, has weights of its own: packed
        # for a direct one, transformed for Winograd's.
        reads = [re.match(r"(\w+) reads it so;", note["reason"]).group(1) for note in conversions]
        gradients = [choice for layer in report["layers"] for choice in layer["data_gradients"]]
        in_tiles = sum(choice["winograd_tile"] is not None for choice in gradients)
        self.assertGreater(in_tiles, 0)
        self.assertEqual(len(gradients), 19)
        self.assertEqual((reads.count("correlation"), reads.count("convolution_data_gradient")), (1, 19 - in_tiles))
        weight = next(note for note in conversions if "stage.3.1.basic0.conv_bn1.conv.weight" in note["label"])
        self.assertEqual(weight["bytes"], 2 * 4 * 512 * 512 * 9)
        self.assertIn("from [d0/16, d1/16, d2, d3, d1%16, d0%16] to [d1/16, d0/16, d2, d3, d0%16, d1%16]", weight["reason"])
        text = self.netc("explain", "std.resnet:resnet18", "--train", "--batch", 2).stdout
        self.assertIn(f"layouts      {len(conversions)} launches only convert layouts", text)
        self.assertRegex(text, rf"\n +{19 - in_tiles} x convolution_data_gradient reads it so; from \[d0/16, .*\]\n")

    def test_ops_and_devices(self):
        names = [op["name"] for op in self.json("ops")]
        self.assertEqual(names, sorted(names))
        self.assertIn("convolution", names)
        self.assertIn("weight", self.netc("ops", "convolution").stdout)
        devices = self.json("devices")
        self.assertTrue(devices["cpu"]["available"])
        if "reason" in devices["cuda"]:
            self.assertFalse(devices["cuda"]["available"])
            self.assertIn("E0935", self.bench_on_gpu(code=4, device="cuda").stderr)

    def bench_on_gpu(self, code=0, device="cuda", env=None, before=""):
        self.tiny()
        self.write("tiny.net", before + (self.folder / "tiny.net").read_text())
        return self.netc("bench", "tiny.net", "--batch", 2, "--seconds", "0.01", "--device", device, code=code, env=env)

    def test_a_gpu_whose_driver_only_notes_its_calls(self):
        fake = os.environ.get("NETC_FAKE_CUDA", "")
        if not Path(fake, "libcuda.so.1").exists():
            self.skipTest("the tests' driver is not built")
        log = self.folder / "calls"
        env = {"LD_LIBRARY_PATH": fake + ":" + os.environ.get("LD_LIBRARY_PATH", ""), "FAKE_CUDA_LOG": str(log)}
        cuda = self.json("devices", env=env)["cuda"]
        self.assertEqual((cuda["name"], cuda["architecture"]), ("Fake GPU", "sm_90"))
        self.assertIn("does not run code for sm_80", self.bench_on_gpu(code=4, device="cuda:sm_80", env=env).stderr)
        if not cuda["nvrtc"]:
            self.assertIn("NVRTC", self.bench_on_gpu(code=4, env=env).stderr)
            self.skipTest("no NVRTC")
        self.assertTrue(cuda["available"])
        log.write_text("")
        self.assertRegex(self.bench_on_gpu(env=env).stdout, r"kernels: \d+ compiled: \d+ new\n")
        calls = {line.split()[0] for line in log.read_text().splitlines()}
        for call in ("cuModuleLoadData", "cuLaunchKernel", "cuStreamBeginCapture_v2", "cuGraphLaunch"):
            self.assertIn(call, calls)
        self.assertRegex(self.bench_on_gpu(env=env).stdout, r"kernels: \d+ from the cache\n")
        full = self.netc("bench", "tiny.net", "--batch", 400000, "--seconds", "0.01", "--device", "cuda", code=4, env=env).stderr
        self.assertRegex(full, r"E0911 out of memory on the GPU: .*\nnote: the plan: state .*\nnote: a batch of about \d+ would fit")
        moved = self.bench_on_gpu(env=env, before="// other lines, the same kernels\n")
        self.assertRegex(moved.stdout, r"kernels: \d+ from the cache\n")

    def test_cuda_kernels_are_written_and_run_under_emulation(self):
        self.tiny()
        text = self.netc("emit", "tiny.net", "--stage=cuda", "--device", "cuda:sm_90", "--train").stdout
        self.assertIn("__global__", text)
        self.assertIn("tiny.net:", text)
        random = ["predict", "tiny.net", "--random-weights", "--random-input", "--output"]
        self.netc(*random, "cpu.npy")
        self.netc(*random, "cuda.npy", "--device", "cuda-emulation")
        (shape, cpu), (cuda_shape, cuda) = read_npy(self.folder / "cpu.npy"), read_npy(self.folder / "cuda.npy")
        self.assertEqual(shape, cuda_shape)
        for expected, got in zip(cpu, cuda):
            self.assertAlmostEqual(expected, got, delta=1e-4 * max(map(abs, cpu)))
        self.netc("emit", "tiny.net", "--stage=cuda", code=2)
        self.netc("emit", "tiny.net", "--stage=asm", "--device", "cuda", code=2)
        self.netc("emit", "tiny.net", "--stage=cuda", "--device", "cuda:sm_20", code=2)

    def test_winograd_can_be_turned_off(self):
        self.write("wide.net", "network wide { input x: [64, 56, 56]\n c: conv(64, 3x3)\n relu\n d: conv(64, 1x1)\n global_avg_pool\n output y }")
        layers = lambda *flags: {l["path"]: l["convolutions"] for l in self.json("explain", "wide.net", *flags)["layers"] if l["convolutions"]}
        chosen = layers()
        self.assertEqual(chosen["c"][0]["winograd_tile"], 4)
        self.assertIn("times the direct speed", chosen["c"][0]["reason"])
        self.assertEqual(chosen["d"], [{"winograd_tile": None, "reason": "its window is 1x1"}])
        self.assertEqual(layers("--no-winograd")["c"], [{"winograd_tile": None, "reason": "Winograd is off"}])
        self.assertEqual(layers("--train")["c"][0]["winograd_tile"], 4)
        self.assertEqual(layers("--train", "--no-winograd")["c"], [{"winograd_tile": None, "reason": "Winograd is off"}])
        self.assertIn("Winograd's F(4, 3)", self.netc("explain", "wide.net").stdout)
        self.assertIn("direct: Winograd is off", self.netc("explain", "wide.net", "--no-winograd").stdout)
        predict = ("predict", "wide.net", "--random-weights", "--random-input", "--output", "y.npy")
        rows = []
        for flags in ((), ("--no-winograd",)):
            self.netc(*predict, *flags)
            rows.append(read_npy(self.folder / "y.npy")[1])
        self.assertNotEqual(*rows)
        for winograd, direct in zip(*rows):
            self.assertAlmostEqual(winograd, direct, delta=1e-5 * max(map(abs, rows[1])))

    def test_graph(self):
        self.tiny()
        self.netc("graph", "tiny.net", "--output", "t.dot")
        dot = (self.folder / "t.dot").read_text()
        self.assertIn("residual", dot)
        self.assertIn("inception", dot)
        self.netc("graph", "tiny.net")
        self.assertIn("</svg>", (self.folder / "tiny.svg").read_text())
        self.assertIn("expects .svg or .dot, got t.png", self.netc("graph", "tiny.net", "--output", "t.png", code=2).stderr)
        self.assertIn("expects .svg, got t.png", self.netc("explain", "tiny.net", "--svg", "t.png", code=2).stderr)
        empty = self.folder / "bin"
        empty.mkdir()
        done = self.netc("graph", "tiny.net", code=4, env={"PATH": str(empty)})
        self.assertIn("graphviz", done.stderr)

    def test_emit(self):
        self.tiny()
        for stage in ("ast", "graph", "grad", "schedule", "kernels", "llvm", "asm"):
            inference = self.netc("emit", "tiny.net", f"--stage={stage}").stdout
            training = self.netc("emit", "tiny.net", f"--stage={stage}", "--train").stdout
            self.assertTrue(inference.strip() and training.strip(), stage)
            if stage not in ("ast", "grad"):
                self.assertGreater(len(training), len(inference), stage)

    def test_inspect_refuses_extents_that_overflow(self):
        (self.folder / "huge.img").write_bytes(b"\0\0\x08\x04" + b"\xff" * 16)
        self.assertIn("E0703 huge.img: the shape", self.netc("inspect", "huge.img", code=3).stderr)

    def test_names_that_are_no_utf8(self):
        self.tiny()
        name = os.fsdecode(b"caf\xe9.npy")
        write_npy(self.folder / name, "|u1", (1, 1, 8, 8), bytes(64))
        self.assertEqual(self.json("predict", "tiny.net", "--random-weights", "--input", name)[0]["input"], "caf\ufffd.npy")

    def test_never_replaces_what_is_no_file(self):
        self.tiny()
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.netc("emit", "tiny.net", "--stage=ast", "--output", "pipe")
        self.assertTrue(pipe.is_fifo())
        self.assertEqual(os.read(reader, 1 << 16).decode(), self.netc("emit", "tiny.net", "--stage=ast").stdout)
        os.close(reader)

    def test_results_that_cannot_be_written_are_an_error(self):
        self.tiny()
        for command in (["emit", "tiny.net", "--stage=ast"], ["devices", "--json"], ["ops"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([NETC, *command], cwd=self.folder, stdout=full, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 4, command)
            self.assertIn("E0604", done.stderr)
            self.assertIn("No space left on device", done.stderr)
        reader, writer = os.pipe()  # `netc … | head`
        os.close(reader)
        done = subprocess.run([NETC, "emit", "tiny.net", "--stage=ast"], cwd=self.folder, stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        self.assertEqual(done.returncode, 0)

    def test_processors(self):
        self.tiny()
        predict = ("predict", "tiny.net", "--random-weights", "--random-input", "--output", "y.npy", "--cpu")
        rows = {}
        for cpu in self.json("devices")["cpu"]["levels"] + ["host"]:
            self.netc(*predict, cpu)
            rows[cpu] = read_npy(self.folder / "y.npy")[1]
        self.assertGreaterEqual(len(rows), 3)
        for cpu, row in rows.items():
            for expected, got in zip(rows["host"], row):
                self.assertAlmostEqual(expected, got, delta=1e-5, msg=cpu)
        self.assertIn("zmm", self.netc("emit", "tiny.net", "--stage=asm", "--cpu", "x86-64-v4").stdout)
        baseline = self.netc("emit", "tiny.net", "--stage=asm", "--cpu", "x86-64").stdout
        self.assertIn("xmm", baseline)
        self.assertNotIn("ymm", baseline)
        self.assertNotIn("fmadd", baseline)
        # No machine is both of these, yet any can compile for them.
        refused = 0
        for cpu in ("sapphirerapids", "bdver4"):
            self.netc("emit", "tiny.net", "--stage=asm", "--cpu", cpu)
            try:
                self.netc(*predict, cpu)
            except AssertionError:
                done = self.netc(*predict, cpu, code=4)
                self.assertRegex(done.stderr, f"E0903 this machine cannot run code for {cpu}: it has no [a-z]")
                refused += 1
        self.assertGreater(refused, 0)
        for cpu in ("i486", "pentium", "z80", ""):
            self.assertIn("E0901", self.netc("bench", "tiny.net", "--cpu", cpu, code=2).stderr)
        self.assertIn("E0901", self.netc("explain", "tiny.net", "--cpu", "z80", code=2).stderr)

    def test_predict_raw_tensors(self):
        self.tiny()
        write_npy(self.folder / "x.npy", "|u1", (3, 1, 8, 8), bytes(range(192)))
        args = ("predict", "tiny.net", "--random-weights", "--seed", 5, "--input", "x.npy", "--output")
        self.netc(*args, "a.npy")
        self.netc(*args, "b.npy", "--batch", 2)
        shape, a = read_npy(self.folder / "a.npy")
        self.assertEqual(shape, (3, 4))
        self.assertEqual(a, read_npy(self.folder / "b.npy")[1])
        self.netc("predict", "tiny.net", "--random-weights", "--seed", 6, "--input", "x.npy", "--output", "c.npy")
        self.assertNotEqual(a, read_npy(self.folder / "c.npy")[1])
        self.netc("predict", "tiny.net", "--random-weights", "--random-input", "--output", "d.npy")

    def test_bench(self):
        self.tiny()
        for extra in ([], ["--precision", "bf16"], ["--precision", "f16"], ["--train"], ["--train", "--precision", "bf16"]):
            report = self.json("bench", "tiny.net", "--batch", 8, "--threads", 2, "--seconds", 0.1, *extra)
            for key in ("ms_min", "ms_median", "images_per_second", "gflops_per_second", "compile_seconds"):
                self.assertGreater(report[key], 0, key)
            self.assertGreater(report["peak_bytes"], report["arena_bytes"])
        report = self.json("bench", "tiny.net", "--seconds", 0, "--profile")
        self.assertEqual(len(report["profile"]), report["launches"])
        for launch in report["profile"]:
            self.assertLessEqual(launch["ns_min"], launch["ns_mean"])


if __name__ == "__main__":
    main()
