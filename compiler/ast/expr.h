// Expressions of the `.net` language: everything that is computed at compile time.
//
// An Expression is a span and one of the nodes of `Expression::Node`. Nodes own their children by value, so a
// tree is destroyed, moved and walked without bookkeeping; nothing refers upwards. Depth is bounded
// by ParseLimits::max_nesting, so recursion over a tree that came from `parse` is safe.
//
//   64 * 2**s        Binary{mul, Int{64}, Binary{pow, Int{2}, NameRef{"s"}}}
//   pool with (window = 2x2)   With{NameRef{"pool"}, [Arg{"window", Size{2, 2}}]}
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "compiler/support/source.h"

namespace netc {

// A word that is declared, or that names a parameter, a key or a member.
struct Name {
  std::string text;
  Span span;
};

struct Expression;

// Owns one Expression; never null in a finished tree. Reads like a pointer.
class ExprBox {
 public:
  ExprBox() = default;
  ExprBox(Expression expr);  // NOLINT: a node's child is written as the expression itself
  ExprBox(ExprBox&&) noexcept;
  ExprBox& operator=(ExprBox&&) noexcept;
  ~ExprBox();
  const Expression& operator*() const { return *expr_; }
  const Expression* operator->() const { return expr_.get(); }

 private:
  std::unique_ptr<Expression> expr_;
};

// One argument of a call: `64`, or `stride = 2` where `name` is `stride`.
struct Arg {
  std::optional<Name> name;
  ExprBox value;
  Span span;  // name and value
};

struct IntLit {
  int64_t value = 0;
};

struct FloatLit {
  double value = 0;
};

enum class Unit : uint8_t { percent, degrees, epochs, steps, bytes, seconds };

// `15deg`, `2epochs`, `70%`, `24GiB`, `10min`. `value` is in the base of its unit: percent stays
// as written (70), degrees, epochs, steps, bytes (24 * 2^30), seconds (600).
struct QuantityLit {
  double value = 0;
  Unit unit = Unit::percent;
  bool is_integer = true;  // false where the digits had a point: `2.5epochs`
  Span number_span;        // of `15`
  Span unit_span;          // of `deg`
};

struct StringLit {
  std::string value;  // escapes are resolved; the span includes the quotes
};

// `7x7`: height, then width. Zero extents have been refused by the parser.
struct SizeLit {
  int64_t height = 1, width = 1;
};

struct BoolLit {
  bool value = false;
};

struct NameRef {
  std::string name;
};

// `block_input.channels`
struct Member {
  ExprBox object;
  Name member;
};

// `conv_bn(64, 7x7, stride = 2)`; args_span covers the parentheses.
struct Call {
  ExprBox callee;
  std::vector<Arg> args;
  Span args_span;
};

// `max_pool with (window = 3x3)`: the callee with some arguments given. The same shape as Call.
struct With {
  ExprBox callee;
  std::vector<Arg> args;
  Span args_span;
};

struct ListExpr {
  std::vector<Expression> items;
};

// `first..last`, half-open.
struct Range {
  ExprBox first, last;
};

struct Index {
  ExprBox object;
  ExprBox index;
};

enum class UnaryOp : uint8_t { negate, logical_not };

struct Unary {
  UnaryOp op = UnaryOp::negate;
  Span op_span;
  ExprBox operand;
};

enum class BinaryOp : uint8_t { add, sub, mul, div, pow, eq, ne, lt, le, gt, ge, logical_and, logical_or };

struct Binary {
  BinaryOp op = BinaryOp::add;
  Span op_span;
  ExprBox lhs, rhs;
};

// `if condition then a else b`
struct IfExpr {
  ExprBox condition, then_value, else_value;
};

struct Expression {
  using Node = std::variant<IntLit, FloatLit, QuantityLit, StringLit, SizeLit, BoolLit, NameRef, Member, Call,
                            With, ListExpr, Range, Index, Unary, Binary, IfExpr>;
  Node node;
  Span span;  // the whole expression, without enclosing parentheses

  // The node if it is a T, else null: `if (const Call* call = expr.as<Call>())`.
  template <class T>
  const T* as() const {
    return std::get_if<T>(&node);
  }
};

inline ExprBox::ExprBox(Expression expr) : expr_(std::make_unique<Expression>(std::move(expr))) {}
inline ExprBox::ExprBox(ExprBox&&) noexcept = default;
inline ExprBox& ExprBox::operator=(ExprBox&&) noexcept = default;
inline ExprBox::~ExprBox() = default;

// As it is written in a program: "+", "and".
const char* spelling(UnaryOp op);
const char* spelling(BinaryOp op);
// The canonical unit: "%", "deg", "epochs", "steps", "B", "s".
const char* spelling(Unit unit);

// Makes one visitor of several lambdas: `std::visit(Overloaded{[](const IntLit&) {...}, ...}, expr.node)`.
template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace netc
