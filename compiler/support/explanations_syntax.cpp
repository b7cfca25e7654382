// E00xx: text that is not a `.net` program, and programs too large to read.
#include "compiler/support/explanations.h"

namespace netc {

std::span<const Explanation> syntax_explanations() {
  static constexpr Explanation kPages[] = {
      {"E0001", "not UTF-8 text",
       "A program is UTF-8 text without zero bytes. The label says which byte is wrong; nothing after it was\n"
       "read. Convert the file (`iconv -f latin1 -t utf-8`), or check that it is the file you meant.\n",
       "", ""},
      {"E0002", "a character or an operator that the language does not have",
       "Outside strings and comments a program is ASCII. The logical operators are the words `and`, `or` and\n"
       "`not`; the remainder is `mod(a, b)`, a power `a ** b`; a comment begins with `//`.\n",
       "let deep = true\nlet large = deep && 2 > 1\n", "let deep = true\nlet large = deep and 2 > 1\n"},
      {"E0003", "something else was expected here",
       "The message names what the grammar allows at this place, and what stands there. Reading stops at the\n"
       "end of the line (or of the body that begins on it), so that the lines after it are checked as well.\n",
       "block f() {\n    for i in { relu }\n}\n", "block f() {\n    for i in 0..3 { relu }\n}\n"},
      {"E0004", "expected `=`",
       "In a recipe, a dataset, a train and an ensemble every line is `key = value` or `use NAME`. `let`,\n"
       "`share` and `train` take an `=` after their name.\n",
       "recipe base {\n    batch 128\n}\n", "recipe base {\n    batch = 128\n}\n"},
      {"E0005", "a string that does not end, or an escape that does not exist",
       "Strings stand in double quotes and end on their line. Their escapes are \\\" \\\\ \\n and \\t.\n",
       "let path = \"flowers/train\nlet other = 'flowers/test'\n",
       "let path = \"flowers/train\"\nlet other = \"flowers/test\"\n"},
      {"E0006", "a bracket that nothing closes",
       "Statements cannot stand inside `()` and `[]`, and a declaration in the first column cannot stand\n"
       "inside `{}`: so a missing closer is noticed at the end of its line or of its declaration. Where braces\n"
       "do not balance, indentation decides which one is reported.\n",
       "block f() {\n    conv(64, 3x3\n    relu\n}\n", "block f() {\n    conv(64, 3x3)\n    relu\n}\n"},
      {"E0007", "a closing bracket too many, or of the wrong kind",
       "It was left out, or taken for the one that fits, and reading went on.\n",
       "block f() {\n    conv(64, 3x3))\n    linear([10)]\n}\n", "block f() {\n    conv(64, 3x3)\n    linear(10)\n}\n"},
      {"E0008", "not a number, or not a unit",
       "Numbers are `64`, `0.5`, `1e-3`, `1_000_000`; sizes `3x3` (height x width, digits only; computed ones\n"
       "are `size(h, w)`). A quantity is one word of a number and a unit: % deg epochs steps B KiB MiB GiB\n"
       "TiB ms s min h.\n",
       "let angle = 15dge\nlet kernel = 3x\n", "let angle = 15deg\nlet kernel = 3x3\n"},
      {"E0009", "an extent of zero", "A window, an image or a stride has at least one row and one column.\n",
       "let kernel = 0x3\n", "let kernel = 1x3\n"},
      {"E0010", "a number that does not fit",
       "Integers are signed with 64 bits, floats are 64-bit IEEE numbers. Nothing is rounded or wrapped\n"
       "silently.\n",
       "let n = 99999999999999999999\n", "let n = 999999999\n"},
      {"E0011", "a word of the language used as a name",
       "Words such as `input`, `train` and `let` cannot be declared as names. As labels, keys, names of\n"
       "arguments and members they are free: `train = idx(\"a\")`, `load(names = m)`.\n",
       "block f(input: int) { conv(input) }\n", "block f(inputs: int) { conv(inputs) }\n"},
      {"E0012", "two statements on one line",
       "A new line or `;` ends a statement. The links of a chain are joined by `->`.\n",
       "block f() { conv(64, 3x3) relu }\n", "block f() { conv(64, 3x3); relu }\n"},
      {"E0013", "`{` on a line of its own",
       "A new line ends a statement, so the `{` of a body stands on the line that it belongs to.\n",
       "block f()\n{\n    relu\n}\n", "block f() {\n    relu\n}\n"},
      {"E0014", "expected `,`", "Arguments, items of a list, parameters and imported names are separated by commas.\n",
       "block f() { conv(64 3x3) }\n", "block f() { conv(64, 3x3) }\n"},
      {"E0015", "a line that is no `key = value`",
       "Recipes, datasets, trains and ensembles hold only `key = value` and `use NAME`; `names` holds\n"
       "`\"path\" = \"path\"` too. Order and repetition are written as lists.\n",
       "recipe base {\n    for i in 0..3 { relu }\n}\n", "recipe base {\n    epochs = 3\n}\n"},
      {"E0016", "a declaration in a body, or a statement outside one",
       "Blocks, networks, recipes and the like are declared at the top of a file; what computes stands inside\n"
       "a block or a network. A declaration found in a body often means that the `}` before it is missing.\n",
       "conv(64, 3x3)\n", "block f() { conv(64, 3x3) }\n"},
      {"E0017", "`shortcut` without its `residual`",
       "`shortcut { }` says what the other side of a residual computes, and follows its body directly.\n",
       "block f() {\n    residual { relu }\n    relu\n    shortcut { conv(64, 1x1) }\n}\n",
       "block f() {\n    residual { relu }\n    shortcut { conv(64, 1x1) }\n    relu\n}\n"},
      {"E0018", "a line that begins with an operator",
       "A new line ends a statement unless its line ends with an operator or a comma. Only `->`, `as`, `then`,\n"
       "`else` and `shortcut` may begin the line that goes on.\n",
       "block f() {\n    let n = 1\n        + 2\n}\n", "block f() {\n    let n = 1 +\n        2\n}\n"},
      {"E0019", "a body after something that takes none",
       "Bodies belong to residual, inception, branch, aux_head, repeat, for and if. A block that takes another\n"
       "one has a parameter for it: `unit: block(width: int)`.\n",
       "block f() { reisdual { relu } }\n", "block f() { residual { relu } }\n"},
      {"E0020", "`branch` outside an `inception`, or something else inside one",
       "An inception holds branches and nothing else, also through `for`, `repeat` and `if`; textual order is\n"
       "the order of the channels. A branch that does nothing is `branch { }`.\n",
       "block f() { inception { conv(8, 1x1); branch { relu } } }\n",
       "block f() { inception { branch { conv(8, 1x1) }; branch { relu } } }\n"},
      {"E0021", "comparisons that chain", "A comparison is true or false, and those are not compared.\n",
       "block f(n: int) {\n    require 0 < n < 9\n}\n", "block f(n: int) {\n    require 0 < n and n < 9\n}\n"},
      {"E0022", "an assignment where a statement is expected",
       "Nothing is assigned. `let` names a value that is known at compile time; a tensor is named by `as`.\n",
       "block f() {\n    y = conv(64, 3x3)\n}\n", "block f() {\n    conv(64, 3x3) as y\n}\n"},
      {"E0023", "an `if` value without `then` or `else`",
       "As a value, `if` is `if condition then a else b` and always has both. With braces it is a statement,\n"
       "which has no value.\n",
       "let first = true\nlet stride = if first { 2 }\n", "let first = true\nlet stride = if first then 2 else 1\n"},
      {"E0024", "a parameter without a type",
       "Each parameter has a type, so that a wrong argument is refused where it is passed: int, float, bool,\n"
       "size, string, a list as [int], a block as block(width: int).\n",
       "block f(width, stride = 1) { conv(width) }\n", "block f(width: int, stride: int = 1) { conv(width) }\n"},
      {"E0025", "arithmetic on tensors written with an operator",
       "Operators compute compile-time values. Tensors flow through operators of the network: `[a, b] -> add`\n"
       "(or sub, mul, div); the current value with another one is `add(b)`.\n",
       "block f() {\n    relu as a\n    a + a\n}\n", "block f() {\n    relu as a\n    [a, a] -> add\n}\n"},
      {"E0026", "a positional argument after a named one",
       "Positional arguments come first, so that a reader need not count.\n",
       "block f() { conv(width = 64, 3x3) }\n", "block f() { conv(64, 3x3, stride = 2) }\n"},
      {"E0030", "the source file is too large", "The limit guards against a file that is no program. It can be raised.\n", "",
       ""},
      {"E0031", "too many tokens", "The limit guards against a file that is no program. It can be raised.\n", "", ""},
      {"E0032", "nested too deep",
       "Brackets and pending operators count together. Name the inner parts with `let`, or make them blocks.\n", "",
       ""},
      {"E0033", "too many errors", "The ones above are the first of them; repair those and run again.\n", "", ""},
  };
  return kPages;
}

}  // namespace netc
