// The inputs and outputs of an entry by name, so that the training loop depends on their names and types
// only, not on their order.
#pragma once

#include <string>
#include <vector>

#include "runtime/context.h"
#include "runtime/data/dataset.h"

namespace netc {

class EntryIo {
 public:
  // THROWS RuntimeError E0912 if the program has no such entry.
  EntryIo(const Program& program, const std::string& entry);

  const EntryPoint& entry() const { return *entry_; }
  bool has_input(const std::string& name) const;
  const IoSlot& input(const std::string& name) const;  // THROWS RuntimeError E0912
  bool has_output(const std::string& name) const;
  const IoSlot& output(const std::string& name) const;  // THROWS RuntimeError E0912

  // Where the next run takes an input from. `data` must stay valid.
  void set_input(const std::string& name, const void* data);

  // Where the next runs write an output that is no scalar. `data` must stay valid.
  void set_output(const std::string& name, void* data);

  void run(Context& context, const RuntimeScalars& scalars, Executor& executor, const RunOptions& options = {});

  // Hands the inputs over for a run with RunOptions::staged. REQUIRES: context.stages_inputs().
  void stage(Context& context, Executor& executor) const;

  // A scalar output of the last run, of any type.
  double scalar(const std::string& name) const;

  // The images of one batch. THROWS RuntimeError E0710 unless `data` are what input "image" takes.
  int64_t require_images(const Dataset& data, const char* what = "the data") const;

 private:
  const EntryPoint* entry_;
  std::vector<InputView> inputs_;
  std::vector<OutputView> outputs_;
  std::vector<int64_t> values_;  // each scalar output in eight bytes
};

}  // namespace netc
