// Verification, printing and identity of kernel bodies.
#include "compiler/lower/kernel.h"

#include <algorithm>
#include <bit>
#include <set>

#include "compiler/base/error.h"

namespace netc {
namespace {

std::string join(const Shape& values) {
  std::string text;
  for (int64_t v : values) text += (text.empty() ? "" : ",") + std::to_string(v);
  return text;
}

void verify_operand(const KernelOperand& operand) {
  NETC_CHECK(operand.shape.size() == operand.strides.size(), operand.name + ": a stride per dimension");
  for (int64_t extent : operand.shape) NETC_CHECK(extent > 0, operand.name + ": extents are positive");
  for (int64_t stride : operand.strides) NETC_CHECK(stride >= 0, operand.name + ": strides are not negative");
  NETC_CHECK(operand.alignment > 0 && kOperandAlignment % operand.alignment == 0, operand.name + ": a power of two of bytes");
  const Halo& halo = operand.halo;
  if (halo.dimension < 0) return;
  NETC_CHECK(operand.written && halo.dimension < static_cast<int>(operand.shape.size()) && halo.before >= 0 && halo.after >= 0,
             operand.name + ": a halo belongs to a dimension that is written");
}

// Loads name operands, with an index per dimension; `reduced` names an existing result.
void verify_expressions(const KernelBody& body, const std::vector<ExprId>& roots, bool in_reduction) {
  const LoopNest& nest = body.nest;
  const int64_t results = body.contraction ? 1 : static_cast<int64_t>(nest.reductions.size());
  visit_postorder(nest.dag, roots, [&](ExprId id) {
    const Expr& e = nest.dag[id];
    if (e.kind == ExprKind::axis)
      NETC_CHECK(e.integer >= 0 && e.integer < (in_reduction ? static_cast<int64_t>(nest.extents.size()) : nest.parallel),
                 "an axis outside the index space");
    if (e.kind == ExprKind::reduced)
      NETC_CHECK(!in_reduction && e.integer >= 0 && e.integer < results, "no such reduction");
    if (e.kind == ExprKind::load || e.kind == ExprKind::index_load) {
      NETC_CHECK(e.integer >= 0 && e.integer < static_cast<int64_t>(body.operands.size()), "no such operand");
      const KernelOperand& operand = body.operands[static_cast<size_t>(e.integer)];
      NETC_CHECK(e.indices.size() == operand.shape.size(), operand.name + ": an index per dimension");
    }
  });
}

std::string halo_text(const Halo& halo) {
  if (halo.dimension < 0) return "";
  return " halo d" + std::to_string(halo.dimension) + " -" + std::to_string(halo.before) + " +" + std::to_string(halo.after);
}

std::string operand_line(const KernelOperand& o, size_t position, bool with_name) {
  return "in" + std::to_string(position) + ": " + (with_name ? o.name + " " : "") + (o.written ? "out " : "") +
         (o.space == Space::state ? "state " : "arena ") + std::string(name_of(o.dtype)) + "[" + join(o.shape) +
         "] strides [" + join(o.strides) + "]" + halo_text(o.halo) +
         (o.alignment < kOperandAlignment ? " aligned to " + std::to_string(o.alignment) : "") + "\n";
}

// Every reachable node on a line of its own, renumbered: linear in the size of the Dag, where an
// expression's text may be exponential, and equal for Dags that differ in dead nodes only.
class NodeTable {
 public:
  NodeTable(const Dag& dag, const std::vector<ExprId>& roots) : numbers_(static_cast<size_t>(dag.size()), kNoExpr) {
    visit_postorder(dag, roots, [&](ExprId id) {
      const Expr& e = dag[id];
      text_ += std::to_string(static_cast<int>(e.kind)) + ":" + std::to_string(static_cast<int>(e.dtype));
      for (ExprId arg : e.args) text_ += " " + std::to_string(number(arg));
      text_ += " " + std::to_string(e.integer) + " " + std::to_string(std::bit_cast<int64_t>(e.real));
      for (ExprId index : e.indices) text_ += " [" + std::to_string(number(index));
      text_ += "\n";
      numbers_[static_cast<size_t>(id)] = next_++;
    });
  }
  ExprId number(ExprId id) const { return id == kNoExpr ? kNoExpr : numbers_[static_cast<size_t>(id)]; }
  const std::string& text() const { return text_; }

 private:
  std::vector<ExprId> numbers_;
  ExprId next_ = 0;
  std::string text_;
};

std::string kept_text(const std::vector<int>& kept) {
  std::string text;
  for (int axis : kept) text += ", a" + std::to_string(axis);
  return text;
}

const char* name_of(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::sum: return "sum";
    case ReduceKind::max: return "max";
    case ReduceKind::min: return "min";
    case ReduceKind::argmax: return "argmax";
  }
  return "?";
}

// Operands, extents and contraction, then one line for every reduction, store and partial sum; `text_of`
// gives the text of an expression.
template <class TextOf>
std::string structure(const KernelBody& body, bool with_names, const TextOf& text_of) {
  const LoopNest& nest = body.nest;
  std::string text;
  for (size_t i = 0; i < body.operands.size(); ++i) text += operand_line(body.operands[i], i, with_names);
  text += "for [" + join(nest.extents) + "] parallel " + std::to_string(nest.parallel) + "\n";
  if (body.contraction)
    text += "reduced0 = contraction of in" + std::to_string(body.contraction->lhs) + " and in" +
            std::to_string(body.contraction->rhs) + ": " +
            to_string(body.contraction->contraction);
  for (size_t i = 0; i < nest.reductions.size(); ++i)
    text += "reduced" + std::to_string(i) + " = " + name_of(nest.reductions[i].kind) + " " +
            text_of(nest.reductions[i].body) + "\n";
  for (const Store& s : nest.stores) text += "in" + std::to_string(s.output) + " = " + text_of(s.value) + "\n";
  for (const PartialSum& p : body.partials)
    text += "in" + std::to_string(p.output) + "[task" + kept_text(p.kept) + "] = sum " + text_of(p.body) + "\n";
  return text;
}

}  // namespace

void verify(const KernelBody& body) {
  const LoopNest& nest = body.nest;
  for (const KernelOperand& o : body.operands) verify_operand(o);
  NETC_CHECK(nest.parallel >= 0 && nest.parallel <= static_cast<int>(nest.extents.size()), "parallel axes exist");
  for (int64_t extent : nest.extents) NETC_CHECK(extent > 0, "extents are positive");
  NETC_CHECK(!nest.stores.empty() || !body.partials.empty(), "a kernel writes something");

  std::vector<ExprId> bodies, values;
  for (const Reduction& r : nest.reductions) bodies.push_back(r.body);
  for (const Store& s : nest.stores) values.push_back(s.value);
  for (const PartialSum& p : body.partials) values.push_back(p.body);
  verify_expressions(body, bodies, true);
  verify_expressions(body, values, false);

  std::set<int> written;
  auto check_written = [&](int operand) {
    NETC_CHECK(operand >= 0 && operand < static_cast<int>(body.operands.size()), "a store's operand exists");
    NETC_CHECK(body.operands[static_cast<size_t>(operand)].written, "a stored operand is marked as written");
    NETC_CHECK(written.insert(operand).second, "an operand is written once");
  };
  for (const Store& s : nest.stores) {
    check_written(s.output);
    NETC_CHECK(body.operands[static_cast<size_t>(s.output)].shape == nest.parallel_extents(),
               "a stored operand has the shape of the parallel axes");
  }
  for (const PartialSum& p : body.partials) {
    check_written(p.output);
    NETC_CHECK(!p.kept.empty() && std::is_sorted(p.kept.begin(), p.kept.end()), "kept axes are in order");
    NETC_CHECK(p.kept == body.partials.front().kept, "all partial sums keep the same axes");
    int64_t columns = 1;
    for (int axis : p.kept) {
      NETC_CHECK(axis >= 0 && axis < nest.parallel, "kept axes are parallel");
      columns *= nest.extents[static_cast<size_t>(axis)];
    }
    const KernelOperand& o = body.operands[static_cast<size_t>(p.output)];
    NETC_CHECK(o.dtype == DType::f32 && o.shape.size() == 2 && o.shape[1] == columns, "partial sums are f32 [rows, kept]");
  }
  if (body.contraction) {
    const ContractionStage& stage = *body.contraction;
    const Contraction& c = stage.contraction;
    verify(c);
    NETC_CHECK(nest.reductions.empty() && nest.parallel == static_cast<int>(nest.extents.size()),
               "a contraction's nest has no reductions of its own");
    NETC_CHECK(c.tensors[static_cast<size_t>(c.output)].shape == nest.extents, "the nest is the contraction's output");
    auto check_input = [&](int operand, const Shape& shape) {
      NETC_CHECK(operand >= 0 && operand < static_cast<int>(body.operands.size()), "a contraction's operand exists");
      NETC_CHECK(body.operands[static_cast<size_t>(operand)].shape == shape, "a contraction's operand has its tensor's shape");
    };
    check_input(stage.lhs, c.tensors[static_cast<size_t>(c.first_input())].shape);
    check_input(stage.rhs, c.second_shape());
  }
}

std::vector<HaloMargin> halo_margins(const KernelOperand& operand) {
  std::vector<HaloMargin> margins;
  if (operand.halo.dimension < 0) return margins;
  const auto d = static_cast<size_t>(operand.halo.dimension);
  auto add = [&](int64_t columns, int64_t first, int64_t at) {
    if (columns == 0) return;
    HaloMargin margin{operand.shape, first * operand.strides[d], at};
    margin.shape[d] = columns;
    margins.push_back(std::move(margin));
  };
  add(operand.halo.before, -operand.halo.before, 0);
  add(operand.halo.after, operand.shape[d], operand.shape[d] - 1);
  return margins;
}

int64_t TaskGrid::partial_rows(const std::vector<int>& kept) const {
  int64_t rows = tasks();
  for (int axis : kept) rows /= blocks[static_cast<size_t>(axis)];
  return rows;
}

bool is_kept(const KernelBody& body, int axis) {
  if (body.partials.empty()) return false;
  const std::vector<int>& kept = body.partials.front().kept;
  return std::find(kept.begin(), kept.end(), axis) != kept.end();
}

std::string to_string(const KernelBody& body) {
  return structure(body, true, [&](ExprId id) { return body.nest.dag.to_string(id); });
}

std::string identity(const KernelBody& body) {
  std::vector<ExprId> roots;
  for (const Reduction& r : body.nest.reductions) roots.push_back(r.body);
  for (const Store& s : body.nest.stores) roots.push_back(s.value);
  for (const PartialSum& p : body.partials) roots.push_back(p.body);
  NodeTable nodes(body.nest.dag, roots);
  return nodes.text() + structure(body, false, [&](ExprId id) { return "%" + std::to_string(nodes.number(id)); });
}

}  // namespace netc
