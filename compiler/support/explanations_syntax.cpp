// E00xx: text that is not a `.net` program.
#include "compiler/support/explanations.h"

namespace netc {

std::span<const Explanation> syntax_explanations() {
  static constexpr Explanation kPages[] = {
      {"E0004", "expected `=`",
       "In a recipe, a dataset or an ensemble every line is `key = value` or `use NAME`; `let`, `param` and\n"
       "default values take an `=` too.\n",
       "recipe base {\n    batch 128\n}\n", "recipe base {\n    batch = 128\n}\n"},
  };
  return kPages;
}

}  // namespace netc
