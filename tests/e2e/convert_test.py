#!/usr/bin/env python3
"""Weights between formats end to end: what is converted computes the same, and what does not fit is said."""
from support import Case, main


class Convert(Case):
    def setUp(self):
        super().setUp()
        self.tiny(epochs=1, train=32, test=16)
        self.netc("train", "tiny.net", "--output", "a")

    def predict(self, weights):
        self.netc("predict", "tiny.net", "--weights", weights, "--input", "test_x.npy", "--output", "y.npy", "--batch", 8)
        return (self.folder / "y.npy").read_bytes()

    def test_every_format_gives_the_same_bits(self):
        best = "a/best.safetensors"
        expected = self.predict(best)
        for name in ("w.npz", "w.pt", "w.safetensors"):
            report = self.json("convert", best, name, "--network", "tiny.net:run")
            self.assertEqual((report["missing"], report["mismatched"]), ([], []))
            self.assertEqual(report["tensors"], len(report["loaded"]))
            self.assertEqual(self.predict(name), expected, name)

    def test_names(self):
        self.netc("convert", "a/best.safetensors", "w.pt", "--network", "tiny.net:run")
        self.netc("convert", "w.pt", "other.npz", "--rename", "conv_bn_relu{k}.**=layer{k+1}.**")
        names = {tensor["name"] for tensor in self.json("inspect", "other.npz")["tensors"]}
        self.assertIn("layer1.conv.weight", names)
        refused = self.netc("convert", "other.npz", "x.pt", "--network", "tiny.net:run", code=3)
        self.assertIn("E0601 weights do not fit", refused.stderr)
        partial = self.json("convert", "other.npz", "x.pt", "--network", "tiny.net:run", "--partial")
        self.assertIn("conv_bn_relu0.conv.weight", partial["missing"])
        self.assertIn("layer1.conv.weight", partial["unexpected"])
        self.netc("convert", "other.npz", "back.safetensors", "--rename", "layer{k}.**=conv_bn_relu{k-1}.**")
        self.assertEqual(self.predict("back.safetensors"), self.predict("w.pt"))
        self.netc("convert", "w.pt", "strange.npz", "--rename", "**=other.**")
        nothing = self.netc("convert", "strange.npz", "x.npz", "--network", "tiny.net:run", "--partial", code=3).stderr
        self.assertIn("E0601 weights do not fit: none of the", nothing)
        self.assertIn("E0608", self.netc("convert", "w.pt", "x.pt", "--rename", "**.{k}.**=x", code=3).stderr)
        self.assertIn("expects .safetensors", self.netc("convert", "w.pt", "x.bin", code=2).stderr)


main()
