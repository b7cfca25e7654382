#!/usr/bin/env python3
"""Installs netc, builds tests/host outside the tree against it (by CMake and by pkg-config), and runs it."""
import json
import os
import subprocess
from pathlib import Path

from support import SOURCE, Case, main

BUILD = Path(os.environ["NETC_BUILD"])


class Host(Case):
    def call(self, *command, **env):
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=self.folder,
                              env={**os.environ, "NETC_CACHE_DIR": str(self.folder / "cache"), **env})
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def setUp(self):
        super().setUp()
        self.prefix = self.folder / "prefix"
        self.call("cmake", "--install", BUILD, "--prefix", self.prefix)
        self.tiny(batch=16, epochs=3, train=256)
        self.project = self.folder / "project"
        self.project.mkdir()
        for name in ("CMakeLists.txt", "main.cpp"):
            (self.project / name).write_text((SOURCE / "tests" / "host" / name).read_text())

    def test_cmake_package(self):
        self.call("cmake", "-G", "Ninja", "-S", self.project, "-B", self.folder / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}",
                  "-DCMAKE_BUILD_TYPE=Release")
        self.call("cmake", "--build", self.folder / "build")
        self.assertEqual(self.call(self.folder / "build" / "host", self.folder), "host: all calls behave\n")
        # The library and the command share what they compile: one code generator, one cache.
        self.call(self.prefix / "bin" / "netc", "train", "tiny.net", "--cache-dir", "kernels")
        compilers = {e["compiler"] for e in json.loads(self.call(self.prefix / "bin" / "netc", "cache", "list", "--json",
                                                                 "--cache-dir", "kernels"))}
        self.assertEqual(len(compilers), 1)

    def test_training_example(self):
        example = SOURCE / "examples" / "host_training"
        self.call("cmake", "-G", "Ninja", "-S", example, "-B", self.folder / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}",
                  "-DCMAKE_BUILD_TYPE=Release")
        self.call("cmake", "--build", self.folder / "build")
        text = self.call(self.folder / "build" / "host_training", example / "shapes.net", self.folder / "shapes.safetensors")
        self.assertRegex(text, r"accuracy (9\d|100)\.\d %")

    def test_pkg_config(self):
        pc = next(self.prefix.rglob("netc.pc"))
        text = pc.read_text().replace(pc.read_text().splitlines()[0], f"prefix={self.prefix}")
        pc.write_text(text)  # the build was configured for another prefix
        flags = self.call("pkg-config", "--cflags", "--libs", "netc", PKG_CONFIG_PATH=str(pc.parent)).split()
        self.call("g++", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", self.project / "main.cpp", "-o", "host", *flags, "-pthread")
        library = next(self.prefix.rglob("libnetc.so")).parent
        self.call("./host", self.folder, LD_LIBRARY_PATH=str(library))

    def test_installed_command(self):
        self.assertIn("netc ", self.call(self.prefix / "bin" / "netc", "--version"))


if __name__ == "__main__":
    main()
