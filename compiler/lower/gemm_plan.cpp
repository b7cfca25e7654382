#include "compiler/lower/gemm_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr int64_t kPanelBytes = 96 << 10;       // of V in one K block: stays in the second-level cache
constexpr int64_t kTaskMultiplyAdds = 4 << 20;  // some 50 us
constexpr int64_t kMinTasks = 16;

// Cycles per multiply-add, roughly: the sums themselves with their empty lanes, packing V once per task,
// and an epilogue that reads C across its rows if neighbours of the output are not neighbours in m.
double cost(const GemmPlan& plan) {
  const double lanes = plan.lanes, typical_block = 128;
  const double m = static_cast<double>(plan.extent(GemmRole::m));
  const double n = std::min(typical_block, static_cast<double>(plan.extent(GemmRole::n)));
  const double k = static_cast<double>(plan.extent(GemmRole::k));
  const int last_m = plan.last(GemmRole::m), last_k = plan.last(GemmRole::k);
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
  const int last = plan.last(GemmRole::m);
  if (!plan.transpose_v || last < 0) return false;
  GemmVariable& v = plan.variables[static_cast<size_t>(last)];
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

}  // namespace

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
  const auto plan_of = [&](bool swap) -> std::optional<GemmPlan> {
    std::optional<GemmForm> form = gemm_form(body, swap);
    if (!form) return std::nullopt;
    GemmPlan result;
    static_cast<GemmForm&>(result) = *std::move(form);
    result.lanes = target.vector_lanes;
    return result;
  };
  const std::optional<GemmPlan> first = plan_of(false), second = plan_of(true);
  if (!first && !second) return std::nullopt;
  GemmPlan plan = second && (!first || cost(*second) < cost(*first)) ? *second : *first;

  const int64_t m = plan.extent(GemmRole::m), n = plan.extent(GemmRole::n), k = plan.extent(GemmRole::k);
  // The transposing pack walks V along its contiguous k, which is then the last.
  const int last_m = plan.last(GemmRole::m);
  const bool contiguous_m = last_m >= 0 && memory_stride(plan.phases[0].v, static_cast<size_t>(last_m)) == 1;
  const int last_k = plan.last(GemmRole::k);
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
