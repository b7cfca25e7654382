#include "runtime/train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/train/batch_runs.h"
#include "runtime/train/entry_io.h"

namespace netc {

EvalResult evaluate(Context& context, const Dataset& data, Executor& executor, const EvalOptions& options) {
  EntryIo eval(context.program(), "eval");
  const int64_t batch = eval.require_images(data), image_bytes = data.format().bytes(),
                samples = data.count();
  auto valid = [&](int64_t number) { return std::min(batch, samples - number * batch); };
  BatchSource source([&](int64_t number, Batch& b) {
    b.images.assign(static_cast<size_t>(batch * image_bytes), std::byte{0});
    b.labels.assign(static_cast<size_t>(batch), 0);
    for (int64_t i = 0; i < valid(number); ++i) {
      data.copy_image(number * batch + i, b.images.data() + i * image_bytes);
      b.labels[static_cast<size_t>(i)] = data.labels()[static_cast<size_t>(number * batch + i)];
    }
  });
  source.start(0, (samples + batch - 1) / batch);
  BatchRuns runs(context, source, executor);

  std::vector<float> probabilities;
  int64_t classes = 0;
  if (options.report) {
    classes = eval.output("probabilities").type.shape[1];
    probabilities.resize(static_cast<size_t>(batch * classes));
    eval.set_output("probabilities", probabilities.data());
    *options.report = ClassificationReport(classes);
  }
  EvalResult result;
  double top1 = 0, top5 = 0, weight = 0;
  int64_t done = 0;
  for (int64_t number = 0; const Batch* b = source.next(); ++number) {
    if (options.stop && options.stop->load()) {
      result.stopped = true;
      return result;
    }
    RuntimeScalars scalars;
    scalars.valid_count = valid(number);
    scalars.first_sample = number * batch;
    runs.run(eval, *b, scalars, eval);
    for (int64_t i = 0; options.report && i < valid(number); ++i) {
      if (b->labels[static_cast<size_t>(i)] == options.ignored_label) continue;
      options.report->add(std::span(probabilities).subspan(static_cast<size_t>(i * classes), static_cast<size_t>(classes)),
                          b->labels[static_cast<size_t>(i)]);
    }
    done += valid(number);
    const auto counted = eval.has_output("counted") ? eval.scalar("counted") : static_cast<double>(valid(number));
    result.samples += static_cast<int64_t>(counted);
    weight += eval.has_output("loss_weight") ? eval.scalar("loss_weight") : counted;
    result.loss += eval.scalar("loss_sum");
    top1 += eval.scalar("top1");
    top5 += eval.scalar("top5");
    if (options.on_progress) options.on_progress(done, samples);
  }
  const auto count = static_cast<double>(std::max<int64_t>(result.samples, 1));
  if (weight > 0) result.loss /= weight;
  result.top1 = top1 / count;
  result.top5 = top5 / count;
  return result;
}

EvalResult evaluate_views(Context& context, const Recipe& recipe, int64_t views, const Dataset& data, Executor& executor,
                          const EvalOptions& options) {
  EntryIo eval(context.program(), "eval");
  const int64_t batch = eval.require_images(data), image_bytes = data.format().bytes(), samples = data.count();
  const int64_t classes = eval.output("probabilities").type.shape[1];
  // Batch `number` holds view number % views of its samples, so that a batch's views follow each other.
  const int64_t batches = (samples + batch - 1) / batch;
  auto first = [&](int64_t number) { return number / views * batch; };
  auto valid = [&](int64_t number) { return std::min(batch, samples - first(number)); };
  BatchSource source([&](int64_t number, Batch& b) {
    if (b.images.empty()) b.augment = AugmentInputs(eval);
    b.images.assign(static_cast<size_t>(batch * image_bytes), std::byte{0});
    b.labels.assign(static_cast<size_t>(batch), 0);  // no label: this entry's sums are not read
    for (int64_t i = 0; i < valid(number); ++i) {
      const SampleView view{recipe, recipe.seed, number % views, first(number) + i};
      std::byte* image = b.images.data() + i * image_bytes;
      copy_view(data, view, image);
      b.augment.draw(i, view, image);
    }
  });
  source.start(0, batches * views);
  BatchRuns runs(context, source, executor);

  std::vector<float> probabilities(static_cast<size_t>(batch * classes));
  std::vector<double> mean(probabilities.size());
  eval.set_output("probabilities", probabilities.data());
  if (options.report) *options.report = ClassificationReport(classes);
  EvalResult result;
  double top1 = 0, top5 = 0;
  for (int64_t number = 0; const Batch* b = source.next(); ++number) {
    if (options.stop && options.stop->load()) {
      result.stopped = true;
      return result;
    }
    RuntimeScalars scalars;
    scalars.valid_count = valid(number);
    scalars.first_sample = first(number);
    runs.run(eval, *b, scalars, eval);
    const bool fresh = number % views == 0, complete = number % views == views - 1;
    for (size_t i = 0; i < mean.size(); ++i) mean[i] = (fresh ? 0 : mean[i]) + probabilities[i] / static_cast<double>(views);
    if (!complete) continue;
    for (int64_t i = 0; i < valid(number); ++i) {
      const int64_t label = data.labels()[static_cast<size_t>(first(number) + i)];
      if (label == recipe.loss.ignored_label || label < 0 || label >= classes) continue;
      const double* p = mean.data() + i * classes;
      // As label_rank: a NaN is greater, equal scores by class number.
      int64_t rank = 0;
      for (int64_t c = 0; c < classes; ++c) rank += !(p[c] <= p[label]) || (p[c] == p[label] && c < label);
      ++result.samples;
      top1 += rank < 1;
      top5 += rank < 5;
      result.loss -= std::log(std::max(p[label], 1e-30));
      if (options.report) options.report->add(std::vector<float>(p, p + classes), label);
    }
    if (options.on_progress) options.on_progress(first(number) + valid(number), samples);
  }
  const auto count = static_cast<double>(std::max<int64_t>(result.samples, 1));
  result.loss /= count;
  result.top1 = top1 / count;
  result.top5 = top5 / count;
  return result;
}

}  // namespace netc
