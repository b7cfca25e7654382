#!/usr/bin/env python3
"""netc tune on a driver of the tests' own, whose clock follows a script: what is fastest there is kept and used."""
import os
import re
import subprocess
from pathlib import Path

from support import SOURCE, Case, main, read_safetensors

NETWORK = """network wide {
    input x: [64, 28, 28]
    a: conv(128, 3x3)
    relu
    b: conv(128, 1x1)
    global_avg_pool
    fc: linear(10)
    output y
}
"""


RESUME = """#include <netc/netc.hpp>
#include <cstdio>
int main(int, char** argv) {
  netc::Options options;
  options.device = "cuda";
  options.precision = "bf16";
  options.cache_dir = argv[4];
  auto trainer = netc::Trainer::from_recipe(argv[1], options);
  if (!trainer) return std::puts(trainer.error().text().c_str()), 1;
  auto done = trainer->resume(argv[2]);
  if (!done) return std::puts(done.error().text().c_str()), 1;
  auto metrics = trainer->fit({});
  if (!metrics) return std::puts(metrics.error().text().c_str()), 1;
  done = trainer->save(argv[3]);
  return done ? 0 : 1;
}
"""


class Tune(Case):
    def setUp(self):
        super().setUp()
        self.write("wide.net", NETWORK)
        fake = os.environ.get("NETC_FAKE_CUDA", "")
        if not Path(fake, "libcuda.so.1").exists():
            self.skipTest("the tests' driver is not built")
        self.env = {"LD_LIBRARY_PATH": fake + ":" + os.environ.get("LD_LIBRARY_PATH", ""), "NETC_CACHE_DIR": str(self.folder / "cache")}

    def tune(self, clock, *more, **options):
        return self.json("tune", "wide.net", "--batch", 8, "--runs", 1, "--precision", "bf16", *more,
                         env={**self.env, "FAKE_CUDA_CLOCK": clock}, **options)

    def blocks(self, *more):
        """Of each launch of a step, as it would run now."""
        launches = self.json("bench", "wide.net", "--batch", 8, "--precision", "bf16", "--seconds", "0.01", "--profile", "--device", "cuda",
                             *more, env=self.env)["profile"]
        return {launch["label"]: launch["tasks"] for launch in launches}

    def need_nvrtc(self):
        if not self.json("devices", env=self.env)["cuda"]["nvrtc"]:
            self.skipTest("no NVRTC")

    def test_the_fastest_tile_is_kept_and_used(self):
        self.need_nvrtc()
        untuned = self.blocks()
        self.assertEqual(self.explained()["measured"], 0)
        chosen = {}
        for clock in ("blocks", "shared"):
            tuned = self.tune(clock)
            products = tuned["products"]
            self.assertGreaterEqual(len(products), 2)
            self.assertLessEqual(tuned["us"], tuned["us_planned"])
            self.assertEqual(tuned["changed"], sum(p["tile"] != p["planned"] for p in products))
            for product in products:
                times = {m["tile"]: m["us"] for m in product["measured"]}
                self.assertIn(product["planned"], times)
                self.assertEqual(times[product["tile"]], min(times.values()))
                self.assertLessEqual(len(times), 4)
            chosen[clock] = [product["tile"] for product in products]
            used = self.blocks()
            self.assertEqual(used.keys(), untuned.keys())
            self.assertEqual(self.explained(), {"products": len(products), "measured": len(products)})
            if clock == "blocks":
                few = used
            else:
                self.assertGreater(sum(used.values()), sum(few.values()))
        self.assertIn("128x128", chosen["blocks"])
        self.assertIn("64x64", chosen["shared"])
        self.assertNotIn("128x128", chosen["shared"])
        # One entry has all of them, and its name says of which GPU.
        listed = re.findall(r".*\btiles\b.*", self.netc("cache", "list", env=self.env).stdout)
        self.assertEqual(len(listed), 1, listed)
        self.assertIn("NVRTC", listed[0])
        text = self.netc("emit", "wide.net", "--batch", 8, "--precision", "bf16", "--device", "cuda", "--stage", "cuda", env=self.env).stdout
        self.assertRegex(text, r"in tiles of \d+x\d+ \(measured\), n ")
        # What was measured here says nothing of code that is for another machine, or that is emulated.
        for device in ("cuda:sm_80", "cuda-emulation"):
            self.assertEqual(self.explained(device)["measured"], 0)
        # Without the cache the cost model decides; a damaged entry counts for nothing, is said, and replaced.
        self.assertEqual(self.blocks("--no-cache"), untuned)
        self.damage(lambda whole: whole[:-3])
        done = self.netc("bench", "wide.net", "--batch", 8, "--precision", "bf16", "--seconds", "0.01", "--device", "cuda", env=self.env)
        self.assertIn("A0901", done.stderr)
        self.assertEqual(self.blocks(), untuned)
        self.tune("shared")
        self.assertEqual(self.blocks(), used)
        self.damage(lambda whole: whole[:-3])
        self.tune("shared")
        self.assertEqual(self.blocks(), used)

    def explained(self, device="cuda"):
        return self.json("explain", "wide.net", "--batch", 8, "--precision", "bf16", "--device", device, env=self.env)["tiles"]

    def damage(self, change):
        entries = [entry for entry in (self.folder / "cache").glob("*/*") if b"\nsymbol tiles\n" in entry.read_bytes()]
        self.assertEqual(len(entries), 1)
        entries[0].write_bytes(change(entries[0].read_bytes()))

    def test_a_training_step_and_text(self):
        self.need_nvrtc()
        done = self.netc("tune", "wide.net", "--batch", 8, "--runs", 1, "--train", env={**self.env, "FAKE_CUDA_CLOCK": "shared"})
        self.assertRegex(done.stdout, r"product +launches +planned +us +fastest +us")
        self.assertRegex(done.stdout, r"matrix products, \d+ faster with another tile than planned: [\d.]+ us instead of [\d.]+")

    def test_a_training_goes_on_with_the_tiles_that_it_began_with(self):
        self.need_nvrtc()
        self.tiny()
        train = ["train", "tiny.net", "--device", "cuda", "--precision", "bf16", "--quiet", "--stop-after"]

        def tiles(folder):
            return read_safetensors(self.folder / folder / "last.safetensors")[0]["__metadata__"].get("netc.training.tiles", "")

        def tune(clock):
            self.netc("tune", "tiny.net", "--train", "--batch", 16, "--precision", "bf16", "--runs", 1,
                      env={**self.env, "FAKE_CUDA_CLOCK": clock})

        self.netc(*train, 2, "--output", "planned", env=self.env)
        tune("shared")
        self.netc(*train, 2, "--output", "measured", env=self.env)
        small = tiles("measured")
        self.assertEqual(tiles("planned"), "")
        self.assertRegex(small, r"^(tile:[0-9a-f]{16}=64x64;)+$")
        tune("blocks")
        for folder, began_with in (("planned", ""), ("measured", small)):
            self.netc(*train, 4, "--output", folder, "--resume", env=self.env)
            self.assertEqual(tiles(folder), began_with)
        # Nor does the cache have to be there.
        self.netc(*train, 5, "--output", "measured", "--resume", "--no-cache", env=self.env)
        self.assertEqual(tiles("measured"), small)
        self.netc(*train, 2, "--output", "later", env=self.env)
        self.assertNotIn(tiles("later"), ("", small))

    def test_the_library_goes_on_with_them_too(self):
        self.need_nvrtc()
        self.tiny()
        self.netc("train", "tiny.net", "--device", "cuda", "--precision", "bf16", "--quiet", "--stop-after", 2, "--output", "run", env=self.env)
        for clock in ("shared", "blocks"):
            self.netc("tune", "tiny.net", "--train", "--batch", 16, "--precision", "bf16", "--runs", 1,
                      env={**self.env, "FAKE_CUDA_CLOCK": clock})
            self.netc("train", "tiny.net", "--device", "cuda", "--precision", "bf16", "--quiet", "--stop-after", 2, "--output", clock,
                      env=self.env)
        library = Path(os.environ["NETC_LIBRARY"])
        self.write("resume.cpp", RESUME)
        subprocess.run(["g++", "-std=c++17", f"-I{SOURCE / 'include'}", "resume.cpp", "-o", "resume", library, f"-Wl,-rpath,{library.parent}"],
                       cwd=self.folder, check=True)
        for began in ("run", "shared", "blocks"):
            done = subprocess.run(["./resume", "tiny.net", f"{began}/last.safetensors", "on.safetensors", self.env["NETC_CACHE_DIR"]],
                                  cwd=self.folder, env={**os.environ, **self.env}, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            before, after = (read_safetensors(self.folder / name)[0]["__metadata__"] for name in (f"{began}/last.safetensors", "on.safetensors"))
            self.assertEqual(after.get("netc.training.tiles"), before.get("netc.training.tiles"))
            self.assertEqual(after["netc.training.target"], before["netc.training.target"])
            self.assertGreater(int(after["netc.training.step"]), 2)

    def test_what_cannot_be_measured_is_refused(self):
        for device, why in (("cpu", "cost model"), ("cuda-emulation", "emulation"), ("cuda:sm_90", "this machine's GPU")):
            done = self.netc("tune", "wide.net", "--device", device, code=4, env=self.env)
            self.assertIn("E0937", done.stderr)
            self.assertIn(why, done.stderr)
        self.assertIn("E0926", self.netc("tune", "wide.net", "--no-cache", code=4, env=self.env).stderr)

    def test_a_gpu_that_fails(self):
        self.need_nvrtc()
        self.assertIn("E0935", self.netc("tune", "wide.net", code=4, env={"LD_LIBRARY_PATH": ""}).stderr)


if __name__ == "__main__":
    main()
