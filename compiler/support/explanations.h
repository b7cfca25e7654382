// The pages of `netc explain CODE`. One table per group of codes, each in a file of its own:
//
//   E00xx syntax    E01xx names, arguments   E02xx shapes    E03xx values, types, units
//   E05xx training  E06xx weights            E07xx data      E08xx limits
//   E09xx machine, command line  A01xx, A09xx advice
//
// Adding a diagnostic: add its row to the group's table, sorted by code, and a case to
// tests/errors/cases. A new group: a new file explanations_GROUP.cpp, its function declared here
// and listed in explanations.cpp.
#pragma once

#include <span>

namespace netc {

struct Explanation {
  const char* code;   // "E0004"
  const char* title;  // one line, without a full stop
  const char* text;   // what it means and why the language has it so; paragraphs end with \n
  const char* wrong;  // a program, or a command, that gives this message; may be empty. A line `// NAME.net` begins a file
  const char* right;  // the same, repaired; may be empty
};

std::span<const Explanation> syntax_explanations();
std::span<const Explanation> names_explanations();
std::span<const Explanation> shapes_explanations();
std::span<const Explanation> values_explanations();
std::span<const Explanation> training_explanations();
std::span<const Explanation> limits_explanations();
std::span<const Explanation> data_explanations();
std::span<const Explanation> run_explanations();

}  // namespace netc
