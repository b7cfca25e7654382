#include "runtime/train/evaluate.h"

#include <algorithm>
#include <cstring>

#include "runtime/train/batches.h"
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

  EvalResult result;
  double top1 = 0, top5 = 0;
  for (int64_t number = 0; const Batch* b = source.next(); ++number) {
    if (options.stop && options.stop->load()) {
      result.stopped = true;
      return result;
    }
    eval.set_input("image", b->images.data());
    eval.set_input("label", b->labels.data());
    RuntimeScalars scalars;
    scalars.valid_count = valid(number);
    scalars.first_sample = number * batch;
    eval.run(context, scalars, executor);
    result.samples += valid(number);
    result.loss += eval.scalar("loss_sum");
    top1 += eval.scalar("top1");
    top5 += eval.scalar("top5");
    if (options.on_progress) options.on_progress(result.samples, samples);
  }
  const auto count = static_cast<double>(std::max<int64_t>(result.samples, 1));
  result.loss /= count;
  result.top1 = top1 / count;
  result.top5 = top5 / count;
  return result;
}

}  // namespace netc
