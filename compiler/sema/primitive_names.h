// Names that are not declared in any file: operators that a program may call directly, and the
// built-in compile-time functions.
#pragma once

#include <string>
#include <vector>

namespace netc {

// Operators without parameters whose attributes mean the same to a program as to the graph. All
// others are called through a block of the prelude.
const std::vector<std::string>& direct_operators();
bool is_direct_operator(const std::string& name);
// Operators of two or more tensors that broadcast extents of 1.
bool is_broadcasting(const std::string& op_name);

// "div", "mod", "size", ...
const std::vector<std::string>& function_names();

// What other libraries call a thing: "Conv2d" -> "conv", "padding" -> "pad". Empty if unknown.
std::string usual_name_of_callee(const std::string& foreign);
std::string usual_name_of_argument(const std::string& foreign);
// A value: "True" -> "true".
std::string usual_name_of_value(const std::string& foreign);

// What the language has instead of an operator or a value that it does not have, as a note. Such a name is not corrected to
// one that looks like it: `elu` as `relu` would be another network. Empty if unknown.
std::string instead_of_callee(const std::string& foreign);
std::string instead_of_value(const std::string& foreign);

}  // namespace netc
