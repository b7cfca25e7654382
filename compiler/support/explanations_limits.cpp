// E080x: what a program may grow to; A01xx: advice.
#include "compiler/support/explanations.h"

namespace netc {

std::span<const Explanation> limits_explanations() {
  static constexpr Explanation kPages[] = {
      {"A0101", "two 3x3 see as much as a 5x5",
       "Two 3x3 convolutions have the receptive field of a 5x5 with 28 % fewer parameters and one more non-\n"
       "linearity between them (Simonyan and Zisserman 2014).\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(32, 3x3)\n"
       "    conv(32, 5x5)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(32, 3x3)\n"
       "    conv(32, 3x3); relu; conv(32, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"A0102", "a reduction makes a wide 3x3 cheaper",
       "A 1x1 convolution to a quarter of the channels, a 3x3 there and a 1x1 back cost a ninth (He et al.\n"
       "2015, the bottleneck).\n",
       "network n {\n"
       "    input image: [512, 14, 14]\n"
       "    conv(512, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [512, 14, 14]\n"
       "    conv(128, 1x1); relu; conv(128, 3x3); relu; conv(512, 1x1)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"A0103", "a plain stack that is very deep",
       "Gradients fade through many layers without a short way around them; residual networks of a hundred\n"
       "layers train well.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    repeat 24 { conv_bn_relu(16, 3x3) }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv_bn_relu(16, 3x3)\n"
       "    repeat 12 {\n"
       "        residual { conv_bn_relu(16, 3x3); conv_bn(16, 3x3) }\n"
       "        relu\n"
       "    }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"A0104", "something that nothing uses",
       "A value that reaches no output costs time and memory for nothing; a name that is never read is often\n"
       "a slip. Names that begin with `_` are not reported.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    let width = 3\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    let _width = 3\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"A0105", "a product where a size is meant",
       "`3x3` is a size, height x width; `3*3` is the number 9, and a number is a square size: a window of 9x9.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3*3)\n"
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
      {"E0801", "too many calls after expansion",
       "Loops and blocks are expanded before anything is built; a loop that would make the network too large\n"
       "is refused at its head. What is evaluated on the way is counted too: a loop in a loop in a loop ends in this error,\n"
       "even if it calls nothing.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    repeat 1000000 { relu }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    repeat 10 { relu }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0802", "a value or a parameter that is too large",
       "The number of elements is limited; the message says to how many.\n",
       "network n {\n    input x: [1000000]\n    linear(1000000)\n    output y\n}\n",
       "network n {\n    input x: [1000]\n    linear(1000)\n    output y\n}\n"},
      {"E0803", "parameters that are too large together",
       "Their bytes are limited.\n",
       "",
       ""},
      {"E0804", "values that are too large together",
       "The bytes of all values of one run, for the batch that was asked for, are limited before planning\n"
       "shares memory among them.\n",
       "",
       ""},
      {"E0805", "block calls nested too deeply",
       "A block that calls a block, that calls a block: 64 of them may be open at once. What repeats is a loop, `repeat n { }`, which\n"
       "does not count here.\n",
       "",
       ""},
  };
  return kPages;
}

}  // namespace netc
