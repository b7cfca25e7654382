#include "compiler/support/explanations.h"

#include <algorithm>

#include "compiler/support/diagnostic.h"

namespace netc {
namespace {

std::vector<std::span<const Explanation>> tables() {
  return {syntax_explanations(),   names_explanations(), shapes_explanations(), values_explanations(),
          training_explanations(), data_explanations(),  run_explanations(),    limits_explanations()};
}

std::string indented(const char* program) {
  std::string out = "    ";
  for (const char* c = program; *c != '\0'; ++c) {
    out += *c;
    if (*c == '\n' && c[1] != '\0' && c[1] != '\n') out += "    ";
  }
  if (out.back() != '\n') out += '\n';
  return out;
}

}  // namespace

std::optional<std::string> explanation_of(const std::string& code) {
  for (std::span<const Explanation> table : tables()) {
    for (const Explanation& page : table) {
      if (code != page.code) continue;
      std::string out = code + "  " + page.title + "\n\n" + page.text;
      if (out.back() != '\n') out += '\n';
      if (*page.wrong != '\0') out += "\nWrong:\n\n" + indented(page.wrong);
      if (*page.right != '\0') out += "\nRight:\n\n" + indented(page.right);
      return out;
    }
  }
  return std::nullopt;
}

std::vector<std::string> all_codes() {
  std::vector<std::string> codes;
  for (std::span<const Explanation> table : tables())
    for (const Explanation& page : table) codes.emplace_back(page.code);
  std::sort(codes.begin(), codes.end());
  return codes;
}

}  // namespace netc
