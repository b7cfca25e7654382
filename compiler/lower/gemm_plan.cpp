#include "compiler/lower/gemm_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "compiler/base/error.h"
#include "compiler/lower/contraction_nest.h"

namespace netc {
namespace {

constexpr int64_t kPanelBytes = 96 << 10;       // of V in one K block: stays in the second-level cache
constexpr int64_t kTaskMultiplyAdds = 4 << 20;  // some 50 us
constexpr int64_t kMinTasks = 16;

// value of a contraction axis = constant + sum of coefficient * variable
struct AxisValue {
  int64_t constant = 0;
  std::vector<int64_t> coefficients;
};

int64_t memory_stride(const std::vector<GemmIndex>& index, size_t variable) {
  int64_t stride = 0;
  for (const GemmIndex& dimension : index) stride += dimension.coefficients[variable] * dimension.stride;
  return stride;
}

bool uses(const std::vector<GemmIndex>& index, size_t variable) {
  return std::any_of(index.begin(), index.end(), [&](const GemmIndex& d) { return d.coefficients[variable] != 0; });
}

// Builds variables and phases; empty plan where the contraction has no such form.
class GatherForm {
 public:
  explicit GatherForm(const KernelBody& body)
      : body_(body), c_(body.contraction->contraction), out_(c_.tensors[static_cast<size_t>(c_.output)]),
        solved_(solve_output(c_)) {}

  bool build(GemmPlan& plan) {
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
          variable_of[static_cast<size_t>(s.axis)] = add(plan, v);
          break;
        case SolvedDimension::Kind::radix:
          v.radix = c_.axes[static_cast<size_t>(s.inner_axis)].extent;
          v.extent = c_.axes[static_cast<size_t>(s.axis)].extent;
          v.outer = true;
          variable_of[static_cast<size_t>(s.axis)] = add(plan, v);
          v.extent = v.radix;
          v.outer = false;
          variable_of[static_cast<size_t>(s.inner_axis)] = add(plan, v);
          break;
        case SolvedDimension::Kind::quotient:
          for (const AxisTerm& term : out_.index[d].terms)
            if (term.axis == s.axis) v.scale = term.coefficient;
          if (v.scale < 1 || v.scale > 4) return false;
          v.extent = ceil_div(out_.shape[d], v.scale);
          pending[static_cast<size_t>(s.axis)] = true;
          add(plan, v);
          break;
      }
    }
    for (size_t a = 0; a < c_.axes.size(); ++a)
      if (variable_of[a] < 0 && !pending[a]) {
        GemmVariable v;
        v.extent = c_.axes[a].extent;
        variable_of[a] = add(plan, v);
      }
    std::vector<int64_t> residues(solved_.size(), 0);
    return add_phases(plan, variable_of, residues, 0) && !plan.phases.empty();
  }

 private:
  static int add(GemmPlan& plan, const GemmVariable& v) {
    plan.variables.push_back(v);
    return static_cast<int>(plan.variables.size()) - 1;
  }

  bool add_phases(GemmPlan& plan, const std::vector<int>& variable_of, std::vector<int64_t>& residues, size_t d) {
    if (d == solved_.size()) return add_phase(plan, variable_of, residues);
    const int64_t scale = output_scale(plan, d);
    for (residues[d] = 0; residues[d] < scale; ++residues[d])
      if (!add_phases(plan, variable_of, residues, d + 1)) return false;
    residues[d] = 0;
    return true;
  }

  bool add_phase(GemmPlan& plan, const std::vector<int>& variable_of, const std::vector<int64_t>& residues) {
    const size_t count = plan.variables.size();
    GemmPhase phase;
    phase.residues = residues;
    for (const GemmVariable& v : plan.variables) phase.k_extents.push_back(v.dimension < 0 ? v.extent : 1);
    std::vector<AxisValue> values(c_.axes.size(), AxisValue{0, std::vector<int64_t>(count, 0)});
    for (size_t a = 0; a < c_.axes.size(); ++a)
      if (variable_of[a] >= 0) values[a].coefficients[static_cast<size_t>(variable_of[a])] = 1;

    for (size_t d = 0; d < solved_.size(); ++d) {
      if (solved_[d].kind != SolvedDimension::Kind::quotient) continue;
      const int64_t s = output_scale(plan, d);
      // axis = (s*q + residue - offset - sum of coefficient * tap) / s
      AxisValue solved{residues[d] - out_.index[d].offset, std::vector<int64_t>(count, 0)};
      for (size_t v = 0; v < count; ++v)
        if (plan.variables[v].dimension == static_cast<int>(d)) solved.coefficients[v] = s;
      int taps = 0;
      for (const AxisTerm& term : out_.index[d].terms) {
        if (term.axis == solved_[d].axis) continue;
        if (++taps > 1 || variable_of[static_cast<size_t>(term.axis)] < 0) return false;
        const size_t tap = static_cast<size_t>(variable_of[static_cast<size_t>(term.axis)]);
        AxisValue& value = values[static_cast<size_t>(term.axis)];
        // Only taps first, first + step, … make the numerator divisible by s.
        const int64_t step = s / std::gcd(s, term.coefficient), extent = plan.variables[tap].extent;
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
    phase.v = access(plan, phase, values, c_.first_input(), body_.contraction->lhs);
    phase.s = access(plan, phase, values, c_.second_input(), body_.contraction->rhs);
    plan.phases.push_back(std::move(phase));
    return true;
  }

  std::vector<GemmIndex> access(const GemmPlan& plan, const GemmPhase& phase, const std::vector<AxisValue>& values,
                                int tensor, int operand) {
    const ContractionTensor& t = c_.tensors[static_cast<size_t>(tensor)];
    std::vector<GemmIndex> index;
    for (size_t d = 0; d < t.shape.size(); ++d) {
      GemmIndex i{t.index[d].offset, std::vector<int64_t>(plan.variables.size(), 0), t.shape[d],
                  body_.operands[static_cast<size_t>(operand)].strides[d], false};
      for (const AxisTerm& term : t.index[d].terms) {
        const AxisValue& value = values[static_cast<size_t>(term.axis)];
        i.constant += term.coefficient * value.constant;
        for (size_t v = 0; v < i.coefficients.size(); ++v) i.coefficients[v] += term.coefficient * value.coefficients[v];
      }
      int64_t low = i.constant, high = i.constant;
      for (size_t v = 0; v < i.coefficients.size(); ++v) {
        const int64_t extent = plan.variables[v].dimension < 0 ? phase.k_extents[v] : plan.variables[v].extent;
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
bool assign_roles(GemmPlan& plan) {
  for (size_t v = 0; v < plan.variables.size(); ++v) {
    GemmVariable& variable = plan.variables[v];
    if (variable.dimension < 0) continue;
    const bool in_v = uses(plan.phases[0].v, v), in_s = uses(plan.phases[0].s, v);
    if (!in_v && !in_s && variable.extent > 1) return false;
    variable.role = in_v && in_s ? GemmRole::batch : in_v ? GemmRole::m : GemmRole::n;
    if (variable.role == GemmRole::n && variable.scale > 1) return false;                        // phases are along m
    if (variable.outer && variable.extent > 1 && variable.role != GemmRole::batch) return false;  // groups
  }
  return true;
}

int64_t extent_of(const GemmPlan& plan, GemmRole role) {
  int64_t product = 1;
  for (const GemmVariable& v : plan.variables)
    if (v.role == role) product *= v.extent;
  return product;
}

// The last variable of the role with more than one value, or -1.
int last_of(const GemmPlan& plan, GemmRole role) {
  for (int v = static_cast<int>(plan.variables.size()) - 1; v >= 0; --v)
    if (plan.variables[static_cast<size_t>(v)].role == role && plan.variables[static_cast<size_t>(v)].extent > 1) return v;
  return -1;
}

// Cycles per multiply-add, roughly: the sums themselves with their empty lanes, packing V once per task,
// and an epilogue that reads C across its rows if neighbours of the output are not neighbours in m.
double cost(const GemmPlan& plan) {
  const double lanes = plan.lanes, typical_block = 128;
  const double m = static_cast<double>(extent_of(plan, GemmRole::m));
  const double n = std::min(typical_block, static_cast<double>(extent_of(plan, GemmRole::n)));
  const double k = static_cast<double>(extent_of(plan, GemmRole::k));
  const int last_m = last_of(plan, GemmRole::m), last_k = last_of(plan, GemmRole::k);
  auto run = [&](int v) { return std::min(lanes, static_cast<double>(plan.variables[static_cast<size_t>(v)].extent)); };
  double pack = 2.0;  // per element of V: gather
  if (last_m >= 0 && memory_stride(plan.phases[0].v, static_cast<size_t>(last_m)) == 1) pack = 3.0 / run(last_m);
  else if (last_k >= 0 && memory_stride(plan.phases[0].v, static_cast<size_t>(last_k)) == 1) pack = 8.0 / run(last_k);
  double read_c = 0;
  for (const GemmVariable& v : plan.variables)
    if (v.dimension >= 0 && v.extent > 1) read_c = v.role == GemmRole::m ? 1.0 / lanes : 1.0;  // the last one counts
  return std::ceil(m / lanes) * lanes / m / (2.0 * lanes) + pack / n + read_c / k;
}

// A block of `extent` of at most `limit` that divides it.
int64_t divisor_up_to(int64_t extent, int64_t limit) {
  for (int64_t b = std::min(extent, limit); b > 1; --b)
    if (extent % b == 0) return b;
  return 1;
}

// m: rows are taken in until the panel is wide enough, in the number that fills its vectors best.
void block_m(GemmPlan& plan, int64_t k_total) {
  const int64_t cap = k_total >= 64 ? 256 : 512;
  int64_t width = 1;
  for (size_t v = plan.variables.size(); v-- > 0;) {
    GemmVariable& variable = plan.variables[v];
    if (variable.role != GemmRole::m) continue;
    if (width * variable.extent <= cap) {
      variable.block = variable.extent;
      width *= variable.extent;
      continue;
    }
    double best = -1;
    const int64_t lanes = plan.lanes;
    for (int64_t b = 1; b * width <= cap || b == 1; ++b) {
      if (variable.radix > 0 && !variable.outer && variable.extent % b != 0) continue;
      const double used = static_cast<double>(variable.extent * width);
      const double spent = static_cast<double>(ceil_div(variable.extent, b) * ceil_div(b * width, lanes) * lanes);
      // Longer rows of C amortise the scalars; but a few per cent of empty lanes cost more.
      const double score = used / spent + 0.02 * std::min(1.0, static_cast<double>(b * width) / static_cast<double>(cap));
      if (score > best) {
        best = score;
        variable.block = b;
      }
    }
    break;  // outer variables: one value a task
  }
}

int64_t block_product(const GemmPlan& plan, GemmRole role) {
  int64_t product = 1;
  for (const GemmVariable& v : plan.variables)
    if (v.role == role) product *= v.block;
  return product;
}

int64_t task_count(const GemmPlan& plan) {
  int64_t tasks = 1;
  for (const GemmVariable& v : plan.variables)
    if (v.role != GemmRole::k) tasks *= ceil_div(v.extent, v.block);
  return tasks;
}

// Halves the innermost block of m where V is transposed, which costs less than transposing it more often.
bool halve_m(GemmPlan& plan) {
  if (!plan.transpose_v) return false;
  GemmVariable& v = plan.variables[static_cast<size_t>(last_of(plan, GemmRole::m))];
  const int64_t half = ceil_div(ceil_div(v.block, 2), plan.lanes) * plan.lanes;
  if (half >= v.block || v.extent % half != 0) return false;
  v.block = half;
  return true;
}

// n: all of it, unless the task becomes too large or the tasks too few. Blocks divide their axis.
void block_n(GemmPlan& plan, int64_t k_total) {
  for (GemmVariable& v : plan.variables)
    if (v.role == GemmRole::n) v.block = v.extent;
  auto shrink = [&] {  // the outermost n axis that is not single yet goes to its next smaller divisor
    for (GemmVariable& v : plan.variables)
      if (v.role == GemmRole::n && v.block > 1) {
        v.block = divisor_up_to(v.extent, v.block - 1);
        return;
      }
  };
  const int64_t m = block_product(plan, GemmRole::m);
  auto smaller = [&](int64_t least) {
    GemmPlan trial = plan;
    for (GemmVariable& v : trial.variables)
      if (v.role == GemmRole::n && v.block > 1) {
        v.block = divisor_up_to(v.extent, v.block - 1);
        break;
      }
    return block_product(trial, GemmRole::n) >= least;
  };
  while ((m * block_product(plan, GemmRole::n) * k_total > kTaskMultiplyAdds || task_count(plan) < kMinTasks) && smaller(64))
    shrink();
  while (task_count(plan) < kMinTasks && halve_m(plan)) {
  }
  while (task_count(plan) < kMinTasks && smaller(32)) shrink();
  while (task_count(plan) < 4 && smaller(16)) shrink();
}

void block_k(GemmPlan& plan, int64_t panel_bytes) {
  const int64_t most = std::max<int64_t>(plan.lanes, panel_bytes / (4 * plan.pitch()));
  int64_t inside = 1;
  plan.split_k = -1;
  for (int v = static_cast<int>(plan.variables.size()) - 1; v >= 0; --v) {
    GemmVariable& variable = plan.variables[static_cast<size_t>(v)];
    if (variable.role != GemmRole::k) continue;
    variable.block = 1;
    if (plan.split_k >= 0) continue;
    if (inside * variable.extent <= most) {
      variable.block = variable.extent;
      inside *= variable.extent;
      continue;
    }
    const int64_t pieces = ceil_div(variable.extent, std::max<int64_t>(1, most / inside));
    variable.block = ceil_div(variable.extent, pieces);
    if (plan.transpose_v && inside == 1) variable.block = std::min(variable.extent, ceil_div(variable.block, plan.lanes) * plan.lanes);
    inside *= variable.block;
    plan.split_k = v;
  }
  plan.k_block = inside;
}

// Offsets of S within one tile must be the same in every tile, so that they become constants.
bool uniform_tiles(const GemmPlan& plan, int64_t tile) {
  const std::vector<int64_t> strides = scalar_strides(plan, plan.phases[0]);
  auto offset = [&](int64_t n) {
    int64_t sum = 0;
    for (size_t v = plan.variables.size(); v-- > 0;) {
      if (plan.variables[v].role != GemmRole::n) continue;
      sum += n % plan.variables[v].block * strides[v];
      n /= plan.variables[v].block;
    }
    return sum;
  };
  for (int64_t n = 0; n < plan.n_block; ++n) {
    const int64_t start = n / tile * tile;
    if (offset(n) - offset(start) != offset(n - start)) return false;
  }
  return true;
}

// The register tile with the least estimated cycles for a step of k over the whole block.
void choose_tile(GemmPlan& plan) {
  const int registers = plan.lanes == 16 ? 31 : 15;
  double best = 0;
  for (int vectors = 1; vectors <= std::min<int64_t>(plan.m_vectors, 6); ++vectors)
    for (int scalars = 1; scalars <= std::min<int64_t>(plan.n_block, 14); ++scalars) {
      if (vectors * scalars + vectors + 1 > registers || !uniform_tiles(plan, scalars)) continue;
      auto tile_cycles = [](int64_t mv, int64_t ns) {
        const double loads = static_cast<double>(mv + ns) / 2 + 0.5, sums = static_cast<double>(mv * ns) / 2;
        return mv * ns == 0 ? 0.0 : std::max({sums, loads, 4.0}) + 0.5;
      };
      const int64_t mq = plan.m_vectors / vectors, mr = plan.m_vectors % vectors;
      const int64_t nq = plan.n_block / scalars, nr = plan.n_block % scalars;
      const double cycles = static_cast<double>(mq * nq) * tile_cycles(vectors, scalars) +
                            static_cast<double>(mq) * tile_cycles(vectors, nr) +
                            static_cast<double>(nq) * tile_cycles(mr, scalars) + tile_cycles(mr, nr);
      if (best == 0 || cycles < best) {
        best = cycles;
        plan.tile_vectors = vectors;
        plan.tile_scalars = scalars;
      }
    }
}

void set_output_block(GemmPlan& plan, const Shape& shape) {
  plan.output_block.assign(shape.size(), 1);
  for (const GemmVariable& v : plan.variables) {
    if (v.dimension < 0 || (v.radix > 0 && v.outer)) continue;
    int64_t& block = plan.output_block[static_cast<size_t>(v.dimension)];
    block = std::min(shape[static_cast<size_t>(v.dimension)], v.block * v.scale);
  }
}

bool try_roles(const GemmPlan& form, bool swap, GemmPlan& plan) {
  plan = form;
  if (swap) {
    std::swap(plan.v_operand, plan.s_operand);
    for (GemmPhase& phase : plan.phases) std::swap(phase.v, phase.s);
  }
  return assign_roles(plan);
}

}  // namespace

bool GemmPhase::empty() const { return std::find(k_extents.begin(), k_extents.end(), 0) != k_extents.end(); }

std::vector<int64_t> role_strides(const GemmPlan& plan, GemmRole role) {
  std::vector<int64_t> strides(plan.variables.size(), 0);
  int64_t stride = 1;
  for (size_t v = plan.variables.size(); v-- > 0;) {
    if (plan.variables[v].role != role) continue;
    strides[v] = stride;
    stride *= plan.variables[v].block;
  }
  return strides;
}

int64_t output_scale(const GemmPlan& plan, size_t dimension) {
  for (const GemmVariable& v : plan.variables)
    if (v.dimension == static_cast<int>(dimension)) return v.scale;
  return 1;
}

Shape GemmPlan::stage_shape() const {
  Shape shape;
  for (size_t d = 0; d < phases[0].s.size(); ++d) {
    int64_t span = 1;
    for (const GemmPhase& phase : phases) {
      int64_t own = 1;
      for (size_t v = 0; v < variables.size(); ++v)
        own += std::abs(phase.s[d].coefficients[v]) * (variables[v].block - 1);
      span = std::max(span, own);
    }
    shape.push_back(span);
  }
  return shape;
}

int64_t GemmPlan::stage_floats() const { return stage_s ? element_count(stage_shape()) + lanes : 0; }

int64_t GemmPlan::scratch_bytes() const {
  auto aligned = [](int64_t floats) { return ceil_div(floats * 4, 64) * 64; };
  return aligned(c_floats() * static_cast<int64_t>(phases.size())) + aligned(panel_floats()) + aligned(stage_floats());
}

std::vector<int64_t> scalar_strides(const GemmPlan& plan, const GemmPhase& phase) {
  Shape pitches;
  if (plan.stage_s) pitches = row_major_strides(plan.stage_shape());
  std::vector<int64_t> strides(plan.variables.size(), 0);
  for (size_t v = 0; v < plan.variables.size(); ++v)
    for (size_t d = 0; d < phase.s.size(); ++d)
      strides[v] += phase.s[d].coefficients[v] * (plan.stage_s ? pitches[d] : phase.s[d].stride);
  return strides;
}

std::optional<GemmPlan> plan_gemm(const KernelBody& body, const Target& target) {
  GemmPlan form;
  form.lanes = target.vector_lanes;
  form.v_operand = body.contraction->lhs;
  form.s_operand = body.contraction->rhs;
  if (!GatherForm(body).build(form)) return std::nullopt;

  GemmPlan plan, other;
  const bool first = try_roles(form, false, plan), second = try_roles(form, true, other);
  if (!first && !second) return std::nullopt;
  if (second && (!first || cost(other) < cost(plan))) plan = other;

  const int64_t m = extent_of(plan, GemmRole::m), n = extent_of(plan, GemmRole::n), k = extent_of(plan, GemmRole::k);
  // The transposing pack walks V along its contiguous k, which is then the last.
  const int last_m = last_of(plan, GemmRole::m);
  const bool contiguous_m = last_m >= 0 && memory_stride(plan.phases[0].v, static_cast<size_t>(last_m)) == 1;
  const int last_k = last_of(plan, GemmRole::k);
  plan.transpose_v = !contiguous_m && last_k >= 0 && memory_stride(plan.phases[0].v, static_cast<size_t>(last_k)) == 1;
  if (m < plan.lanes / 4 || (plan.transpose_v && n < 4)) return std::nullopt;
  plan.stage_s = body.operands[static_cast<size_t>(plan.s_operand)].dtype != DType::f32 ||
                 std::any_of(plan.phases.begin(), plan.phases.end(), [](const GemmPhase& phase) {
                   return std::any_of(phase.s.begin(), phase.s.end(), [](const GemmIndex& i) { return i.checked; });
                 });

  block_m(plan, k);
  block_n(plan, k);
  plan.m_block = block_product(plan, GemmRole::m);
  plan.n_block = block_product(plan, GemmRole::n);
  plan.m_vectors = ceil_div(plan.m_block, plan.lanes);
  block_k(plan, kPanelBytes);
  choose_tile(plan);
  set_output_block(plan, body.nest.extents);
  return plan;
}

std::string to_string(const GemmPlan& plan) {
  auto text = [](int64_t v) { return std::to_string(v); };
  std::string result = "gemm C " + text(plan.n_block) + "x" + text(plan.m_block) + " (" + text(plan.m_vectors) +
                       " vectors of " + text(plan.lanes) + "), k block " + text(plan.k_block) + ", tile " +
                       text(plan.tile_vectors) + "x" + text(plan.tile_scalars) + ", V in" + text(plan.v_operand) +
                       (plan.transpose_v ? " transposed" : "") + ", S in" + text(plan.s_operand) +
                       (plan.stage_s ? " staged" : "") + ", " + text(static_cast<int64_t>(plan.phases.size())) + " phases\n";
  static const char* const kRoles[] = {"batch", "m", "n", "k"};
  for (const GemmVariable& v : plan.variables)
    result += std::string("  ") + kRoles[static_cast<int>(v.role)] + " " + text(v.extent) + " by " + text(v.block) + "\n";
  return result;
}

}  // namespace netc
