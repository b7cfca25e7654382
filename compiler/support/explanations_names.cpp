// E01xx: names, arguments, modules.
#include "compiler/support/explanations.h"

namespace netc {

std::span<const Explanation> names_explanations() {
  static constexpr Explanation kPages[] = {
      {"E0101", "no operator or block of this name",
       "A statement calls a block of the file, an imported one, a block of the prelude, or an operator\n"
       "(`netc ops` lists them). Names of other libraries are translated where there is one meaning:\n"
       "`conv2d` is `conv`.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv2d(16, 3x3)\n"
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
      {"E0102", "no value, function, type or initialiser of this name",
       "A name in an expression is a parameter, a `let`, a loop variable or a declaration of the file.\n"
       "Values made by a chain get a name with `as`.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(widht, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "let width = 16\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(width, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0103", "a name that is declared already",
       "There is one namespace and no shadowing: a name means one thing wherever it is visible. Blocks of\n"
       "the prelude count.\n",
       "let width = 16\nlet width = 32\n",
       "let width = 16\nlet wide = 32\n"},
      {"E0104", "no argument of this name",
       "The message names the nearest parameter. Arguments keep the names of this language: `pad`, `window`,\n"
       "`channels`.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3, padding = 1)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3, pad = 1)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0105", "an argument without a default is missing",
       "A parameter without `= value` in its declaration is given by every call, by position, by name, or\n"
       "before by `with`.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16)\n"
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
      {"E0106", "more arguments than parameters",
       "Positional arguments fill the parameters from the first one on; constructs such as `residual` take\n"
       "theirs by name only.\n",
       "network n {\n    input image: [3, 32, 32]\n    flatten(1)\n    linear(10)\n    output logits\n}\n",
       "network n {\n    input image: [3, 32, 32]\n    flatten\n    linear(10)\n    output logits\n}\n"},
      {"E0107", "an argument given twice",
       "By name and by position, or by name twice. An argument given before by `with` may be replaced.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3, window = 5x5)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 5x5)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0108", "two things with one path",
       "A path is the labels joined by dots; it names the parameters in checkpoints, so no two things share\n"
       "one. An unlabelled call gets its name and a number, which a label may not take.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    stem: conv(16, 3x3)\n"
       "    stem: conv(16, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    stem: conv(16, 3x3)\n"
       "    body: conv(16, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0109", "a second loop without a label",
       "A loop adds only its index to the paths inside. Two loops in one scope would use the same ones, so\n"
       "all but one have a label.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    repeat 2 { conv(16, 3x3) }\n"
       "    repeat 2 { conv(32, 3x3) }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    repeat 2 { conv(16, 3x3) }\n"
       "    wide: repeat 2 { conv(32, 3x3) }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0110", "a module that cannot be read",
       "`import std.NAME` is the standard library; `import \"file.net\"` is relative to the file that imports.\n",
       "import std.resnets { resnet18 }\n",
       "import std.resnet { resnet18 }\n"},
      {"E0111", "the module has no such name",
       "Only what a file declares itself can be imported from it.\n",
       "import std.resnet { resnet51 }\n",
       "import std.resnet { resnet50 }\n"},
      {"E0112", "an import that leaves the project",
       "Imports are relative to their file and stay inside the folder of the main file, also through links:\n"
       "a network that you were sent cannot read your other files.\n",
       "import \"../other/parts.net\" { unit }\n",
       "// other/parts.net\n"
       "block unit { conv_bn_relu(16, 3x3) }\n"
       "// main.net\n"
       "import \"other/parts.net\" { unit }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    unit\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0113", "a private name",
       "A name that begins with `_` belongs to its file: the file may change it without a look at others.\n",
       "// parts.net\n"
       "block _unit { conv_bn_relu(16, 3x3) }\n"
       "// main.net\n"
       "import \"parts.net\" { _unit }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    _unit\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "// parts.net\n"
       "block _unit { conv_bn_relu(16, 3x3) }\n"
       "block stem { _unit; _unit }\n"
       "// main.net\n"
       "import \"parts.net\" { stem }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    stem\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0114", "imports in a circle",
       "Of two files, one is read first, and needs nothing of the other. Move what both need into a third one.\n",
       "// a.net\n"
       "import \"main.net\" { width }\n"
       "block stem { conv_bn_relu(width, 3x3) }\n"
       "// main.net\n"
       "import \"a.net\" { stem }\n"
       "let width = 16\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    stem\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "// sizes.net\n"
       "let width = 16\n"
       "// a.net\n"
       "import \"sizes.net\" { width }\n"
       "block stem { conv_bn_relu(width, 3x3) }\n"
       "// main.net\n"
       "import \"a.net\" { stem }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    stem\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0115", "a definition by itself",
       "A block that calls itself, directly or through others, would be an infinite network; a `let` cannot\n"
       "use itself.\n",
       "block a { b }\n"
       "block b { a }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    a\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "block a { relu }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    repeat 3 { a }\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0116", "no member of this name",
       "Tensors have channels, height, width, shape and rank; sizes have height and width; lists have\n"
       "length; percentages have fraction.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(block_input.chanels, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(block_input.channels, 3x3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0117", "not something that can be called, or used so",
       "Blocks and operators are called; values start a chain or are arguments; networks, data sets and\n"
       "recipes have no value.\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3) as skip\n"
       "    skip(3)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    conv(16, 3x3) as skip\n"
       "    skip -> relu\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0118", "the reference names nothing",
       "A network is `file.net:name`, or `file.net` where it is the only one; in the library it is `std.module:name`. The note lists\n"
       "what the file declares. Where a training run is needed, a network alone is not enough: it does not say the data.\n",
       "netc check std.resnet:resnet21\n",
       "netc check std.resnet:resnet20\n"},
      {"E0119", "a block of another type",
       "A parameter of type `block(width: int)` takes a block that can be called with a width alone: give\n"
       "the others with `with (...)`, or defaults.\n",
       "block wide(width: int, groups: int) { conv(width, 3x3, groups = groups) }\n"
       "block twice(body: block(width: int)) { body(16); body(16) }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    twice(wide)\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "block wide(width: int, groups: int) { conv(width, 3x3, groups = groups) }\n"
       "block twice(body: block(width: int)) { body(16); body(16) }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    twice(wide with (groups = 1))\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n"},
      {"E0120", "a statement in the wrong place",
       "`input` and `output` stand in networks; `branch` in `inception`; `aux_head` in networks and blocks.\n",
       "block b {\n"
       "    output features\n"
       "    relu\n"
       "}\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    b\n"
       "    global_avg_pool\n"
       "    linear(10)\n"
       "    output logits\n"
       "}\n",
       "block b { relu }\n"
       "network n {\n"
       "    input image: [3, 32, 32]\n"
       "    b\n"
       "    output features\n"
       "    global_avg_pool -> linear(10)\n"
       "    output logits\n"
       "}\n"},
  };
  return kPages;
}

}  // namespace netc
