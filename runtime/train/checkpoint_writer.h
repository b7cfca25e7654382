// Writes a training's checkpoints into its folder on a thread of its own, so that a step waits for a copy of the state,
// not for the disk.
//
//   CheckpointWriter writer("runs/a", {.keep = 3});
//   writer.write_last(capture_checkpoint(state, model, &id, &progress), progress.step);
//   ...                                  // the training goes on; the state may change
//   writer.finish();                     // THROWS what the writing threw
//
// Guarantees: whenever the process dies, `last.safetensors` and `best.safetensors` are whole, the old ones or the new
// ones, and checkpoints become visible in the order of the calls. With `keep` above 1 the newest K are also there as
// step-00000390.safetensors, the last one among them; an older one is removed only after a newer one is on the disk for
// good. A write that fails removes nothing, and ends the training with its error.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/train/checkpoint.h"

namespace netc {

struct KeepOptions {
  int64_t keep = 1;     // checkpoints, the last one included; 1: only last.safetensors
  int64_t resumed = 0;  // the step from which the training goes on; older checkpoints count, later ones go first
};

class CheckpointWriter {
 public:
  // Makes the folder. THROWS RuntimeError E0604.
  CheckpointWriter(std::string folder, const KeepOptions& options);
  // Waits for what is being written; an error is lost, unless finish() was called.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  std::string last_path() const { return path_of("last.safetensors"); }
  std::string best_path() const { return path_of("best.safetensors"); }

  // Returns at once, unless two are still waiting. THROWS what an earlier write threw.
  void write_last(CheckpointImage image, int64_t step);
  void write_best(CheckpointImage image);

  // Waits until everything is on the disk. THROWS what writing threw.
  void finish();

 private:
  struct Job {
    CheckpointImage image;
    int64_t step = -1;  // of the last checkpoint; -1: the best one
  };

  std::string path_of(const std::string& name) const;
  void find_kept(int64_t resumed);
  void enqueue(Job job);
  void rethrow();
  void serve();
  void write(const Job& job);
  void write_kept(const Job& job);
  void prune();

  std::string folder_;
  int64_t keep_;
  std::vector<std::string> kept_;  // names, the next to go first; the thread's

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool writing_ = false, stop_ = false;
  std::exception_ptr failure_;
  std::thread thread_;  // the last member: it uses the others
};

}  // namespace netc
