// The JSONL log of a training: one object a line, appended as it happens.
//
//   {"kind":"step","epoch":1,"step":50,"loss":2.31,"lr":0.1,"images_per_second":5120.3}       and, with layers in
//       f16, "loss_scale":65536.0,"skipped_steps":0
//   {"kind":"epoch","epoch":1,"step":390,"train_loss":1.2,"train_accuracy":0.55,"test_loss":1.1,"top1":0.6,"top5":0.9,"lr":0.1,"seconds":41.3}
//   {"kind":"average","step":3900,"models":6,"test_loss":1.0,"top1":0.63,"top5":0.92}       at the end, with `swa`
//
// A resumed training drops the lines that the killed one wrote after its last checkpoint, so the log
// reads as if it had never been killed (times apart).
#pragma once

#include <optional>
#include <string>

#include "runtime/data/append_file.h"
#include "runtime/train/finite.h"

namespace netc {

struct StepRecord {
  int64_t epoch = 0, step = 0;  // epochs and steps count from 1 here: the number done
  double loss = 0, learning_rate = 0, images_per_second = 0;
  std::optional<LossScale> loss_scale{};
};

struct EpochRecord {
  int64_t epoch = 0, step = 0;
  double train_loss = 0;
  std::optional<double> train_accuracy, test_loss, top1, top5;
  double learning_rate = 0;  // of the epoch's last step
  double seconds = 0;
};

// The mean of so many models' weights, after the last step.
struct AverageRecord {
  int64_t step = 0, models = 0;
  std::optional<double> test_loss, top1, top5;
};

class TrainLog {
 public:
  TrainLog() = default;  // writes nothing
  // A new log; an existing file is replaced. THROWS RuntimeError E0604, as all members.
  explicit TrainLog(const std::string& path);
  // Goes on with an existing log: keeps lines of steps up to `step`, without that step's epoch line unless
  // `epoch_closed`. A missing file is a new log; a file that is no log is refused, not cut.
  TrainLog(const std::string& path, int64_t step, bool epoch_closed);

  void write(const StepRecord& record);
  void write(const EpochRecord& record);
  void write(const AverageRecord& record);

 private:
  AppendFile file_;
};

}  // namespace netc
