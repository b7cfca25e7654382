// netc graph: the network as a drawing.
#include <fmt/format.h>

#include "compiler/api/draw_graph.h"
#include "compiler/api/front_end.h"
#include "compiler/driver/commands.h"
#include "runtime/data/atomic_file.h"

namespace netc {

int run(const GraphCommand& options, Environment& environment) {
  NetworkRequest request{options.network.reference, options.network.set};
  request.without_loss = true;
  const ElaboratedNetwork network = elaborate_network(environment.project, request, Purpose::train, 1);
  const std::string path = options.output.empty() ? network.name + ".svg" : options.output;
  const std::string dot = draw_graph(network);
  const bool as_dot = path.size() > 4 && path.compare(path.size() - 4, 4, ".dot") == 0;
  const std::string text = as_dot ? dot : render_svg(dot);

  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
  environment.output.note(fmt::format("wrote {}\n", path));
  return kExitOk;
}

}  // namespace netc
