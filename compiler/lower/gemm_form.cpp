#include "compiler/lower/gemm_form.h"

#include <algorithm>
#include <numeric>

#include "compiler/base/error.h"
#include "compiler/lower/contraction_nest.h"

namespace netc {
namespace {

// value of a contraction axis = constant + sum of coefficient * variable
struct AxisValue {
  int64_t constant = 0;
  std::vector<int64_t> coefficients;
};

bool uses(const std::vector<GemmIndex>& index, size_t variable) {
  return std::any_of(index.begin(), index.end(), [&](const GemmIndex& d) { return d.coefficients[variable] != 0; });
}

// Builds variables and phases; false where the contraction has no such form.
class GatherForm {
 public:
  explicit GatherForm(const KernelBody& body)
      : body_(body), c_(body.contraction->contraction), out_(c_.tensors[static_cast<size_t>(c_.output)]),
        solved_(solve_output(c_)) {}

  bool build(GemmForm& form) {
    std::vector<int> variable_of(c_.axes.size(), -1);
    std::vector<bool> pending(c_.axes.size(), false);
    for (size_t d = 0; d < solved_.size(); ++d) {
      const SolvedDimension& s = solved_[d];
      GemmVariable v;
      v.dimension = static_cast<int>(d);
      v.extent = out_.shape[d];
      switch (s.kind) {
        case SolvedDimension::Kind::plain:
          if (variable_of[static_cast<size_t>(s.axis)] >= 0) return false;
          variable_of[static_cast<size_t>(s.axis)] = add(form, v);
          break;
        case SolvedDimension::Kind::radix:
          v.radix = c_.axes[static_cast<size_t>(s.inner_axis)].extent;
          v.extent = c_.axes[static_cast<size_t>(s.axis)].extent;
          v.outer = true;
          variable_of[static_cast<size_t>(s.axis)] = add(form, v);
          v.extent = v.radix;
          v.outer = false;
          variable_of[static_cast<size_t>(s.inner_axis)] = add(form, v);
          break;
        case SolvedDimension::Kind::quotient:
          for (const AxisTerm& term : out_.index[d].terms)
            if (term.axis == s.axis) v.scale = term.coefficient;
          if (v.scale < 1 || v.scale > 4) return false;
          v.extent = ceil_div(out_.shape[d], v.scale);
          pending[static_cast<size_t>(s.axis)] = true;
          add(form, v);
          break;
      }
    }
    for (size_t a = 0; a < c_.axes.size(); ++a)
      if (variable_of[a] < 0 && !pending[a]) {
        GemmVariable v;
        v.extent = c_.axes[a].extent;
        variable_of[a] = add(form, v);
      }
    std::vector<int64_t> residues(solved_.size(), 0);
    return add_phases(form, variable_of, residues, 0) && !form.phases.empty();
  }

 private:
  static int add(GemmForm& form, const GemmVariable& v) {
    form.variables.push_back(v);
    return static_cast<int>(form.variables.size()) - 1;
  }

  bool add_phases(GemmForm& form, const std::vector<int>& variable_of, std::vector<int64_t>& residues, size_t d) {
    if (d == solved_.size()) return add_phase(form, variable_of, residues);
    const int64_t scale = output_scale(form, d);
    for (residues[d] = 0; residues[d] < scale; ++residues[d])
      if (!add_phases(form, variable_of, residues, d + 1)) return false;
    residues[d] = 0;
    return true;
  }

  bool add_phase(GemmForm& form, const std::vector<int>& variable_of, const std::vector<int64_t>& residues) {
    const size_t count = form.variables.size();
    GemmPhase phase;
    phase.residues = residues;
    for (const GemmVariable& v : form.variables) phase.k_extents.push_back(v.dimension < 0 ? v.extent : 1);
    std::vector<AxisValue> values(c_.axes.size(), AxisValue{0, std::vector<int64_t>(count, 0)});
    for (size_t a = 0; a < c_.axes.size(); ++a)
      if (variable_of[a] >= 0) values[a].coefficients[static_cast<size_t>(variable_of[a])] = 1;

    for (size_t d = 0; d < solved_.size(); ++d) {
      if (solved_[d].kind != SolvedDimension::Kind::quotient) continue;
      const int64_t s = output_scale(form, d);
      // axis = (s*q + residue - offset - sum of coefficient * tap) / s
      AxisValue solved{residues[d] - out_.index[d].offset, std::vector<int64_t>(count, 0)};
      for (size_t v = 0; v < count; ++v)
        if (form.variables[v].dimension == static_cast<int>(d)) solved.coefficients[v] = s;
      int taps = 0;
      for (const AxisTerm& term : out_.index[d].terms) {
        if (term.axis == solved_[d].axis) continue;
        if (++taps > 1 || variable_of[static_cast<size_t>(term.axis)] < 0) return false;
        const size_t tap = static_cast<size_t>(variable_of[static_cast<size_t>(term.axis)]);
        AxisValue& value = values[static_cast<size_t>(term.axis)];
        // Only taps first, first + step, … make the numerator divisible by s.
        const int64_t step = s / std::gcd(s, term.coefficient), extent = form.variables[tap].extent;
        int64_t first = 0;
        while (first < std::min(step, extent) && floor_mod(solved.constant - term.coefficient * first, s) != 0) ++first;
        const bool none = first >= std::min(step, extent);
        phase.k_extents[tap] = none ? 0 : ceil_div(extent - first, step);
        value.constant = first;
        value.coefficients[tap] = step;
        solved.constant -= term.coefficient * first;
        solved.coefficients[tap] = -term.coefficient * step;
      }
      if (taps == 0 && floor_mod(solved.constant, s) != 0) phase.k_extents.back() = 0;
      solved.constant = floor_div(solved.constant, s);
      for (int64_t& coefficient : solved.coefficients) coefficient = floor_div(coefficient, s);
      values[static_cast<size_t>(solved_[d].axis)] = solved;
    }
    phase.v = access(form, phase, values, c_.first_input(), body_.contraction->lhs);
    phase.s = access(form, phase, values, c_.second_input(), body_.contraction->rhs);
    form.phases.push_back(std::move(phase));
    return true;
  }

  std::vector<GemmIndex> access(const GemmForm& form, const GemmPhase& phase, const std::vector<AxisValue>& values,
                                int tensor, int operand) {
    const ContractionTensor& t = c_.tensors[static_cast<size_t>(tensor)];
    std::vector<GemmIndex> index;
    for (size_t d = 0; d < t.shape.size(); ++d) {
      GemmIndex i{t.index[d].offset, std::vector<int64_t>(form.variables.size(), 0), t.shape[d],
                  body_.operands[static_cast<size_t>(operand)].strides[d], false};
      for (const AxisTerm& term : t.index[d].terms) {
        const AxisValue& value = values[static_cast<size_t>(term.axis)];
        i.constant += term.coefficient * value.constant;
        for (size_t v = 0; v < i.coefficients.size(); ++v) i.coefficients[v] += term.coefficient * value.coefficients[v];
      }
      int64_t low = i.constant, high = i.constant;
      for (size_t v = 0; v < i.coefficients.size(); ++v) {
        const int64_t extent = form.variables[v].dimension < 0 ? phase.k_extents[v] : form.variables[v].extent;
        (i.coefficients[v] < 0 ? low : high) += i.coefficients[v] * (extent - 1);
      }
      i.checked = low < 0 || high >= t.shape[d];
      index.push_back(std::move(i));
    }
    return index;
  }

  const KernelBody& body_;
  const Contraction& c_;
  const ContractionTensor& out_;
  std::vector<SolvedDimension> solved_;
};

// Roles from which input an axis is in; false where the product cannot be blocked that way.
bool assign_roles(GemmForm& form) {
  for (size_t v = 0; v < form.variables.size(); ++v) {
    GemmVariable& variable = form.variables[v];
    if (variable.dimension < 0) continue;
    const bool in_v = uses(form.phases[0].v, v), in_s = uses(form.phases[0].s, v);
    if (!in_v && !in_s && variable.extent > 1) return false;
    variable.role = in_v && in_s ? GemmRole::batch : in_v ? GemmRole::m : GemmRole::n;
    if (variable.role == GemmRole::n && variable.scale > 1) return false;                        // phases are along m
    if (variable.outer && variable.extent > 1 && variable.role != GemmRole::batch) return false;  // groups
  }
  return true;
}

}  // namespace

bool GemmPhase::empty() const { return std::find(k_extents.begin(), k_extents.end(), 0) != k_extents.end(); }

int64_t memory_stride(const std::vector<GemmIndex>& index, size_t variable) {
  int64_t stride = 0;
  for (const GemmIndex& dimension : index) stride += dimension.coefficients[variable] * dimension.stride;
  return stride;
}

int64_t GemmForm::extent(GemmRole role) const {
  int64_t product = 1;
  for (const GemmVariable& v : variables)
    if (v.role == role) product *= v.extent;
  return product;
}

int GemmForm::last(GemmRole role) const {
  for (int v = static_cast<int>(variables.size()) - 1; v >= 0; --v)
    if (variables[static_cast<size_t>(v)].role == role && variables[static_cast<size_t>(v)].extent > 1) return v;
  return -1;
}

int64_t output_scale(const GemmForm& form, size_t dimension) {
  for (const GemmVariable& v : form.variables)
    if (v.dimension == static_cast<int>(dimension)) return v.scale;
  return 1;
}

std::optional<GemmForm> gemm_form(const KernelBody& body, bool swap) {
  NETC_CHECK(!body.contraction->contraction.winograd, "Winograd's convolutions have a form of their own");
  GemmForm form;
  form.v_operand = body.contraction->lhs;
  form.s_operand = body.contraction->rhs;
  if (!GatherForm(body).build(form)) return std::nullopt;
  if (swap) {
    std::swap(form.v_operand, form.s_operand);
    for (GemmPhase& phase : form.phases) std::swap(phase.v, phase.s);
  }
  if (!assign_roles(form)) return std::nullopt;
  return form;
}

}  // namespace netc
