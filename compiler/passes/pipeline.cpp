#include "compiler/passes/pipeline.h"

#include "compiler/base/error.h"
#include "compiler/passes/cse.h"
#include "compiler/passes/dce.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/simplify.h"

namespace netc {

const std::vector<Pass>& lowering_passes() {
  static const std::vector<Pass> passes = {
      {"dce_before", "drop what no result needs, such as gradients of inputs", eliminate_dead_code},
      {"decompose", "expand composite operators into scalar and contraction operators", decompose},
      {"simplify", "apply algebraic identities and fold constants", simplify},
      {"cse", "compute equal expressions once", eliminate_common_subexpressions},
      {"simplify_again", "use what the first sweep and sharing have uncovered", simplify},
      {"dce", "drop what the rewrites left unused", eliminate_dead_code},
  };
  return passes;
}

Graph optimize(const Graph& graph, const PassObserver& observe) {
  Graph result = graph;
  for (const Pass& pass : lowering_passes()) {
    try {
      result = pass.run(result);
    } catch (const InternalError& error) {
      throw InternalError("in pass " + pass.name + ": " + error.what());
    }
    if (observe) observe(pass.name, result);
  }
  return result;
}

}  // namespace netc
