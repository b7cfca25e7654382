// E05xx: recipes, data sets, name maps.
#include "compiler/support/explanations.h"

namespace netc {

std::span<const Explanation> training_explanations() {
  static constexpr Explanation kPages[] = {
      {"E0501", "logits and classes differ in number",
       "A network has one score for each class of its data set. Where the number is a default of the\n"
       "network, the message says where.\n",
       "import std.resnet { resnet20 }\n"
       "dataset d { train = image_folder(\"train\"); classes = [\"cat\", \"dog\"] }\n"
       "train run = resnet20 on d {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset d { train = image_folder(\"train\"); classes = [\"cat\", \"dog\"] }\n"
       "train run = resnet20(classes = 2) on d {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0502", "an unknown key",
       "Recipes have loss, optimizer, schedule, augment, copies, batch, epochs, seed, precision, weights, freeze,\n"
       "groups, clip, ema, swa, early_stop, accumulate, loss_scale and distill; data sets have train, test, preprocess,\n"
       "normalize, classes, validation, subset and corrupt; name maps have ignore.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimiser = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0503", "something that has to be said",
       "A training run has an optimizer, a schedule, a batch and epochs; a data set says where its training\n"
       "data lie; a schedule says what follows the warm-up.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    epochs = 3\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0504", "a word that means nothing here",
       "The note lists what there is.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sdg(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0505", "a key given twice",
       "In one body a key stands once. A key after `use` replaces the one that the recipe brought.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "    batch = 64\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0506", "not supported yet",
       "The word is known and part of the plan, and nothing silently does without it.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = lars(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0507", "a number out of its range",
       "The message says the range.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 1.5)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0509", "a recipe that is not there",
       "`use NAME` brings the keys of a `recipe NAME { }` of the file or an imported one.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    use base\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "recipe base { batch = 128 }\n"
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    use base\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0510", "data that do not fit the network",
       "What `preprocess` and `augment` end in has the size that the network takes; colours are those of u8 pictures of 1 or 3\n"
       "channels; a normalisation has a mean and a deviation for each channel.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    augment = [crop(28x28, pad = 4)]\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    augment = [crop(32x32, pad = 4)]\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0511", "a rule of a name map that cannot be used",
       "A rule maps paths one to one: both sides have the same `*` (one segment) and `**` (any number), in\n"
       "one order, and every variable of the right side stands on the left.\n",
       "names m { \"stage.{s}.*\" = \"layer{k}.*\" }\n",
       "names m { \"stage.{s}.*\" = \"layer{s+1}.*\" }\n"},
      {"E0512", "no network or data set of this name",
       "`train NAME = network on data { }` names a network and a data set of the file, or imported ones.\n",
       "dataset d { train = cifar10(\"x.bin\") }\n"
       "train run = resnet20 on d {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0513", "several outputs and none called logits",
       "Training and evaluation need to know which output holds the scores: the only one, or the one called `logits`.\n",
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv_bn_relu(16, 3x3)\n"
       "    output features\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output scores\n"
       "}\n"
       "train run = n on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv_bn_relu(16, 3x3)\n"
       "    output features\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"
       "train run = n on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0514", "a glob that names no parameter",
       "`freeze`, `groups` and `except` name parameters by their paths: `*` is one segment, `**` any number of them.\n"
       "One that matches nothing is a mistake, and so is a training in which everything is frozen.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    freeze = [\"stemm.**\"]\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    freeze = [\"stem.**\"]\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0515", "a pattern that matches no layer",
       "Patterns are of layers' paths, as `netc explain` lists them: `*` stands for one segment, `**` for any\n"
       "number of them. One that matches nothing is a typing error more often than not.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    precision = [bf16, f32(\"head.**\")]\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    precision = [bf16, f32(\"fc.**\")]\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0516", "an ensemble that cannot be one",
       "An ensemble has two or more members: networks with one input of the same shape and one score for each of the same\n"
       "classes. `member(net, count = 3)` are three with other seeds, `member(net, weights = [...])` one for each file. A\n"
       "member of a `train` is named FILE.net:TRAIN.MEMBER.\n",
       "import std.resnet { resnet20 }\n"
       "ensemble trio { runs = member(resnet20) }\n",
       "import std.resnet { resnet20 }\n"
       "ensemble trio { runs = member(resnet20, count = 3) }\n"},
      {"E0517", "a network that training cannot use",
       "A training gives the network one input, the samples, and adds inputs of its own: label, and affine, color,\n"
       "erase and mix for augmentation. The network has another input, one of these names, or no parameter to learn.\n",
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    input bias: [10]\n"
       "    image -> global_avg_pool -> linear(10) -> add(bias)\n"
       "    output logits\n"
       "}\n"
       "train run = n on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    param bias: [10] = zeros\n"
       "    image -> global_avg_pool -> linear(10) -> add(bias)\n"
       "    output logits\n"
       "}\n"
       "train run = n on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0518", "an operator without a gradient",
       "Parameters learn by gradients, and what comes after them has to have some. A comparison or a rounding is constant between its\n"
       "steps: no small change of a weight changes it.\n",
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(3, 3x3)\n"
       "    greater(image)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"
       "train run = n on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n",
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(3, 3x3)\n"
       "    sub(image)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"
       "train run = n on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
  };
  return kPages;
}

}  // namespace netc
