// The few functions that the tree's types need.
#include "compiler/ast/ast.h"

namespace netc {

const char* spelling(UnaryOp op) {
  switch (op) {
    case UnaryOp::negate: return "-";
    case UnaryOp::logical_not: return "not";
  }
  return "";
}

const char* spelling(BinaryOp op) {
  switch (op) {
    case BinaryOp::add: return "+";
    case BinaryOp::sub: return "-";
    case BinaryOp::mul: return "*";
    case BinaryOp::div: return "/";
    case BinaryOp::pow: return "**";
    case BinaryOp::eq: return "==";
    case BinaryOp::ne: return "!=";
    case BinaryOp::lt: return "<";
    case BinaryOp::le: return "<=";
    case BinaryOp::gt: return ">";
    case BinaryOp::ge: return ">=";
    case BinaryOp::logical_and: return "and";
    case BinaryOp::logical_or: return "or";
  }
  return "";
}

const char* spelling(Unit unit) {
  switch (unit) {
    case Unit::percent: return "%";
    case Unit::degrees: return "deg";
    case Unit::epochs: return "epochs";
    case Unit::steps: return "steps";
    case Unit::bytes: return "B";
    case Unit::seconds: return "s";
  }
  return "";
}

const Name* Decl::declared_name() const {
  return std::visit(Overloaded{[](const ImportDecl&) -> const Name* { return nullptr; },
                               [](const auto& declaration) -> const Name* { return &declaration.name; }},
                    node);
}

}  // namespace netc
