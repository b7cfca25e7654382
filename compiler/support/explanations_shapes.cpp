// E02xx: shapes, and the contracts of the constructs.
#include "compiler/support/explanations.h"

namespace netc {

std::span<const Explanation> shapes_explanations() {
  static constexpr Explanation kPages[] = {
      {"E0201", "the two sides of a residual differ",
       "`residual` adds its body to its shortcut, so both have one shape. The carets under the body show\n"
       "which calls changed it. `shortcut = project` puts a 1x1 convolution and a batch norm where shapes\n"
       "differ, `shortcut = pad` takes pixels and adds channels of zeros.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3)\n"
       "    residual { conv(32, 3x3, stride = 2) }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3)\n"
       "    residual(shortcut = project) { conv(32, 3x3, stride = 2) }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0202", "the branches of an inception differ",
       "`inception` joins the channels of its branches, so height and width agree; with `merge = sum` whole\n"
       "shapes do. Pools have the stride of their window by default: inside a branch they want `stride = 1`\n"
       "and a pad.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    inception {\n"
       "        branch { conv(16, 1x1) }\n"
       "        branch { max_pool(3x3) }\n"
       "    }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    inception {\n"
       "        branch { conv(16, 1x1) }\n"
       "        branch { max_pool(3x3, stride = 1, pad = 1) }\n"
       "    }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0203", "a window larger than its input",
       "The message lists the calls that made the input so small. Remove a pool, lower a stride, or pad.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    max_pool(16x16)\n"
       "    max_pool(3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    max_pool(16x16)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0204", "shapes that do not agree",
       "Element-wise operators take equal shapes of equal rank, or extents of 1, which are repeated;\n"
       "`concat` takes equal extents but for its axis; `reshape` keeps the number of elements.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(8, 3x3) as x\n"
       "    conv(16, 3x3) -> add(x)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3) as x\n"
       "    conv(16, 3x3) -> add(x)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0205", "a value of another rank",
       "Convolutions and pools take images [C, H, W], `linear` takes a vector [C], a loss takes one score a\n"
       "class. The batch is never written. `global_avg_pool` and `flatten` lead from an image to a vector:\n"
       "the first needs far fewer parameters after it.\n",
       "network n {\n    input image: [3, 32, 32]\n    linear(10)\n    output logits\n}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0206", "a value of another element type",
       "Operators compute with real numbers, and losses take class numbers. What enters a network is converted to f32 where it enters,\n"
       "whatever its type, and all values of a program are f32 from there on: a graph that is built in another way can meet this.\n",
       "",
       ""},
      {"E0207", "an argument that does not fit the value",
       "Groups divide both channel counts, axes lie within the rank (the batch does not count), a pool pads\n"
       "by at most half its window.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3, groups = 2)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(15, 3x3, groups = 3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0210", "nothing is current",
       "A call takes the current value. At the beginning of a network of one input that is the input; with\n"
       "several inputs, nothing is current until a chain begins with one.\n",
       "network n {\n    input left: [8]\n    input right: [8]\n    linear(4)\n    output y\n}\n",
       "network n {\n"
       "    input left: [8]\n"
       "    input right: [8]\n"
       "    right -> linear(4) as r\n"
       "    left -> linear(4) -> add(r)\n"
       "    output y\n"
       "}\n"},
      {"E0211", "a wrong number of values",
       "`[a, b] -> concat` passes several values; most blocks take one. Operators of two values take the\n"
       "current one first: `mul(gate)`.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3) as x\n"
       "    x -> mul\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3) as x\n"
       "    x -> mul(x)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0213", "an even window without a pad",
       "Convolutions pad by half their window, so that stride 1 keeps the size. An even window has no\n"
       "middle: say which pad is meant.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 4x4, stride = 4)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 4x4, stride = 4, pad = 0)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0214", "two shortcuts",
       "The argument `shortcut = ...` and the block `shortcut { }` exclude each other.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    residual(shortcut = project) { conv(8, 3x3) } shortcut { conv(8, 1x1) }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    residual { conv(8, 3x3) } shortcut { conv(8, 1x1) }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0215", "a shortcut that cannot reach the body",
       "A projection or a padded shortcut can make an image smaller by a stride and change its channels, not\n"
       "make it larger. `shortcut { }` says anything.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    residual(shortcut = project) { upsample(2) }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    residual { upsample(2) } shortcut { upsample(2) }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0216", "an inception without branches",
       "`inception { }` holds branches, also through `for` and `if`. `branch { }` is the identity.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    inception { }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    inception {\n"
       "        branch { }\n"
       "        branch { conv(8, 3x3) }\n"
       "    }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0217", "a network without an input or an output",
       "A network begins with `input NAME: [C, H, W]` and says with `output NAME` what it computes.\n",
       "network n {\n    input x: [8]\n    linear(4)\n}\n",
       "network n {\n    input x: [8]\n    linear(4)\n    output y\n}\n"},
      {"E0218", "an output of this name exists",
       "A network has several outputs by several names.\n",
       "network n {\n    input x: [8]\n    output y\n    linear(4)\n    output y\n}\n",
       "network n {\n    input x: [8]\n    output features\n    linear(4)\n    output y\n}\n"},
      {"E0220", "a shared block that would need other parameters",
       "`share tower = embed(16)` makes one set of parameters, so all its uses take the same shape.\n",
       "block embed { conv(8, 3x3) -> global_avg_pool }\n"
       "network n {\n"
       "    input left: [3, 8, 8]\n"
       "    input right: [1, 8, 8]\n"
       "    share tower = embed\n"
       "    right -> tower as r\n"
       "    left -> tower -> add(r)\n"
       "    output y\n"
       "}\n",
       "block embed { conv(8, 3x3) -> global_avg_pool }\n"
       "network n {\n"
       "    input left: [3, 8, 8]\n"
       "    input right: [3, 8, 8]\n"
       "    share tower = embed\n"
       "    right -> tower as r\n"
       "    left -> tower -> add(r)\n"
       "    output y\n"
       "}\n"},
      {"E0221", "a parameter where a value with a batch is needed",
       "Values have a batch, which is not written; a raw `param` is the same for all of it. Arithmetic (`add`, `mul`)\n"
       "combines the two, and functions of single elements (`sigmoid`) take both; other operators take values.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    param bonus: [3] = zeros\n"
       "    global_avg_pool as x\n"
       "    [x, bonus] -> concat\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    param bonus: [3] = zeros\n"
       "    global_avg_pool as x\n"
       "    x -> add(bonus) as shifted\n"
       "    [x, shifted] -> concat\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
  };
  return kPages;
}

}  // namespace netc
