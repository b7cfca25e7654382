#include "compiler/lower/memory_plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "compiler/base/error.h"
#include "compiler/lower/expand.h"

namespace netc {
namespace {

// The kernels between which a buffer is in use; -1 is the start, the number of kernels the end.
struct Life {
  int first = -1, last = -2;
  bool used() const { return last >= first; }
};

class Planner {
 public:
  explicit Planner(const Schedule& schedule) : schedule_(schedule), lives_(schedule.buffers.size()) {
    representative_.resize(schedule.buffers.size());
    std::iota(representative_.begin(), representative_.end(), 0);
  }

  MemoryPlan run() {
    find_lives();
    share_in_place();
    assign_offsets();
    return std::move(plan_);
  }

 private:
  bool in_arena(int32_t buffer) const { return schedule_.buffers[static_cast<size_t>(buffer)].state < 0; }
  int64_t bytes(int32_t buffer) const { return schedule_.buffers[static_cast<size_t>(buffer)].bytes; }
  Life& life(int32_t buffer) { return lives_[static_cast<size_t>(buffer)]; }

  void find_lives() {
    const int end = static_cast<int>(schedule_.kernels.size());
    auto use = [&](int32_t buffer, int kernel) {
      Life& l = life(buffer);
      if (!l.used()) l = {kernel, kernel};
      l.last = std::max(l.last, kernel);
    };
    for (const ScheduleSlot& input : schedule_.inputs) use(input.view.buffer, -1);
    for (int k = 0; k < end; ++k)
      for (const BufferView& view : schedule_.kernels[static_cast<size_t>(k)].operands) use(view.buffer, k);
    for (const ScheduleSlot& output : schedule_.outputs) use(output.view.buffer, end);
  }

  int32_t representative(int32_t buffer) const {
    while (representative_[static_cast<size_t>(buffer)] != buffer) buffer = representative_[static_cast<size_t>(buffer)];
    return buffer;
  }

  // Lets kernel k's results take over the memory of operands that die in it.
  void share_in_place() {
    for (size_t k = 0; k < schedule_.kernels.size(); ++k) {
      const ScheduledKernel& kernel = schedule_.kernels[k];
      std::set<int32_t> taken;
      for (size_t w = 0; w < kernel.operands.size(); ++w) {
        int32_t written = kernel.operands[w].buffer;
        if (!kernel.body.operands[w].written || !in_arena(written) || life(written).first != static_cast<int>(k)) continue;
        for (size_t r = 0; r < kernel.operands.size(); ++r) {
          int32_t read = kernel.operands[r].buffer;
          if (!may_take_over(kernel, w, r, static_cast<int>(k)) || !taken.insert(representative(read)).second) continue;
          representative_[static_cast<size_t>(written)] = representative(read);
          Life& merged = life(representative(read));
          merged.last = std::max(merged.last, life(written).last);
          ++plan_.in_place;
          break;
        }
      }
    }
  }

  // Both operands are their whole buffers, halos included, equal element by element, and the read one dies here.
  bool may_take_over(const ScheduledKernel& kernel, size_t written, size_t read, int k) {
    const KernelOperand& w = kernel.body.operands[written];
    const KernelOperand& r = kernel.body.operands[read];
    int32_t to = kernel.operands[written].buffer, from = kernel.operands[read].buffer;
    if (r.written || !in_arena(from) || to == from || w.dtype != r.dtype || bytes(to) != bytes(from)) return false;
    if (life(from).last != k || life(representative(from)).last != k) return false;
    int64_t whole = element_count(w.shape);
    for (const HaloMargin& margin : halo_margins(w)) whole += element_count(margin.shape);
    if (whole * size_of(w.dtype) != bytes(to) || !lie_alike(kernel, written, read)) return false;
    int uses_of_from = 0;
    for (const BufferView& view : kernel.operands) uses_of_from += representative(view.buffer) == representative(from);
    if (uses_of_from != 1) return false;
    return loads_own_elements(kernel.body, read);
  }

  // Whether equal elements lie at equal places of the two buffers.
  static bool lie_alike(const ScheduledKernel& kernel, size_t a, size_t b) {
    const KernelOperand &x = kernel.body.operands[a], &y = kernel.body.operands[b];
    if (kernel.operands[a].offset != kernel.operands[b].offset || !same_squeezed(x.shape, y.shape)) return false;
    const std::vector<int> axes = squeezed_axes(x.shape, y.shape);
    for (size_t d = 0; d < axes.size(); ++d)
      if (axes[d] >= 0 && x.strides[d] != y.strides[static_cast<size_t>(axes[d])]) return false;
    return true;
  }

  static bool loads_own_elements(const KernelBody& body, size_t operand) {
    auto number = static_cast<int>(operand);
    if (body.contraction && (body.contraction->lhs == number || body.contraction->rhs == number)) return false;
    const Dag& dag = body.nest.dag;
    auto names_operand = [&](ExprId id) {
      return (dag[id].kind == ExprKind::load || dag[id].kind == ExprKind::index_load) && dag[id].integer == number;
    };
    bool own = true;
    for (const PartialSum& p : body.partials)  // taken after the stores
      visit_postorder(dag, p.body, [&](ExprId id) { own = own && !names_operand(id); });
    visit_postorder(dag, roots_of(body.nest), [&](ExprId id) {
      if (names_operand(id))
        own = own && is_own_element(dag, dag[id], body.operands[operand].shape, body.nest.parallel_extents());
    });
    return own;
  }

  // Greedy by size: the largest buffers first, each at the lowest offset where nothing that lives at the same
  // time is in the way.
  void assign_offsets() {
    plan_.offsets.assign(schedule_.buffers.size(), -1);
    std::vector<int32_t> order;
    for (size_t i = 0; i < schedule_.buffers.size(); ++i) {
      auto buffer = static_cast<int32_t>(i);
      if (in_arena(buffer) && life(buffer).used() && representative(buffer) == buffer) order.push_back(buffer);
    }
    find_lower_bound(order);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      if (bytes(a) != bytes(b)) return bytes(a) > bytes(b);
      return life(a).first < life(b).first;
    });
    std::vector<int32_t> placed;  // by offset
    for (int32_t buffer : order) {
      int64_t offset = 0, size = aligned(bytes(buffer));
      for (int32_t other : placed) {
        if (life(other).first > life(buffer).last || life(buffer).first > life(other).last) continue;
        if (plan_.offsets[static_cast<size_t>(other)] >= offset + size) break;
        offset = std::max(offset, plan_.offsets[static_cast<size_t>(other)] + aligned(bytes(other)));
      }
      plan_.offsets[static_cast<size_t>(buffer)] = offset;
      plan_.arena_bytes = std::max(plan_.arena_bytes, offset + size);
      placed.insert(std::upper_bound(placed.begin(), placed.end(), offset,
                                     [&](int64_t o, int32_t b) { return o < plan_.offsets[static_cast<size_t>(b)]; }),
                    buffer);
    }
    for (size_t i = 0; i < schedule_.buffers.size(); ++i) {
      auto buffer = static_cast<int32_t>(i);
      if (in_arena(buffer) && life(buffer).used())
        plan_.offsets[i] = plan_.offsets[static_cast<size_t>(representative(buffer))];
    }
  }

  void find_lower_bound(const std::vector<int32_t>& buffers) {
    std::map<int, int64_t> changes;
    for (int32_t buffer : buffers) {
      changes[life(buffer).first] += aligned(bytes(buffer));
      changes[life(buffer).last + 1] -= aligned(bytes(buffer));
    }
    int64_t live = 0;
    for (const auto& [kernel, change] : changes) plan_.lower_bound = std::max(plan_.lower_bound, live += change);
  }

  static int64_t aligned(int64_t size) { return ceil_div(size, kArenaAlignment) * kArenaAlignment; }

  const Schedule& schedule_;
  std::vector<Life> lives_;
  std::vector<int32_t> representative_;  // whose memory a buffer uses
  MemoryPlan plan_;
};

// Which buffer's contents each byte of the arena holds.
class Ownership {
 public:
  void take(int64_t begin, int64_t end, int32_t owner) {
    split(begin);
    split(end);
    owners_.erase(owners_.lower_bound(begin), owners_.lower_bound(end));
    owners_[begin] = owner;
  }
  bool owns(int64_t begin, int64_t end, int32_t owner) const {
    for (auto at = std::prev(owners_.upper_bound(begin)); at != owners_.end() && at->first < end; ++at)
      if (at->second != owner) return false;
    return true;
  }

 private:
  void split(int64_t at) {
    owners_.emplace(at, std::prev(owners_.upper_bound(at))->second);
  }
  std::map<int64_t, int32_t> owners_{{0, -1}};  // from this byte on; -1: nothing
};

// Bytes from an operand's first to behind its last element.
int64_t span_bytes(const KernelOperand& operand) {
  int64_t last = 0;
  for (size_t i = 0; i < operand.shape.size(); ++i) last += (operand.shape[i] - 1) * operand.strides[i];
  return (last + 1) * size_of(operand.dtype);
}

}  // namespace

MemoryPlan plan_memory(const Schedule& schedule) {
  MemoryPlan plan = Planner(schedule).run();
  verify(schedule, plan);
  return plan;
}

void verify(const Schedule& schedule, const MemoryPlan& plan) {
  Ownership ownership;
  auto range = [&](const BufferView& view, int64_t size) {
    int64_t begin = plan.offsets[static_cast<size_t>(view.buffer)] + view.offset;
    NETC_CHECK(begin >= 0 && begin + size <= plan.arena_bytes, "a buffer outside the arena");
    return std::pair(begin, begin + size);
  };
  auto in_arena = [&](const BufferView& view) { return schedule.buffers[static_cast<size_t>(view.buffer)].state < 0; };
  auto whole = [&](int32_t buffer) { return range({buffer, 0}, schedule.buffers[static_cast<size_t>(buffer)].bytes); };
  std::set<int32_t> born;
  for (const ScheduleSlot& input : schedule.inputs) {
    auto [begin, end] = whole(input.view.buffer);
    ownership.take(begin, end, input.view.buffer);
    born.insert(input.view.buffer);
  }
  for (const ScheduledKernel& kernel : schedule.kernels) {
    for (size_t i = 0; i < kernel.operands.size(); ++i) {
      const BufferView& view = kernel.operands[i];
      if (!in_arena(view) || kernel.body.operands[i].written) continue;
      auto [begin, end] = range(view, span_bytes(kernel.body.operands[i]));
      NETC_CHECK(ownership.owns(begin, end, view.buffer),
                 kernel.label + ": " + kernel.body.operands[i].name + " is not in memory when it is read");
    }
    for (size_t i = 0; i < kernel.operands.size(); ++i) {
      const BufferView& view = kernel.operands[i];
      if (!in_arena(view) || !kernel.body.operands[i].written) continue;
      range(view, span_bytes(kernel.body.operands[i]));
      if (!born.insert(view.buffer).second) continue;  // another slice of it
      auto [begin, end] = whole(view.buffer);
      for (size_t j = 0; j < kernel.operands.size(); ++j) {
        if (j == i || !in_arena(kernel.operands[j]) || kernel.operands[j].buffer == view.buffer) continue;
        auto [other_begin, other_end] = range(kernel.operands[j], span_bytes(kernel.body.operands[j]));
        bool in_place = whole(kernel.operands[j].buffer) == std::pair(begin, end) && !kernel.body.operands[j].written &&
                        range(view, span_bytes(kernel.body.operands[i])) == std::pair(other_begin, other_end);
        NETC_CHECK(in_place || other_end <= begin || end <= other_begin,
                   kernel.label + ": " + kernel.body.operands[i].name + " overlaps another operand");
      }
      ownership.take(begin, end, view.buffer);
    }
  }
  for (const ScheduleSlot& output : schedule.outputs)
    if (in_arena(output.view)) {
      auto [begin, end] = range(output.view, output.type.bytes());
      NETC_CHECK(ownership.owns(begin, end, output.view.buffer), "output " + output.name + " was overwritten");
    }
}

}  // namespace netc
