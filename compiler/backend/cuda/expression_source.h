// Scalar expressions (ir/dag.h) at one point of a loop nest, as statements of CUDA C++.
//
// Every real value becomes a constant of its own, computed where it is first asked for, once a scope; nvcc
// moves what does not change out of loops. Values are f32. Indices are `int`, or `i64` where a kernel's
// offsets need it.
//   const f32 v7 = load(in0 + (point * 3 + 1));
//   const f32 v9 = max_nan(v7, 0.0f);
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "compiler/backend/cuda/kernel_extents.h"
#include "compiler/backend/cuda/source_writer.h"
#include "compiler/lower/index_analysis.h"

namespace netc {

class ExpressionSource {
 public:
  // `merged` as from merge_axes. `extents` takes the numbers that are arguments.
  ExpressionSource(SourceWriter& out, KernelExtents& extents, const KernelBody& body, IndexAnalysis& analysis,
                   const std::vector<int>& merged);

  // "int" or "i64": the type of indices.
  const std::string& index_type() const { return index_type_; }
  // An index's coefficient or constant, which may be an argument.
  std::string number(const char* group, int64_t value);
  // What an index that is not negative is divided by. Of 64 bits: a literal.
  std::string divisor(const char* group, int64_t value);
  KernelExtents& extents() { return extents_; }

  // What an axis is here: a name or a number.
  void set_axis(int axis, std::string text) { axes_[static_cast<size_t>(axis)] = std::move(text); }
  void set_reduced(std::vector<std::string> names) { reduced_ = std::move(names); }
  // Loads that are done already: the load to where its value is.
  void set_neighbours(std::map<ExprId, std::string> names) { neighbours_ = std::move(names); }
  void open_scope() { scopes_.emplace_back(); }
  void close_scope() { scopes_.pop_back(); }

  // A name or a literal.
  std::string value(ExprId id);
  std::string index(const LinearForm& form);
  // store(outN + form, value), in the operand's type.
  void store(int operand, const LinearForm& form, const std::string& value);
  void store_at(int operand, const std::string& offset, const std::string& value);

 private:
  std::string compute(const Expr& e);
  std::string atom(ExprId id);
  std::string load(const Expr& e, bool as_index);
  std::string define(const char* type, ExprId id, const std::string& text);
  std::string real(double value);
  std::string argument(const Expr& e, int i) { return value(e.args[static_cast<size_t>(i)]); }
  std::string quotient(const Expr& e, bool remainder);

  SourceWriter& out_;
  KernelExtents& extents_;
  const KernelBody& body_;
  const Dag& dag_;
  IndexAnalysis& analysis_;
  std::vector<int> merged_;
  std::string index_type_;
  std::vector<std::string> axes_, reduced_;
  std::map<ExprId, std::string> neighbours_;
  std::vector<std::map<ExprId, std::string>> scopes_;
  int defined_ = 0;  // names must not tell expressions' numbers: equal code is to be equal text
};

// "in3": the kernel's parameter for an operand.
std::string operand_name(int operand);
// "f32", "bf16", …
std::string storage_name(DType dtype);
// "1.5f"
std::string real_literal(double value);
// Elements that an operand spans in memory.
int64_t operand_span(const KernelOperand& operand);

}  // namespace netc
