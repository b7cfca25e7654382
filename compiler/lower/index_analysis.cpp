#include "compiler/lower/index_analysis.h"

#include <algorithm>

#include "compiler/base/error.h"

namespace netc {
namespace {

void add_scaled(LinearForm& to, const LinearForm& form, int64_t factor) {
  to.constant += form.constant * factor;
  for (auto [axis, c] : form.axes)
    if ((to.axes[axis] += c * factor) == 0) to.axes.erase(axis);
  for (auto [atom, c] : form.atoms)
    if ((to.atoms[atom] += c * factor) == 0) to.atoms.erase(atom);
}

}  // namespace

IndexAnalysis::IndexAnalysis(const KernelBody& body) : body_(body), dag_(body.nest.dag) {
  NETC_CHECK(body.nest.extents.size() < 60, "too many axes");
  for (int64_t extent : body.nest.extents) extents_.push_back({0, extent - 1});
}

const LinearForm& IndexAnalysis::linear(ExprId index) {
  auto found = linear_.find(index);
  if (found != linear_.end()) return found->second;
  LinearForm form = make_linear(index);
  simplify(form);
  return linear_[index] = std::move(form);
}

LinearForm IndexAnalysis::make_linear(ExprId index) {
  const Expr& e = dag_[index];
  LinearForm form;
  switch (e.kind) {
    case ExprKind::axis:
      if (body_.nest.extents[static_cast<size_t>(e.integer)] > 1) form.axes[static_cast<int>(e.integer)] = 1;
      return form;
    case ExprKind::index_constant: form.constant = e.integer; return form;
    case ExprKind::index_add:
    case ExprKind::index_sub:
      form = linear(e.args[0]);
      add_scaled(form, linear(e.args[1]), e.kind == ExprKind::index_add ? 1 : -1);
      return form;
    case ExprKind::index_mul: {
      const LinearForm &a = linear(e.args[0]), &b = linear(e.args[1]);
      auto is_constant = [](const LinearForm& f) { return f.axes.empty() && f.atoms.empty(); };
      if (!is_constant(a) && !is_constant(b)) break;
      add_scaled(form, is_constant(b) ? a : b, is_constant(b) ? b.constant : a.constant);
      return form;
    }
    case ExprKind::index_floor_div: return divide(index, false);
    case ExprKind::index_floor_mod: return divide(index, true);
    default: break;
  }
  form.atoms[index] = 1;
  return form;
}

// k*q + r with 0 <= r < k: the quotient is q, the remainder r.
LinearForm IndexAnalysis::divide(ExprId index, bool remainder) {
  const Expr& e = dag_[index];
  const int64_t k = e.integer;
  LinearForm q, r;
  const LinearForm& dividend = linear(e.args[0]);
  q.constant = floor_div(dividend.constant, k);
  r.constant = floor_mod(dividend.constant, k);
  for (auto [axis, c] : dividend.axes) (c % k == 0 ? q.axes[axis] = c / k : r.axes[axis] = c);
  for (auto [atom, c] : dividend.atoms) (c % k == 0 ? q.atoms[atom] = c / k : r.atoms[atom] = c);
  std::optional<IndexRange> bounds = range(r);
  if (bounds && bounds->low >= 0 && bounds->high < k) return remainder ? r : q;
  LinearForm atom;
  atom.atoms[index] = 1;
  return atom;
}

// candidate == dividend div divisor?
bool IndexAnalysis::is_quotient(ExprId candidate, ExprId dividend, int64_t divisor) const {
  const Expr& c = dag_[candidate];
  if (c.kind != ExprKind::index_floor_div) return false;
  if (c.args[0] == dividend && c.integer == divisor) return true;
  const Expr& d = dag_[dividend];  // (x div a) div b == x div (a*b)
  return d.kind == ExprKind::index_floor_div && c.args[0] == d.args[0] && c.integer == d.integer * divisor;
}

// c*k*(y div k) + c*(y mod k)  ->  c*y
void IndexAnalysis::simplify(LinearForm& form) {
  for (bool changed = true; changed;) {
    changed = false;
    for (auto [mod, c] : form.atoms) {
      const Expr& m = dag_[mod];
      if (m.kind != ExprKind::index_floor_mod) continue;
      auto quotient = std::find_if(form.atoms.begin(), form.atoms.end(), [&](const auto& atom) {
        return atom.second == c * m.integer && is_quotient(atom.first, m.args[0], m.integer);
      });
      if (quotient == form.atoms.end()) continue;
      const ExprId q = quotient->first, r = mod;
      const int64_t factor = c;
      form.atoms.erase(q);
      form.atoms.erase(r);
      add_scaled(form, linear(m.args[0]), factor);
      changed = true;
      break;
    }
  }
}

LinearForm IndexAnalysis::offset(int operand, const std::vector<ExprId>& indices) {
  LinearForm form;
  const Shape& strides = body_.operands[static_cast<size_t>(operand)].strides;
  for (size_t d = 0; d < indices.size(); ++d)
    if (body_.operands[static_cast<size_t>(operand)].shape[d] > 1) add_scaled(form, linear(indices[d]), strides[d]);
  simplify(form);
  return form;
}

LinearForm IndexAnalysis::store_offset(int operand) const {
  LinearForm form;
  const Shape& strides = body_.operands[static_cast<size_t>(operand)].strides;
  for (int d = 0; d < body_.nest.parallel; ++d)
    if (body_.nest.extents[static_cast<size_t>(d)] > 1) form.axes[d] = strides[static_cast<size_t>(d)];
  return form;
}

std::optional<IndexRange> IndexAnalysis::range(const LinearForm& form, const std::vector<IndexRange>& axes) {
  IndexRange total{form.constant, form.constant};
  auto add = [&](IndexRange r, int64_t c) {
    total.low += c * (c > 0 ? r.low : r.high);
    total.high += c * (c > 0 ? r.high : r.low);
  };
  for (auto [axis, c] : form.axes) add(axes[static_cast<size_t>(axis)], c);
  for (auto [atom, c] : form.atoms) {
    std::optional<IndexRange> r = range(atom, axes);
    if (!r) return std::nullopt;
    add(*r, c);
  }
  return total;
}

std::optional<IndexRange> IndexAnalysis::range(ExprId index, const std::vector<IndexRange>& axes) {
  const Expr& e = dag_[index];
  auto arg = [&](int i) { return range(linear(e.args[static_cast<size_t>(i)]), axes); };
  switch (e.kind) {
    case ExprKind::index_floor_div: {
      std::optional<IndexRange> r = arg(0);
      if (!r) return std::nullopt;
      return IndexRange{floor_div(r->low, e.integer), floor_div(r->high, e.integer)};
    }
    case ExprKind::index_floor_mod: return IndexRange{0, e.integer - 1};
    case ExprKind::index_min:
    case ExprKind::index_max: {
      std::optional<IndexRange> a = arg(0), b = arg(1);
      if (!a || !b) return std::nullopt;
      return e.kind == ExprKind::index_min
                 ? IndexRange{std::min(a->low, b->low), std::min(a->high, b->high)}
                 : IndexRange{std::max(a->low, b->low), std::max(a->high, b->high)};
    }
    case ExprKind::index_select: {
      std::optional<IndexRange> a = arg(1), b = arg(2);
      if (!a || !b) return std::nullopt;
      return IndexRange{std::min(a->low, b->low), std::max(a->high, b->high)};
    }
    default: return std::nullopt;
  }
}

std::optional<bool> IndexAnalysis::compare(const Expr& less, const std::vector<IndexRange>& axes) {
  LinearForm difference = linear(less.args[1]);
  add_scaled(difference, linear(less.args[0]), -1);
  const std::optional<IndexRange> r = range(difference, axes);
  if (r && r->low > 0) return true;
  if (r && r->high <= 0) return false;
  return std::nullopt;
}

AxisSet IndexAnalysis::dependencies(const LinearForm& form) {
  AxisSet set = 0;
  for (auto [axis, c] : form.axes) set |= axis_bit(axis);
  for (auto [atom, c] : form.atoms) set |= dependencies(atom);
  return set;
}

AxisSet IndexAnalysis::dependencies(ExprId id) {
  auto found = dependencies_.find(id);
  if (found != dependencies_.end()) return found->second;
  const Expr& e = dag_[id];
  AxisSet set = 0;
  auto of = [&](ExprId arg) {
    return dag_[arg].type == ExprType::index ? dependencies(linear(arg)) : dependencies(arg);
  };
  if (e.type == ExprType::index) {
    const LinearForm& form = linear(id);
    if (form.atoms.size() != 1 || form.atoms.begin()->first != id) return dependencies_[id] = dependencies(form);
  }
  if (e.kind == ExprKind::reduced) set = kReducedBit;
  if (e.kind == ExprKind::load || e.kind == ExprKind::index_load)
    set |= dependencies(offset(static_cast<int>(e.integer), e.indices));
  for (ExprId arg : e.args)
    if (arg != kNoExpr) set |= of(arg);
  return dependencies_[id] = set;
}

bool IndexAnalysis::from_data(ExprId index) {
  const Expr& e = dag_[index];
  switch (e.kind) {
    case ExprKind::index_load:
    case ExprKind::index_floor:
    case ExprKind::index_scalar: return true;
    default: break;
  }
  return std::any_of(e.args.begin(), e.args.end(), [&](ExprId arg) {
    return arg != kNoExpr && dag_[arg].type == ExprType::index && from_data(arg);
  });
}

std::vector<LinearForm> IndexAnalysis::all_forms() {
  std::vector<ExprId> roots;
  for (const Reduction& r : body_.nest.reductions) roots.push_back(r.body);
  for (const Store& s : body_.nest.stores) roots.push_back(s.value);
  for (const PartialSum& p : body_.partials) roots.push_back(p.body);
  std::vector<LinearForm> forms;
  std::vector<bool> wanted(static_cast<size_t>(dag_.size()), false);  // nodes that are evaluated
  for (ExprId root : roots) wanted[static_cast<size_t>(root)] = true;
  auto add_form = [&](LinearForm form) {
    for (auto [atom, c] : form.atoms) wanted[static_cast<size_t>(atom)] = true;
    forms.push_back(std::move(form));
  };
  for (ExprId id = dag_.size() - 1; id >= 0; --id) {
    if (!wanted[static_cast<size_t>(id)]) continue;
    const Expr& e = dag_[id];
    if (e.kind == ExprKind::load || e.kind == ExprKind::index_load) {
      for (ExprId index : e.indices)
        if (from_data(index)) add_form(linear(index));
      add_form(offset(static_cast<int>(e.integer), e.indices));
    }
    for (ExprId arg : e.args) {
      if (arg == kNoExpr) continue;
      if (dag_[arg].type == ExprType::index) add_form(linear(arg));
      else wanted[static_cast<size_t>(arg)] = true;
    }
  }
  for (const Store& s : body_.nest.stores) forms.push_back(store_offset(s.output));
  return forms;
}

std::optional<IndexRange> guard_free_range(const KernelBody& body, IndexAnalysis& analysis, int axis) {
  const IndexRange whole = analysis.axis_ranges()[static_cast<size_t>(axis)];
  IndexRange inside = whole;
  std::vector<ExprId> roots;
  for (const Reduction& r : body.nest.reductions) roots.push_back(r.body);
  visit_postorder(body.nest.dag, roots, [&](ExprId id) {
    const Expr& e = body.nest.dag[id];
    if (e.kind != ExprKind::index_less || !(analysis.dependencies(id) & axis_bit(axis))) return;
    std::vector<IndexRange> ranges = analysis.axis_ranges();
    int64_t low = whole.high + 1, high = -1, count = 0;
    for (int64_t x = whole.low; x <= whole.high; ++x) {
      ranges[static_cast<size_t>(axis)] = {x, x};
      if (!analysis.compare(e, ranges).value_or(false)) continue;
      low = std::min(low, x);
      high = x;
      ++count;
    }
    if (count != high - low + 1 || 2 * count <= whole.high) return;
    inside = {std::max(inside.low, low), std::min(inside.high, high)};
  });
  if (inside.low > inside.high || (inside.low == whole.low && inside.high == whole.high)) return std::nullopt;
  return inside;
}

int constant_axis(const KernelBody& body, IndexAnalysis& analysis) {
  constexpr int64_t kMostUnrolled = 64;
  const LoopNest& nest = body.nest;
  if (body.contraction || !nest.reductions.empty() || !body.partials.empty()) return -1;
  AxisSet compared = 0, loaded = 0;
  std::vector<ExprId> roots;
  for (const Store& s : nest.stores) roots.push_back(s.value);
  visit_postorder(nest.dag, roots, [&](ExprId id) {
    const Expr& e = nest.dag[id];
    if (e.kind == ExprKind::load || e.kind == ExprKind::index_load) loaded |= analysis.dependencies(id);
    const AxisSet set = analysis.dependencies(id);
    if (e.kind == ExprKind::index_equal && (set & (set - 1)) == 0) compared |= set;  // one axis
  });
  for (int axis = 0; axis < nest.parallel; ++axis)
    if ((compared & ~loaded & axis_bit(axis)) && nest.extents[static_cast<size_t>(axis)] <= kMostUnrolled) return axis;
  return -1;
}

std::vector<int> merge_axes(const KernelBody& body, IndexAnalysis& analysis, const Shape& block) {
  const Shape& extents = body.nest.extents;
  const std::vector<LinearForm> forms = analysis.all_forms();
  std::vector<int> merged(extents.size(), -1);
  int inner = -1;  // the next axis inwards that is not a single point
  for (int outer = static_cast<int>(extents.size()) - 1; outer >= 0; --outer) {
    const size_t o = static_cast<size_t>(outer), i = static_cast<size_t>(inner);
    if (extents[o] == 1) continue;
    const bool same_kind = inner >= 0 && (outer < body.nest.parallel) == (inner < body.nest.parallel);
    const bool whole = same_kind && (inner >= body.nest.parallel || block[i] == extents[i]);
    const bool kept = is_kept(body, outer) || is_kept(body, inner);
    if (whole && !kept && std::all_of(forms.begin(), forms.end(), [&](const LinearForm& form) {
          return form.coefficient(outer) == form.coefficient(inner) * extents[i];
        }))
      merged[o] = inner;
    inner = outer;
  }
  return merged;
}

}  // namespace netc
