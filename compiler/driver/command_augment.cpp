// netc augment: a picture of what the network will see of its training data.
#include <fmt/format.h>

#include "compiler/api/augment_sheet.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "runtime/thread_pool.h"

namespace netc {

int run(const AugmentCommand& options, Environment& environment) {
  ThreadPool pool(options.device.threads);
  AugmentSheetRequest request;
  request.network = {options.network.reference, options.network.set, false};
  request.settings = settings_of(options.device);
  request.data = options.data;
  request.seed = options.seed;
  request.samples = options.samples;
  request.views = options.views;
  write_png(options.output, augment_sheet(environment.project, request, pool));
  environment.output.note(fmt::format("wrote {}\n", options.output));
  return kExitOk;
}

}  // namespace netc
