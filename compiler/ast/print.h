// Prints a syntax tree: `netc emit --stage=ast`, and the golden tests of the parser.
//
// The form is an indented tree, one node a line, children deeper by two spaces; expressions are
// printed on one line as fully parenthesised source, so that precedence shows.
//
//   block twice(width: int)          block twice(width: int) {
//     call conv(width, 3x3)              conv(width, 3x3)
//     chain                              relu -> pool
//       call relu                      }
//       call pool
#pragma once

#include <string>

#include "compiler/ast/ast.h"

namespace netc {

std::string print_ast(const Ast& ast);
// One line: `(64 * (2 ** s))`.
std::string print_expr(const Expression& expr);

}  // namespace netc
