#include "compiler/lower/live_bytes.h"

#include <algorithm>
#include <vector>

#include "compiler/ir/op_def.h"
#include "compiler/lower/choose_layouts.h"
#include "compiler/lower/memory_plan.h"

namespace netc {
namespace {

// The kernels between which a value's memory is in use; -1 is the start, the number of kernels the end.
struct Life {
  int first = 0, last = -1;
  bool used() const { return last >= first; }
};

class LifeFinder {
 public:
  LifeFinder(const Graph& graph, const Fusion& fusion)
      : graph_(graph), fusion_(fusion), end_(static_cast<int>(fusion.kernels.size())), lives_(graph.values.size()) {}

  int64_t run() {
    find_lives();
    share_in_place();
    return most_at_one_time();
  }

 private:
  const FusedKernel& kernel(int k) const { return fusion_.kernels[static_cast<size_t>(k)]; }
  Life& life(ValueId value) { return lives_[static_cast<size_t>(value.index)]; }

  // The value whose memory one is, or is part of; none for what lies in a state.
  ValueId arena_root(ValueId value) const {
    if (is_partial(graph_, value)) return {};
    const ValueId root = memory_root(graph_, fusion_, value);
    return graph_.producer(root).op == &state_op() || fusion_.in_state.count(root) ? ValueId{} : root;
  }

  void use(ValueId value, int k) {
    const ValueId root = arena_root(value);
    if (!root.valid()) return;
    Life& l = life(root);
    l = l.used() ? Life{std::min(l.first, k), std::max(l.last, k)} : Life{k, k};
  }

  // A result that nothing reads is not stored.
  void find_lives() {
    for (const GraphInput& input : graph_.inputs) use(input.value, -1);
    for (int k = 0; k < end_; ++k)
      for (ValueId operand : kernel(k).operands) use(operand, k);
    for (const GraphOutput& output : graph_.outputs) use(output.value, end_);
    for (int k = 0; k < end_; ++k)
      for (const FusedResult& result : kernel(k).results)
        if (const ValueId root = arena_root(result.value); root.valid() && life(root).used()) use(root, k);
  }

  // A result takes the memory of an operand that dies in its kernel, and lives from there on without bytes of its own.
  void share_in_place() {
    for (int k = 0; k < end_; ++k)
      for (const FusedResult& result : kernel(k).results) {
        const ValueId to = arena_root(result.value);
        if (!to.valid() || life(to).first != k || !life(to).used()) continue;
        for (size_t i = 0; i < kernel(k).operands.size(); ++i) {
          const ValueId from = arena_root(kernel(k).operands[i]);
          if (!from.valid() || reads_elsewhere(kernel(k), i) || from == to || life(from).last != k || life(from).first == k ||
              graph_.type(from).bytes() != graph_.type(to).bytes())
            continue;
          life(from).last = k - 1;
          break;
        }
      }
  }

  // A contraction reads more of its inputs than the elements at which it writes.
  static bool reads_elsewhere(const FusedKernel& kernel, size_t operand) {
    const auto number = static_cast<int>(operand);
    return kernel.contraction && (kernel.contraction->lhs == number || kernel.contraction->rhs == number);
  }

  int64_t most_at_one_time() const {
    std::vector<int64_t> changes(static_cast<size_t>(end_) + 3, 0);
    for (size_t v = 0; v < lives_.size(); ++v) {
      if (!lives_[v].used()) continue;
      const int64_t bytes = ceil_div(graph_.values[v].type.bytes(), kArenaAlignment) * kArenaAlignment;
      changes[static_cast<size_t>(lives_[v].first + 1)] += bytes;
      changes[static_cast<size_t>(lives_[v].last + 2)] -= bytes;
    }
    int64_t live = 0, most = 0;
    for (int64_t change : changes) most = std::max(most, live += change);
    return most;
  }

  const Graph& graph_;
  const Fusion& fusion_;
  const int end_;
  std::vector<Life> lives_;  // of values that are memory roots
};

}  // namespace

int64_t estimate_live_bytes(const Graph& graph, const Fusion& fusion) { return LifeFinder(graph, fusion).run(); }

}  // namespace netc
