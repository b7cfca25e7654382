#include "compiler/ops/registry.h"

#include <algorithm>

#include "compiler/base/error.h"
#include "compiler/ops/families.h"

namespace netc {
namespace {

// Built once; rows never move, so that nodes may point at them.
struct Registry {
  std::vector<OpDef> rows;
  std::vector<const OpDef*> sorted;

  Registry() {
    for (auto* family : {elementwise_ops, activation_ops, shape_ops, reduce_ops, convolution_ops, matmul_ops,
                         max_pool_ops, average_pool_ops, batch_norm_ops, normalize_ops, loss_ops, random_ops,
                         affine_sample_ops, augment_ops, target_loss_ops, piecewise_ops}) {
      std::vector<OpDef> ops = family();
      std::move(ops.begin(), ops.end(), std::back_inserter(rows));
    }
    sorted = {&input_op(), &state_op(), &constant_op()};
    for (const OpDef& row : rows) sorted.push_back(&row);
    std::sort(sorted.begin(), sorted.end(), [](const OpDef* a, const OpDef* b) { return a->name < b->name; });
    for (size_t i = 1; i < sorted.size(); ++i)
      NETC_CHECK(sorted[i - 1]->name != sorted[i]->name, "two operators are called " + sorted[i]->name);
  }
};

const Registry& registry() {
  static const Registry instance;
  return instance;
}

}  // namespace

const std::vector<const OpDef*>& all_ops() { return registry().sorted; }

const OpDef* find_op(const std::string& name) {
  const std::vector<const OpDef*>& ops = all_ops();
  auto found = std::lower_bound(ops.begin(), ops.end(), name,
                                [](const OpDef* op, const std::string& wanted) { return op->name < wanted; });
  return found != ops.end() && (*found)->name == name ? *found : nullptr;
}

const OpDef& op(const std::string& name) {
  const OpDef* found = find_op(name);
  NETC_CHECK(found, "no operator " + name);
  return *found;
}

}  // namespace netc
