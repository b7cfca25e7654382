// netc emit: a stage of the compilation as text.
#include "compiler/api/emit_stage.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "runtime/data/atomic_file.h"

namespace netc {

int run(const EmitCommand& options, Environment& environment) {
  const EmitRequest request{{options.network.reference, options.network.set, false}, options.stage, options.train, options.batch,
                            settings_of(options.device)};
  const std::string text = emit_stage(environment.project, request);
  if (options.output.empty()) {
    environment.output.result(text);
    return kExitOk;
  }
  AtomicFile file(options.output);
  file.write(text.data(), text.size());
  file.commit();
  environment.output.note("wrote " + options.output + "\n");
  return kExitOk;
}

}  // namespace netc
