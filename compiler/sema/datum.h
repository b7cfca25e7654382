// Compile-time values: what an expression of the language evaluates to.
//
// A Datum is an integer, a float, a size, a word of an enumeration, a block with some arguments
// given, a tensor of the graph, and so on. Types are those of block parameters: `int`, `float`,
// `bool`, `size`, `string`, `percent`, `init`, `tensor`, `[int]`, `block(...)`.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "compiler/ast/ast.h"
#include "compiler/ir/graph.h"
#include "compiler/sema/project.h"

namespace netc {

struct Datum;

struct IntDatum {
  int64_t value = 0;
  bool literal = false;  // made of literals only: widens to float (rule 5)
};

struct SizeDatum {
  int64_t height = 1, width = 1;
  bool operator==(const SizeDatum&) const = default;
};

// An initialiser before its numbers are known: `he_normal(fan_out)`.
struct InitDatum {
  enum class Kind : uint8_t {
    fan_in_uniform,  // PyTorch's default: uniform(-1/sqrt(fan_in), 1/sqrt(fan_in))
    he_normal, he_uniform, xavier_normal, xavier_uniform, normal, uniform, constant,
  };
  Kind kind = Kind::fan_in_uniform;
  double a = 0, b = 0;
  bool fan_out = false;
  bool buffer = false;  // the variable is state that is not trained
};

// A value of the graph in the language's terms. An invalid id is the result of a wrong call: it is
// carried on silently, so that one error gives one message.
struct TensorDatum {
  ValueId id;
  Shape shape;          // without the batch
  bool batched = true;  // false for a raw parameter
  bool poisoned() const { return !id.valid(); }
};

struct BoundArg {
  std::string name;
  Span name_span;   // invalid for a positional one
  Span value_span;
  std::vector<Datum> value;  // exactly one; a vector because Datum is incomplete here
};

// What can be called: a block, or a primitive operator, with arguments given by `with`.
struct Callable {
  const Module* module = nullptr;
  const BlockDecl* block = nullptr;
  const OpDef* op = nullptr;
  int shared = -1;                      // index of a `share` instance
  std::string name;                     // as declared
  std::vector<BoundArg> bound;
  std::vector<std::string> positional;  // parameter names by position, where a block type sets them
};

struct Datum {
  using Node = std::variant<std::monostate, IntDatum, double, bool, SizeDatum, QuantityLit, std::string, InitDatum,
                            std::vector<Datum>, TensorDatum, std::vector<TensorDatum>, Callable>;
  Node node;

  template <class T>
  const T* as() const {
    return std::get_if<T>(&node);
  }
};

inline Datum int_datum(int64_t value, bool literal = false) { return {IntDatum{value, literal}}; }

// "an int", "a size", "a list", "a block": for messages.
std::string kind_of(const Datum& datum);
// As it could be written: "64", "3x3", "[1, 2]", "15%".
std::string to_text(const Datum& datum);
// "int", "[int]", "block(width: int)".
std::string to_text(const TypeExpr& type);
// Equality of compile-time values; false where the kinds differ or tensors are involved.
bool equal(const Datum& a, const Datum& b);
// "3x3".
std::string to_text(SizeDatum size);
// 8448 -> "8,448".
std::string with_commas(int64_t value);
// 0.5 -> "0.5", 1e-05 -> "1e-05": the shortest form that reads back.
std::string real_text(double value);

}  // namespace netc
