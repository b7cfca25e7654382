#!/usr/bin/env python3
"""No symbol leaves libnetc.so except the public interface. LLVM is inside: a host with another LLVM of its own
must not lend us a symbol. (ANTLR's runtime is an ordinary shared library, as libpng is.)"""
import os
import subprocess
import unittest


def symbols(*flags):
    out = subprocess.run(["nm", "-D", "-C", *flags, os.environ["NETC_LIBRARY"]], check=True, capture_output=True, text=True)
    return [line.split(maxsplit=2)[-1] for line in out.stdout.splitlines()]


class Exports(unittest.TestCase):
    def test_only_the_public_interface_is_exported(self):
        names = symbols("--defined-only")
        self.assertTrue(any("netc::v1::Network::from_file" in name for name in names), names)
        foreign = [name for name in names if "netc::v1::" not in name]
        self.assertEqual(foreign, [])

    def test_no_llvm_is_asked_for(self):
        foreign = [name for name in symbols("--undefined-only") if "llvm::" in name or "LLVM" in name]
        self.assertEqual(foreign, [])


if __name__ == "__main__":
    unittest.main()
