#!/usr/bin/env python3
"""Folders of pictures: classes from folder names, preprocessing, and predictions that name them."""
from support import Case, main, png_size, write_png

NET = """
dataset photos {
    train = image_folder("photos/train")
    test = image_folder("photos/test")
    preprocess = [resize(10), center_crop(8x8)]
}
network small(classes: int = 3) {
    input image: u8 [1, 8, 8]
    conv_bn_relu(8, 3x3)
    global_avg_pool
    linear(classes)
    output logits
}
train run = small on photos {
    loss = cross_entropy(); optimizer = adam(); schedule = [constant(0.02)]
    batch = 6; epochs = 30
}
"""


class Pictures(Case):
    def setUp(self):
        super().setUp()
        self.write("p.net", NET)
        for role in ("train", "test"):
            for label, name in enumerate(("bright", "dark", "striped")):
                folder = self.folder / "photos" / role / name
                folder.mkdir(parents=True)
                for i in range(6):
                    width, height = 12 + i, 12
                    value = {0: 220 - i, 1: 20 + i}.get(label)
                    rows = [bytes([value if value is not None else (255 if x % 4 < 2 else 0) for x in range(width)])] * height
                    write_png(folder / f"{i}.png", width, height, b"".join(rows))

    def test_train_eval_predict(self):
        self.netc("train", "p.net", "--seed", 1, "--output", "out")
        weights = ("--weights", "out/last.safetensors")
        self.assertEqual(self.json("eval", "p.net", *weights)["top1"], 1.0)
        pictures = [f"photos/test/{name}/3.png" for name in ("bright", "dark", "striped")]
        found = self.json("predict", "p.net", *weights, "--input", *pictures)
        self.assertEqual([p["predictions"][0]["name"] for p in found], ["bright", "dark", "striped"])
        self.assertIn("%", self.netc("predict", "p.net", *weights, "--sample", "test", "--count", 3).stdout)
        self.assertIn("bright", self.netc("inspect", "out/last.safetensors").stdout)

    def test_augment_replaces_preprocess(self):
        # Crops of the pictures in their own sizes, drawn anew each epoch; the test pictures are preprocessed.
        text = NET.replace("batch = 6", "augment = [random_resized_crop(8x8, area = 30%), flip(horizontal)]; batch = 6")
        self.write("p.net", text)
        self.netc("train", "p.net", "--seed", 1, "--output", "a")
        self.assertEqual(self.json("eval", "p.net", "--weights", "a/last.safetensors")["top1"], 1.0)
        self.netc("train", "p.net", "--seed", 1, "--output", "b", "--threads", 1)
        self.assertEqual((self.folder / "a/last.safetensors").read_bytes(), (self.folder / "b/last.safetensors").read_bytes())
        # Without a crop the pictures differ in size, whatever `preprocess` would make of them.
        self.write("p.net", NET.replace("batch = 6", "augment = [flip(horizontal)]; batch = 6"))
        self.assertIn("E0706 images differ in size", self.netc("train", "p.net", code=3).stderr)
        self.write("p.net", NET.replace("batch = 6", "augment = [resize(9x10), crop(8x8), flip(horizontal)]; batch = 6"))
        self.netc("train", "p.net", "--seed", 1, "--output", "c", "--epochs", 1)
        self.netc("augment", "p.net", "--samples", 3, "--views", 4)
        width, height = png_size(self.folder / "augment.png")
        self.assertEqual((width, height), (5 * 66 + 2, 3 * 66 + 2))

    def test_another_place(self):
        (self.folder / "photos").rename(self.folder / "moved")
        self.netc("train", "p.net", "--output", "out", code=3)
        self.netc("train", "p.net", "--output", "out", "--epochs", 1, "--data", "train=moved/train", "--data", "test=moved/test")

    def test_classes_must_agree(self):
        for classes in (2, 4):
            done = self.netc("train", "p.net", "--output", "out", "--set", f"classes={classes}", code=1)
            self.assertIn(f"E0501 {classes} logits, 3 classes", done.stderr)
            self.assertIn("--set classes=3", done.stderr)

    def test_classes_are_compared_by_name(self):
        test = self.folder / "photos/test"
        # Fewer test folders: a class without pictures shifts no other class's number.
        (test / "bright").rename(self.folder / "bright")
        self.netc("train", "p.net", "--seed", 1, "--output", "out")
        weights = ("--weights", "out/last.safetensors")
        self.assertEqual(self.json("eval", "p.net", *weights)["top1"], 1.0)
        self.assertIn("(it is dark)", self.netc("predict", "p.net", *weights, "--sample", "test", "--count", 1).stdout)
        # Other folders, as many: never shifted silently.
        (self.folder / "bright").rename(test / "tartan")
        message = "E0711 photos/test: the folder `tartan` is none of the classes `bright`, `dark`, `striped`"
        for command in (("train", "p.net", "--output", "no"), ("eval", "p.net", *weights), ("predict", "p.net", *weights, "--sample", "test"), ("look", "p.net", *weights, "--output", "l")):
            self.assertIn(message, self.netc(*command, code=3).stderr.replace(str(self.folder) + "/", ""))

    def test_declared_classes_give_the_order(self):
        self.write("p.net", NET.replace("preprocess", 'classes = ["striped", "dark", "bright"]; preprocess'))
        self.netc("train", "p.net", "--seed", 1, "--output", "out")
        weights = ("--weights", "out/last.safetensors")
        self.assertEqual(self.json("eval", "p.net", *weights)["top1"], 1.0)
        names = ("bright", "dark", "striped")
        found = self.json("predict", "p.net", *weights, "--input", *[f"photos/test/{name}/3.png" for name in names])
        self.assertEqual([p["predictions"][0]["name"] for p in found], list(names))
        # The weights' numbers hold, whatever the program says now.
        self.write("p.net", NET)
        self.assertEqual(self.json("eval", "p.net", *weights)["top1"], 1.0)
        self.write("p.net", NET.replace("preprocess", 'classes = ["striped", "dark", "dim"]; preprocess'))
        self.assertIn("E0711 photos/train has no folder for the class `dim`", self.netc("train", "p.net", "--output", "no", code=3).stderr)


if __name__ == "__main__":
    main()
