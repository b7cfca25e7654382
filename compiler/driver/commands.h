// One function a subcommand, in a file of its own: command_NAME.cpp.
#pragma once

#include "compiler/driver/options.h"
#include "compiler/driver/output.h"
#include "compiler/sema/project.h"

namespace netc {

// What every command works with. `project` outlives errors, so that they can show source lines.
struct Environment {
  Project project;
  Output output;
  explicit Environment(const OutputOptions& options) : output(options) {}
};

// Each gives an exit code, or throws what run_command_line turns into one.
int run(const CheckCommand& options, Environment& environment);
int run(const TrainCommand& options, Environment& environment);
int run(const EvalCommand& options, Environment& environment);
int run(const PredictCommand& options, Environment& environment);
int run(const BenchCommand& options, Environment& environment);
int run(const TuneCommand& options, Environment& environment);
int run(const EmitCommand& options, Environment& environment);
int run(const ExplainCommand& options, Environment& environment);
int run(const LookCommand& options, Environment& environment);
int run(const AugmentCommand& options, Environment& environment);
int run(const GraphCommand& options, Environment& environment);
int run(const OpsCommand& options, Environment& environment);
int run(const DevicesCommand& options, Environment& environment);
int run(const InspectCommand& options, Environment& environment);
int run(const ConvertCommand& options, Environment& environment);
int run(const CacheCommand& options, Environment& environment);

// Parses, runs, and reports errors; what `main` returns.
int run_command_line(int argc, char** argv);

}  // namespace netc
