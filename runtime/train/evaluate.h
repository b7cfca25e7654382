// Loss and accuracy of a network over a data set, through the program's entry "eval".
//
// The last batch is padded and `valid_count` masks the padding out, so the result does not depend on the
// batch size (rule 31).
//
//   EvalResult r = evaluate(context, *test, pool);   // r.loss, r.top1 and r.top5 are means over all samples
#pragma once

#include <atomic>
#include <functional>
#include <optional>

#include "runtime/context.h"
#include "runtime/data/dataset.h"
#include "runtime/train/classification.h"

namespace netc {

struct EvalResult {
  int64_t samples = 0;        // that count: not those whose label the loss ignores
  double loss = 0;            // mean, by the weights of classes where the loss has them
  double top1 = 0, top5 = 0;  // shares, 0..1
  bool stopped = false;       // the rest is then meaningless
};

struct EvalOptions {
  const std::atomic<bool>* stop = nullptr;  // asked before each batch
  std::function<void(int64_t done, int64_t samples)> on_progress;
  ClassificationReport* report = nullptr;  // replaced by this evaluation's; needs the output "probabilities"
  std::optional<int64_t> ignored_label{};  // the loss's: such samples are not in the report, as they are not in the metrics
};

// The entry's inputs are "image" [N, C, H, W] and "label" i64 [N]; its outputs "loss_sum", "top1" and "top5",
// sums over the valid samples, and optionally "probabilities" [N, C], "counted" and "loss_weight", what the counts and the loss are divided by.
// THROWS RuntimeError E0710 if the data have another format than the network's input.
EvalResult evaluate(Context& context, const Dataset& data, Executor& executor,
                    const EvalOptions& options = {});

// The same of the mean of the probabilities of `views` augmented views of each sample (test-time augmentation). The loss
// is -log of the label's mean probability. The entry "eval" takes an augmented input; its output is "probabilities"
// [N, C]. View v of a sample is that of epoch v of a training with the recipe's seed.
EvalResult evaluate_views(Context& context, const Recipe& recipe, int64_t views, const Dataset& data, Executor& executor,
                          const EvalOptions& options = {});

}  // namespace netc
