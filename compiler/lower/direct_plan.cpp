#include "compiler/lower/direct_plan.h"

#include <algorithm>
#include <cmath>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr int64_t kTaskMultiplyAdds = 8 << 20;  // some 70 us with 512-bit vectors
constexpr int64_t kMinTasks = 16;
constexpr int64_t kShortestTask = 256 << 10;     // multiply-adds below which more tasks are no gain
constexpr int64_t kFewTiles = 32;
constexpr int64_t kShortestSumBlock = 48;        // steps
constexpr double kBytesPerCycle = 8;             // of one core from memory that others use too

int64_t block_product(const DirectPlan& plan) {
  int64_t product = 1;
  for (const GemmVariable& v : plan.variables)
    if (v.dimension >= 0) product *= v.block;
  return product;
}

// --- Which variable plays which part ---

class Parts {
 public:
  Parts(const KernelBody& body, const Target& target, DirectPlan& plan)
      : body_(body), bf16_pairs_(target.bf16_pairs), plan_(plan) {}

  bool assign() {
    const DType dtype = body_.operands[static_cast<size_t>(plan_.v_operand)].dtype;
    if (!is_floating(dtype) || body_.operands[static_cast<size_t>(plan_.s_operand)].dtype != dtype) return false;
    plan_.element_bytes = size_of(dtype);
    tighten_checks();
    if (!assign_lanes() || !check_indices()) return false;
    assign_rows_and_groups();
    if (!check_partials()) return false;
    merge_rows();
    order_sums();
    plan_.pairs = dtype == DType::bf16 && sums_in_pairs();
    plan_.dot_products = plan_.pairs && bf16_pairs_;
    return true;
  }

 private:
  size_t count() const { return plan_.variables.size(); }
  const GemmVariable& variable(int v) const { return plan_.variables[static_cast<size_t>(v)]; }

  // Tiles stop at the last value of their phase, so an index is checked only where that phase leaves the operand.
  void tighten_checks() {
    for (GemmPhase& phase : plan_.phases)
      for (std::vector<GemmIndex>* index : {&phase.v, &phase.s})
        for (GemmIndex& d : *index) {
          int64_t low = d.constant, high = d.constant;
          for (size_t v = 0; v < count(); ++v)
            (d.coefficients[v] < 0 ? low : high) += d.coefficients[v] * (values_in(phase, v) - 1);
          d.checked = low < 0 || high >= d.extent;
        }
  }

  int64_t values_in(const GemmPhase& phase, size_t v) const {
    const GemmVariable& variable = plan_.variables[v];
    if (variable.dimension < 0) return phase.k_extents[v];
    if (variable.scale == 1) return variable.extent;
    const auto d = static_cast<size_t>(variable.dimension);
    return ceil_div(body_.nest.extents[d] - phase.residues[d], variable.scale);
  }

  // The last dimension of the output, contiguous there and in the lane operand.
  bool assign_lanes() {
    const int last = static_cast<int>(body_.nest.extents.size()) - 1;
    for (size_t v = 0; v < count(); ++v) {
      const GemmVariable& variable = plan_.variables[v];
      if (variable.dimension != last) continue;
      if (plan_.lane >= 0 || variable.role != GemmRole::n || variable.extent != kLaneBlock) return false;
      if (memory_stride(plan_.phases[0].s, v) != 1) return false;
      plan_.lane = static_cast<int>(v);
    }
    return plan_.lane >= 0 && std::all_of(body_.nest.stores.begin(), body_.nest.stores.end(), [&](const Store& s) {
      return body_.operands[static_cast<size_t>(s.output)].strides.back() == 1;
    });
  }

  // The innermost variable of the broadcast operand alone makes rows, the innermost of the lane operand alone groups.
  void assign_rows_and_groups() {
    for (size_t v = count(); v-- > 0;) {
      const GemmVariable& variable = plan_.variables[v];
      if (variable.dimension < 0 || static_cast<int>(v) == plan_.lane || variable.extent == 1) continue;
      if (variable.role == GemmRole::m && plan_.row < 0 && !checked(v)) plan_.row = static_cast<int>(v);
      if (variable.role == GemmRole::n && plan_.group < 0) plan_.group = static_cast<int>(v);
    }
  }

  bool checked(size_t v) const {
    for (const GemmPhase& phase : plan_.phases)
      for (const GemmIndex& d : phase.v)
        if (d.checked && d.coefficients[v] != 0) return true;
    return false;
  }

  // The lane operand is never left; a dimension of the broadcast operand that may be left bounds one sum.
  bool check_indices() const {
    for (const GemmPhase& phase : plan_.phases) {
      if (phase.empty()) continue;
      for (const GemmIndex& d : phase.s)
        if (d.checked) return false;
      for (const GemmIndex& d : phase.v) {
        if (!d.checked) continue;
        int sums = 0;
        for (size_t v = 0; v < count(); ++v)
          if (plan_.variables[v].dimension < 0 && d.coefficients[v] != 0) ++sums;
        if (sums != 1) return false;
      }
    }
    return true;
  }

  // Partial sums keep the lanes, and the groups if they keep anything else.
  bool check_partials() {
    for (const PartialSum& p : body_.partials) {
      const int lanes = variable(plan_.lane).dimension;
      const int groups = plan_.group < 0 ? -1 : variable(plan_.group).dimension;
      bool kept_lanes = false, kept_groups = plan_.group < 0;
      for (int axis : p.kept) {
        if (axis == lanes) kept_lanes = true;
        else if (axis == groups) kept_groups = true;
        else if (body_.nest.extents[static_cast<size_t>(axis)] > 1) return false;
      }
      if (!kept_lanes || !kept_groups) return false;
    }
    return true;
  }

  // Rows of neighbouring images, pixels of all rows: where every access walks both variables evenly.
  void merge_rows() {
    if (plan_.row < 1) return;
    const int outer = plan_.row - 1;
    const GemmVariable &o = variable(outer), &r = variable(plan_.row);
    if (o.role != GemmRole::m || o.extent == 1 || o.radix > 0 || r.radix > 0 || o.scale != 1 || r.scale != 1) return;
    if (o.dimension != r.dimension - 1 || checked(static_cast<size_t>(outer))) return;
    const GemmPhase& phase = plan_.phases[0];
    if (memory_stride(phase.v, static_cast<size_t>(outer)) !=
        memory_stride(phase.v, static_cast<size_t>(plan_.row)) * r.extent)
      return;
    if (runs_as_one(o.dimension, r.dimension)) plan_.merged = outer;
  }

  // Whether the epilogue uses both axes only in addresses in which they advance evenly.
  bool runs_as_one(int outer, int inner) const {
    const LoopNest& nest = body_.nest;
    const int64_t extent = nest.extents[static_cast<size_t>(inner)];
    for (const Store& s : nest.stores) {
      const Shape& strides = body_.operands[static_cast<size_t>(s.output)].strides;
      if (strides[static_cast<size_t>(outer)] != strides[static_cast<size_t>(inner)] * extent) return false;
    }
    std::vector<ExprId> roots;
    for (const Store& s : nest.stores) roots.push_back(s.value);
    for (const PartialSum& p : body_.partials) roots.push_back(p.body);
    bool even = true;
    visit_postorder(nest.dag, roots, [&](ExprId id) {
      const Expr& e = nest.dag[id];
      for (ExprId arg : e.args) {  // guards, comparisons, random numbers: values of an index
        AffineIndex index;
        if (arg == kNoExpr || nest.dag[arg].type != ExprType::index || e.type == ExprType::index) continue;
        if (!as_affine(nest.dag, arg, index) || index.coefficients.count(outer) || index.coefficients.count(inner)) even = false;
      }
      if (e.kind != ExprKind::load && e.kind != ExprKind::index_load) return;
      int64_t steps[2] = {0, 0};
      for (size_t d = 0; d < e.indices.size(); ++d) {
        AffineIndex index;
        if (!as_affine(nest.dag, e.indices[d], index)) even = false;
        const int64_t stride = body_.operands[static_cast<size_t>(e.integer)].strides[d];
        for (auto [axis, c] : index.coefficients) {
          if (axis == outer) steps[0] += c * stride;
          if (axis == inner) steps[1] += c * stride;
        }
      }
      if (steps[0] != steps[1] * extent) even = false;
    });
    return even;
  }

  // The lane operand is read in the order in which it lies.
  void order_sums() {
    for (size_t v = 0; v < count(); ++v)
      if (plan_.variables[v].dimension < 0) plan_.sums.push_back(static_cast<int>(v));
    const GemmPhase& phase = plan_.phases[0];
    std::stable_sort(plan_.sums.begin(), plan_.sums.end(), [&](int a, int b) {
      return std::abs(memory_stride(phase.s, static_cast<size_t>(a))) > std::abs(memory_stride(phase.s, static_cast<size_t>(b)));
    });
  }

  // Two steps of the innermost loop are two blocks of lanes, and two neighbouring scalars of a row or of all rows.
  bool sums_in_pairs() const {
    return std::all_of(plan_.phases.begin(), plan_.phases.end(), [&](const GemmPhase& phase) {
      if (phase.empty()) return true;
      const SumLoop inner = sum_loops(plan_, phase).back();
      return inner.variable >= 0 && inner.checked.empty() && (inner.broadcast_stride == 1 || plan_.streams());
    });
  }

  const KernelBody& body_;
  const bool bf16_pairs_;
  DirectPlan& plan_;
};

// --- Costs ---

// Rates of one core, in cycles; registers of the target.
struct Machine {
  double multiply_adds = 2, loads = 2;  // vectors a cycle
  double latency = 4;                   // of a multiply-add
  double prefetch = 2;                  // in loads
  double l2_bytes = 28;                 // a cycle from the second-level cache
  int64_t l1_size;
  int64_t registers;                    // that a tile may fill
  explicit Machine(const Target& target) : l1_size(target.l1_bytes), registers(target.vector_lanes == 16 ? 30 : 15) {}
};

int64_t registers_of(const DirectPlan& plan, int64_t groups, int64_t rows) {
  const int64_t vectors = groups * plan.vectors();
  return vectors * rows + std::min(vectors, rows) + (plan.dot_products ? 2 : 1);
}

// Cycles of one tile: the sum, then what leaves the registers.
double tile_cycles(const DirectPlan& plan, const Machine& machine, int64_t groups, int64_t rows, int64_t steps) {
  const double vectors = static_cast<double>(groups * plan.vectors()), r = static_cast<double>(rows);
  double loads = vectors + r + 0.5;
  if (plan.streams()) loads += machine.prefetch * static_cast<double>(groups + 1) + (plan.dot_products ? 2 : 0);
  double step = std::max({vectors * r / machine.multiply_adds, loads / machine.loads, machine.latency});
  if (plan.dot_products) steps = ceil_div(steps, 2);
  const int64_t bytes = plan.element_bytes * (plan.dot_products ? 2 : 1) * kLaneBlock * groups;
  if (bytes * steps > machine.l1_size / 2) step = std::max(step, static_cast<double>(bytes) / machine.l2_bytes);
  return step * static_cast<double>(steps) + 30 + 4 * vectors * r;
}

// The tile that takes all rows and groups in the fewest cycles.
DirectTile choose_tile(const DirectPlan& plan, const Target& target) {
  const Machine machine(target);
  const int64_t rows = plan.row < 0 ? 1 : plan.row_count(plan.phases[0]);
  const int64_t groups = plan.group_count();
  const int64_t steps = plan.steps();
  DirectTile best;
  double best_cost = 0;
  for (int64_t g = 1; g <= std::min<int64_t>(groups, 8); ++g)
    for (int64_t r = 1; r <= std::min<int64_t>(rows, 28); ++r) {
      if (registers_of(plan, g, r) > machine.registers) break;
      double cost = 0;
      for (const Pieces& gp : balanced_pieces(groups, g))
        for (const Pieces& rp : balanced_pieces(rows, r)) {
          cost += static_cast<double>(gp.count * rp.count) * tile_cycles(plan, machine, gp.width, rp.width, steps);
          cost += 50;  // every shape is code of its own
        }
      if (best_cost == 0 || cost < best_cost) {
        best_cost = cost;
        best.groups = g;
        best.rows = r;
      }
    }
  return best;
}

// Elements of an operand that a task touches, sums being whole or in one block.
int64_t touched(const DirectPlan& plan, const std::vector<GemmIndex>& index, const GemmPhase& phase, bool block_of_sum) {
  int64_t elements = 1;
  for (const GemmIndex& d : index) {
    int64_t span = 1, points = 1;
    for (size_t v = 0; v < plan.variables.size(); ++v) {
      if (d.coefficients[v] == 0) continue;
      const GemmVariable& variable = plan.variables[v];
      const int64_t values = std::max<int64_t>(1, variable.dimension >= 0 || block_of_sum ? variable.block : phase.k_extents[v]);
      span += std::abs(d.coefficients[v]) * (values - 1);
      points *= values;
    }
    elements *= std::min({span, points, d.extent});
  }
  return elements;
}

int64_t task_count(const DirectPlan& plan) {
  int64_t tasks = 1;
  for (const GemmVariable& v : plan.variables)
    if (v.dimension >= 0) tasks *= ceil_div(v.extent, v.block);
  return tasks;
}

// Bytes between memory and caches of all tasks together.
double traffic(const DirectPlan& plan) {
  const GemmPhase& phase = plan.phases[0];
  return static_cast<double>(task_count(plan)) *
         static_cast<double>(touched(plan, phase.v, phase, false) + touched(plan, phase.s, phase, false));
}

double traffic_with(DirectPlan plan, size_t v, int64_t block) {
  plan.variables[v].block = block;
  return traffic(plan);
}

int64_t divisor_up_to(int64_t extent, int64_t limit) {
  for (int64_t b = std::min(extent, limit); b > 1; --b)
    if (extent % b == 0) return b;
  return 1;
}

// The next smaller block of a variable; 0: none. Rows and groups come in blocks that divide them.
int64_t smaller_block(const DirectPlan& plan, size_t v) {
  const GemmVariable& variable = plan.variables[v];
  const int number = static_cast<int>(v);
  if (variable.dimension < 0 || number == plan.lane || variable.block == 1) return 0;
  if (number == plan.row && (plan.merged >= 0 || variable.scale > 1)) return 0;
  if (number == plan.row || number == plan.group) {
    const int64_t b = divisor_up_to(variable.extent, variable.block - 1);
    return b < (number == plan.row ? plan.tile.rows : plan.tile.groups) ? 0 : b;
  }
  if (variable.radix > 0 || number == plan.merged) return divisor_up_to(variable.extent, variable.block - 1);
  const int64_t half = ceil_div(variable.block, 2);
  return ceil_div(variable.extent, ceil_div(variable.extent, half));
}

void whole_blocks(DirectPlan& plan) {
  for (GemmVariable& v : plan.variables)
    if (v.dimension >= 0) v.block = v.outer ? 1 : v.extent;
}

// Starts with one task and makes that block smaller which costs the least traffic, until tasks are short and many. Beyond
// kMinTasks only as long as memory keeps up with the arithmetic.
void choose_blocks(DirectPlan& plan) {
  const int64_t steps = plan.steps();
  whole_blocks(plan);
  const int64_t at_a_time = plan.dot_products ? 2 : 1;  // steps of a multiply-add
  const double cycles = static_cast<double>(task_count(plan) * block_product(plan) * steps) / static_cast<double>(2 * plan.vector_lanes * at_a_time);
  for (;;) {
    const int64_t work = block_product(plan) * steps, tasks = task_count(plan);
    const bool few = tasks < kMinTasks && work > kShortestTask;
    if (!few && work <= kTaskMultiplyAdds * at_a_time * plan.vector_lanes / 16) return;
    int chosen = -1;
    int64_t chosen_block = 0;
    double least = 0;
    for (size_t v = 0; v < plan.variables.size(); ++v) {
      const int64_t smaller = smaller_block(plan, v);
      // Parts of rows only where nothing else is left: they end where memory would go on.
      if (smaller == 0 || (static_cast<int>(v) == plan.row && chosen >= 0)) continue;
      const double cost = traffic_with(plan, v, smaller);
      const bool instead_of_row = chosen == plan.row && chosen >= 0;
      if (chosen >= 0 && !instead_of_row && cost >= least) continue;
      chosen = static_cast<int>(v);
      chosen_block = smaller;
      least = cost;
    }
    if (chosen < 0 || (!few && static_cast<double>(plan.element_bytes) * least / kBytesPerCycle > cycles / 2)) return;
    plan.variables[static_cast<size_t>(chosen)].block = chosen_block;
  }
}

// Variables of the sum that are never cut: the innermost loop's, and where it counts an odd number, so that pairs of steps
// reach over its end, all that run as one with it. So which steps are a pair does not depend on the target's caches.
size_t whole_sums(const DirectPlan& plan) {
  size_t whole = 1;
  for (const GemmPhase& phase : plan.phases) {
    if (!plan.pairs || phase.empty()) continue;
    const std::vector<SumLoop> loops = sum_loops(plan, phase);
    if (phase.k_extents[static_cast<size_t>(loops.back().variable)] % 2 == 0) continue;
    const auto outer = loops.size() == 1 ? plan.sums.begin() : std::find(plan.sums.begin(), plan.sums.end(), loops[loops.size() - 2].variable) + 1;
    whole = std::max(whole, static_cast<size_t>(plan.sums.end() - outer));
  }
  return whole;
}

// Cuts the sum so that what one block of it reads stays in the cache while all tiles of the task run over it.
void block_sum(DirectPlan& plan) {
  const GemmPhase& phase = plan.phases[0];
  for (int v : plan.sums) {
    int64_t longest = 1;
    for (const GemmPhase& p : plan.phases) longest = std::max(longest, p.k_extents[static_cast<size_t>(v)]);
    plan.variables[static_cast<size_t>(v)].block = longest;
  }
  auto bytes = [&] { return plan.element_bytes * (touched(plan, phase.v, phase, true) + touched(plan, phase.s, phase, true)); };
  plan.split = -1;
  if (plan.tile.sum_block_bytes == 0 || bytes() <= plan.tile.sum_block_bytes) return;
  for (size_t i = 0, whole = whole_sums(plan); i + whole < plan.sums.size(); ++i) {
    GemmVariable& variable = plan.variables[static_cast<size_t>(plan.sums[i])];
    const int64_t extent = variable.block;
    while (variable.block > 1 && bytes() > plan.tile.sum_block_bytes)
      variable.block = std::min(variable.block - 1, ceil_div(extent, ceil_div(extent, variable.block) + 1));
    if (variable.block < extent) plan.split = static_cast<int>(i);
    if (bytes() <= plan.tile.sum_block_bytes) return;
  }
}

// A block in the first-level cache where both operands stream, unless it were so short that C would move more than they.
int64_t choose_sum_block(DirectPlan plan, const Target& target) {
  if (plan.streams()) {
    plan.tile.sum_block_bytes = target.l1_bytes * 3 / 2;
    block_sum(plan);
    int64_t steps = 1;
    for (int v : plan.sums) steps *= plan.variables[static_cast<size_t>(v)].block;
    if (steps >= kShortestSumBlock * (plan.dot_products ? 2 : 1)) return plan.tile.sum_block_bytes;
  }
  return target.l2_bytes / 2;
}

// How far ahead, in steps: two streams wait for memory at every step; weights that do not stay in the second-level
// cache come from further away for the first tile of their group at least, which counts where there are few.
int64_t choose_prefetch(const DirectPlan& plan, const Target& target) {
  if (plan.streams()) return 48;
  int64_t weights = plan.element_bytes;
  for (const GemmIndex& d : plan.phases[0].s) weights *= d.extent;
  int64_t tiles = plan.row < 0 ? 1 : ceil_div(plan.row_count(plan.phases[0]), plan.tile.rows);
  for (size_t v = 0; v < plan.variables.size(); ++v)
    if (plan.is_outer(v) && plan.variables[v].role == GemmRole::m) tiles *= plan.variables[v].block;
  return weights > target.l2_bytes && tiles <= kFewTiles ? 128 : 0;
}

void order_loops(DirectPlan& plan) {
  const bool innermost = plan.tile.group_innermost;
  if (!innermost && plan.group >= 0) plan.order.push_back(plan.group);
  for (size_t v = 0; v < plan.variables.size(); ++v)
    if (plan.is_outer(v)) plan.order.push_back(static_cast<int>(v));
  if (plan.row >= 0) plan.order.push_back(plan.row);
  if (innermost && plan.group >= 0) plan.order.push_back(plan.group);
}

void set_output_block(DirectPlan& plan, const Shape& extents) {
  plan.output_block.assign(extents.size(), 1);
  for (const GemmVariable& v : plan.variables) {
    if (v.dimension < 0 || v.outer) continue;
    const auto d = static_cast<size_t>(v.dimension);
    plan.output_block[d] = std::min(extents[d], v.block * v.scale);
  }
}

// Who plays which part, with all of the body in one task.
std::optional<DirectPlan> plan_one_task(const KernelBody& body, const Target& target) {
  for (bool swap : {false, true}) {
    const std::optional<GemmForm> form = gemm_form(body, swap);
    if (!form) continue;
    DirectPlan plan;
    static_cast<GemmForm&>(plan) = *form;
    plan.vector_lanes = target.vector_lanes;
    if (!Parts(body, target, plan).assign()) continue;
    whole_blocks(plan);
    set_output_block(plan, body.nest.extents);
    return plan;
  }
  return std::nullopt;
}

}  // namespace

bool DirectPlan::is_outer(size_t v) const {
  const int number = static_cast<int>(v);
  return variables[v].dimension >= 0 && number != lane && number != row && number != group && number != merged;
}

int64_t DirectPlan::row_count(const GemmPhase& phase) const {
  if (row < 0) return 1;
  const GemmVariable& r = variables[static_cast<size_t>(row)];
  if (merged >= 0) return variables[static_cast<size_t>(merged)].block * r.block;
  if (r.scale == 1) return r.block;
  // With phases rows are whole: the last ones of a phase may be missing.
  const int64_t extent = output_block[static_cast<size_t>(r.dimension)];
  return ceil_div(extent - phase.residues[static_cast<size_t>(r.dimension)], r.scale);
}

bool DirectPlan::streams() const { return row >= 0 && memory_stride(phases[0].v, static_cast<size_t>(row)) == 1; }

int64_t DirectPlan::steps() const {
  int64_t most = 1;
  for (const GemmPhase& phase : phases) {
    int64_t steps = 1;
    for (int v : sums) steps *= phase.k_extents[static_cast<size_t>(v)];
    most = std::max(most, steps);
  }
  return most;
}

int64_t DirectPlan::group_count() const { return group < 0 ? 1 : variables[static_cast<size_t>(group)].block; }

int64_t DirectPlan::blocks_of_sum() const {
  if (split < 0) return 1;
  int64_t blocks = 1;
  for (int v : sums) {
    int64_t longest = 1;
    for (const GemmPhase& phase : phases) longest = std::max(longest, phase.k_extents[static_cast<size_t>(v)]);
    blocks *= ceil_div(longest, variables[static_cast<size_t>(v)].block);
  }
  return blocks;
}

std::vector<int64_t> DirectPlan::c_strides() const {
  std::vector<int64_t> strides(variables.size(), 0);
  int64_t stride = 1;
  for (size_t v = variables.size(); v-- > 0;) {
    if (variables[v].dimension < 0) continue;
    strides[v] = stride;
    stride *= variables[v].block;
  }
  return strides;
}

int64_t DirectPlan::c_floats() const { return split < 0 ? 0 : block_product(*this); }

int64_t DirectPlan::scratch_bytes() const { return 4 * (ceil_div(partial_floats, kLaneBlock) * kLaneBlock + c_floats()); }

std::vector<Pieces> balanced_pieces(int64_t count, int64_t most) {
  if (count == 0) return {};
  const int64_t pieces = ceil_div(count, most), width = count / pieces, wider = count % pieces;
  std::vector<Pieces> result;
  if (wider > 0) result.push_back({wider, width + 1, 0});
  result.push_back({pieces - wider, width, wider * (width + 1)});
  return result;
}

std::vector<SumLoop> sum_loops(const DirectPlan& plan, const GemmPhase& phase) {
  std::vector<SumLoop> loops;
  for (size_t i = 0; i < plan.sums.size(); ++i) {
    const auto v = static_cast<size_t>(plan.sums[i]);
    SumLoop loop;
    loop.variable = plan.sums[i];
    loop.extent = phase.k_extents[v];
    loop.broadcast_stride = memory_stride(phase.v, v);
    loop.lane_stride = memory_stride(phase.s, v);
    loop.blocked = static_cast<int>(i) <= plan.split;
    for (size_t d = 0; d < phase.v.size(); ++d)
      if (phase.v[d].checked && phase.v[d].coefficients[v] != 0) loop.checked.push_back(static_cast<int>(d));
    if (loop.extent == 1 && loop.checked.empty()) continue;
    if (!loops.empty()) {
      SumLoop& outer = loops.back();
      const bool bound = !outer.checked.empty() || !loop.checked.empty() || outer.blocked || loop.blocked;
      if (!bound && outer.broadcast_stride == loop.broadcast_stride * loop.extent && outer.lane_stride == loop.lane_stride * loop.extent) {
        loop.extent *= outer.extent;
        outer = loop;
        continue;
      }
    }
    loops.push_back(loop);
  }
  if (loops.empty()) loops.push_back({});
  return loops;
}

std::optional<DirectPlan> plan_direct(const KernelBody& body, const Target& target, const std::optional<DirectTile>& tile) {
  std::optional<DirectPlan> parts = plan_one_task(body, target);
  if (!parts) return std::nullopt;
  DirectPlan& plan = *parts;
  plan.tile = tile ? *tile : choose_tile(plan, target);
  choose_blocks(plan);
  set_output_block(plan, body.nest.extents);
  if (!tile) {
    plan.tile = choose_tile(plan, target);
    const GemmPhase& phase = plan.phases[0];
    // Whichever is read again and again stays in the cache; what the stores touch is longest in one piece with groups outside.
    plan.tile.group_innermost = plan.element_bytes * touched(plan, phase.v, phase, false) > target.l2_bytes / 2 &&
                                plan.element_bytes * touched(plan, phase.s, phase, false) <= target.l2_bytes / 2;
    plan.tile.sum_block_bytes = choose_sum_block(plan, target);
    plan.tile.prefetch_steps = choose_prefetch(plan, target);
  }
  block_sum(plan);
  order_loops(plan);
  if (!body.partials.empty()) plan.partial_floats = static_cast<int64_t>(body.partials.size()) * plan.group_count() * kLaneBlock;
  return parts;
}

std::optional<DirectPlan> plan_direct_task(const KernelBody& body, const Target& target) {
  NETC_CHECK(body.partials.empty(), "partial sums belong to a kernel's own tasks");
  std::optional<DirectPlan> plan = plan_one_task(body, target);
  if (!plan) return std::nullopt;
  plan->tile = choose_tile(*plan, target);
  block_sum(*plan);
  order_loops(*plan);
  return plan;
}

std::string to_string(const DirectPlan& plan) {
  auto text = [](int64_t v) { return std::to_string(v); };
  std::string result = "direct tile " + text(plan.tile.groups) + "x" + text(plan.tile.rows) + " of " + text(plan.vectors()) +
                       "x" + text(plan.vector_lanes) + (plan.dot_products ? " lanes, dot products of pairs, in" : plan.pairs ? " lanes, pairs, in" : " lanes in") + text(plan.s_operand) + ", broadcast in" +
                       text(plan.v_operand) + ", " + text(static_cast<int64_t>(plan.phases.size())) + " phases, " +
                       text(plan.blocks_of_sum()) + " blocks of the sum, groups " +
                       (plan.tile.group_innermost ? "innermost" : "outermost") + "\n";
  for (size_t v = 0; v < plan.variables.size(); ++v) {
    const int number = static_cast<int>(v);
    const char* part = number == plan.lane ? "lane" : number == plan.row || number == plan.merged ? "row"
                       : number == plan.group ? "group" : plan.is_outer(v) ? "outer" : "sum";
    result += std::string("  ") + part + " " + text(plan.variables[v].extent) + " by " + text(plan.variables[v].block) + "\n";
  }
  return result;
}

}  // namespace netc
