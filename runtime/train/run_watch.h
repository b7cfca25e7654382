// What a run leaves for those who watch it, in its folder: tables, curves, and events for TensorBoard.
//
//   steps.csv        step,epoch,loss,learning_rate,images_per_second           a line a step; with layers in f16 also
//                    loss_scale,skipped_steps
//   epochs.csv       epoch,step,train_loss,train_accuracy,test_loss,top1,top5,learning_rate,seconds
//   gradients.csv    step,<layer>,…: the norm of each layer's gradient, every `every` steps
//   curves.svg       loss, accuracy and learning rate; confusion.svg: of the last epoch's test
//   events.out.tfevents.*    the same for TensorBoard, with the first layer's filters and the confusion matrix as images
//
// A resumed run drops what the killed one wrote after its last checkpoint, so tables and curves read as if it had never
// been killed (times apart). Nothing here changes a bit of the training.
#pragma once

#include <string>
#include <vector>

#include "runtime/state.h"
#include "runtime/train/classification.h"
#include "runtime/train/event_file.h"
#include "runtime/train/train_log.h"

namespace netc {

struct WatchOptions {
  std::string folder;
  std::vector<std::string> class_names;  // may be empty
  std::string role = "test";             // of the samples that each epoch is evaluated with: "test", "validation"
  bool scales_loss = false;              // steps have a loss scale
  int64_t channels = 0;                  // of the images, by which the first layer is known
  int64_t every = 50;                    // steps between gradient norms
  bool resumed = false;                  // go on with what is there
  int64_t step = 0;                      // from which
  bool epoch_closed = true;              // and whether that step's epoch is over
};

// The norm of a layer's gradient: of all its parameters together.
struct LayerNorm {
  std::string layer;  // "stage.0.conv0"
  double norm = 0;
};
// In the order of the state, which is that in which the backward pass ends them.
std::vector<LayerNorm> gradient_norms(const State& state);

class RunWatch {
 public:
  // THROWS RuntimeError E0604, as all members; E0605 for a table that is none.
  explicit RunWatch(WatchOptions options);

  void step(const StepRecord& record, const State& state);
  // `report`: of the test, null without one.
  void epoch(const EpochRecord& record, const ClassificationReport* report, const State& state);

 private:
  void write_gradients(int64_t step, const State& state);
  void draw_curves() const;
  std::string path_of(const std::string& name) const;

  WatchOptions options_;
  std::vector<StepRecord> steps_;
  std::vector<EpochRecord> epochs_;
  AppendFile steps_file_, epochs_file_, gradients_file_;
  bool gradients_named_ = false;  // the table has its first line
  EventFile events_;
};

}  // namespace netc
