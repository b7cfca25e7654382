#include "runtime/data/image_list.h"

#include <atomic>
#include <cstring>
#include <optional>

#include "compiler/base/error.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/parallel_tasks.h"

namespace netc {
namespace {

// Damaged, rather than of a kind that the network or the machine cannot take. What the system does not let us read (E0702) may be
// whole, and may be read the next time: leaving it out would split and number the samples in another way then.
bool is_corrupt(const RuntimeError& error) { return error.code() == "E0703" || error.code() == "E0704"; }

// One picture as the network takes it; nothing if it is corrupt and may be skipped, with the reason in `why`.
std::optional<Image> load(const ImageList& list, int64_t number, const std::vector<PreprocessSpec>& steps, const LoadOptions& options,
                          std::string& why) {
  const std::string& name = list.names[static_cast<size_t>(number)];
  try {
    return with_channels(preprocess(list.decode(number, name), steps, name), options.channels ? options.channels : 3, name);
  } catch (const RuntimeError& error) {
    if (!options.skip_corrupt || !is_corrupt(error)) throw;
    why = error.what();
    return std::nullopt;
  }
}

// Drops what has a reason against it, from everything that runs parallel to it.
class Survivors {
 public:
  explicit Survivors(std::vector<std::string> reasons) : reasons_(std::move(reasons)) {}
  bool has(size_t i) const { return reasons_[i].empty(); }
  template <class T>
  void keep(std::vector<T>& values) const {
    size_t to = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!has(i)) continue;
      if (to != i) values[to] = std::move(values[i]);
      ++to;
    }
    values.resize(to);
  }
  void report(const ImageList& list, std::vector<SkippedRecord>& skipped) const {
    for (size_t i = 0; i < reasons_.size(); ++i)
      if (!has(i)) skipped.push_back({list.names[i], reasons_[i]});
  }

 private:
  std::vector<std::string> reasons_;  // empty: it stays
};

void require_some(const std::vector<int64_t>& labels, const std::string& source) {
  if (labels.empty()) throw RuntimeError("E0706", source + " holds no picture that can be read");
}

}  // namespace

StoredImages decode_images(ImageList list, const LoadOptions& options, Executor& executor) {
  const auto count = static_cast<int64_t>(list.names.size());
  std::vector<std::string> reasons(static_cast<size_t>(count));
  std::optional<Image> first;  // gives the size of all
  int64_t first_number = 0;
  for (; first_number < count && !first; ++first_number)
    first = load(list, first_number, options.preprocess, options, reasons[static_cast<size_t>(first_number)]);
  if (!first) require_some({}, list.source);
  --first_number;

  StoredImages stored;
  stored.source = list.source;
  stored.format = {DType::u8, first->channels, first->height, first->width};
  const int64_t bytes = stored.format.bytes();
  require_memory(count * bytes, stored.source + ": " + std::to_string(count) + " images of " + to_string(stored.format));
  stored.pixels.resize(static_cast<size_t>(count * bytes));
  run_tasks(executor, count, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    if (!reasons[at].empty()) return;
    const std::optional<Image> image = load(list, i, options.preprocess, options, reasons[at]);
    if (!image) return;
    if (image->height != first->height || image->width != first->width)
      throw RuntimeError("E0706",
                         "images differ in size: " + list.names[at] + " is " + std::to_string(image->height) + "x" +
                             std::to_string(image->width) + ", " + list.names[static_cast<size_t>(first_number)] + " is " +
                             std::to_string(first->height) + "x" + std::to_string(first->width),
                         "preprocess = [resize(256), center_crop(224x224)]");
    std::memcpy(stored.pixels.data() + i * bytes, image->pixels.data(), static_cast<size_t>(bytes));
  });

  const Survivors survivors(std::move(reasons));
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!survivors.has(static_cast<size_t>(i))) continue;
    if (kept != i) std::memmove(stored.pixels.data() + kept * bytes, stored.pixels.data() + i * bytes, static_cast<size_t>(bytes));
    ++kept;
  }
  stored.pixels.resize(static_cast<size_t>(kept * bytes));
  stored.skipped = std::move(list.skipped);
  survivors.report(list, stored.skipped);
  survivors.keep(list.labels);
  stored.labels = std::move(list.labels);
  stored.class_names = std::move(list.class_names);
  return stored;
}

CroppedImages decode_uncropped(ImageList list, const LoadOptions& options, Executor& executor) {
  CroppedImages result;
  result.images.resize(list.names.size());
  std::vector<std::string> reasons(list.names.size());
  std::atomic<int64_t> bytes{0};
  run_tasks(executor, static_cast<int64_t>(list.names.size()), [&](int64_t i) {
    std::optional<Image> image = load(list, i, {}, options, reasons[static_cast<size_t>(i)]);
    if (!image) return;
    bytes += static_cast<int64_t>(image->pixels.size());
    require_memory(bytes, list.source + ": pictures in their own sizes");
    result.images[static_cast<size_t>(i)] = *std::move(image);
  });
  const Survivors survivors(std::move(reasons));
  survivors.keep(result.images);
  result.skipped = std::move(list.skipped);
  survivors.report(list, result.skipped);
  survivors.keep(list.labels);
  require_some(list.labels, list.source);
  result.labels = std::move(list.labels);
  result.class_names = std::move(list.class_names);
  return result;
}

}  // namespace netc
