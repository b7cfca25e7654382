// E03xx: compile-time values, their types and units.
#include "compiler/support/explanations.h"

namespace netc {

std::span<const Explanation> values_explanations() {
  static constexpr Explanation kPages[] = {
      {"E0301", "a value of another type",
       "Parameters have types: int, float, bool, size, string, percent, init, tensor, lists `[int]` and\n"
       "blocks.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(\"16\", 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0302", "operands that an operator does not take",
       "Arithmetic is for numbers, `and` `or` `not` for bools; only values of one kind are compared.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16 + \"3\", 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16 + 3, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0303", "a division that leaves a remainder",
       "`/` of ints is exact, because a width that is rounded silently is the usual cause of a wrong shape\n"
       "later. `div` rounds down, `mod` is the remainder.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(33 / 2, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(div(33, 2), 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0304", "a result out of range",
       "Ints have 64 bits and are checked; floats are finite.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(2 ** 64, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(2 ** 6, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0305", "a division by zero",
       "`div` and `mod` divide by positive numbers.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(div(8, 0), 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(div(8, 2), 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0306", "a bare number where a unit is needed",
       "A probability is written `20%`, an angle `15deg`, a length of training `5epochs` or `2000steps`, so\n"
       "that nobody has to guess.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    dropout(0.5)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    dropout(50%)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0307", "another unit",
       "The message names the unit that is meant.\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30epochs\n"
       "}\n",
       "import std.resnet { resnet20 }\n"
       "dataset cifar { train = cifar10(\"data_batch_*.bin\") }\n"
       "train run = resnet20 on cifar {\n"
       "    optimizer = sgd(momentum = 0.9)\n"
       "    schedule = cosine(peak = 0.1)\n"
       "    batch = 128\n"
       "    epochs = 30\n"
       "}\n"},
      {"E0308", "a condition that is no bool",
       "Numbers are neither true nor false: compare them.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    if 3 { relu }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    if 3 > 2 { relu }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0309", "nothing to loop over",
       "`for` runs over a list or a range `0..n` (half-open).\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    for i in 3 { relu }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    for i in 0..3 { relu }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0310", "an index outside its list",
       "Indices count from 0.\n",
       "let widths = [16, 32]\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(widths[2], 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "let widths = [16, 32]\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(widths[1], 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0311", "a wrong number of arguments for a function or an initialiser",
       "Functions take their arguments by position.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(div(7), 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(div(7, 2), 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0312", "an int variable where a float is needed",
       "Literals widen, variables do not: `float(n)` says that it is meant.\n",
       "block unit(count: int) { batch_norm(momentum = count) }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    unit(1)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "block unit(count: int) { batch_norm(momentum = float(count)) }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    unit(1)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0313", "a number out of its range",
       "Extents, counts and strides are at least 1, pads at least 0.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(0, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0314", "a requirement that does not hold",
       "A block states the range of its parameters with `require`. The label shows the condition, the caret\n"
       "the call.\n",
       "block b(groups: int) {\n"
       "    require groups > 0, \"groups is positive\"\n"
       "    relu\n"
       "}\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    b(0)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "block b(groups: int) {\n"
       "    require groups > 0, \"groups is positive\"\n"
       "    relu\n"
       "}\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    b(1)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0315", "a tensor where a compile-time value is needed",
       "Shapes, counts and arguments are known before the first batch; what a network computes is not. Name\n"
       "tensors with `as`; their shapes are compile-time values.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3) as x\n"
       "    let y = x\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3) as x\n"
       "    let y = x.channels\n"
       "    conv(y, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
  };
  return kPages;
}

}  // namespace netc
