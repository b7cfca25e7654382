#include "compiler/base/error.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/find_files.h"
#include "runtime/data/parallel_tasks.h"
#include "runtime/data/readers.h"

namespace netc {
namespace {

constexpr int64_t kImageBytes = 3 * 32 * 32;

}  // namespace

StoredImages read_cifar(const DataSourceSpec& spec, const LoadOptions& options, Executor& executor) {
  const bool hundred = spec.kind == DataSourceSpec::Kind::cifar100;
  const int64_t label_bytes = hundred ? 2 : 1,
                record = label_bytes + kImageBytes;  // the last label byte counts
  const int64_t own_classes = hundred ? 100 : 10;
  const int64_t classes = options.classes ? std::min(options.classes, own_classes) : own_classes;
  StoredImages stored;
  stored.format = {DType::u8, 3, 32, 32};
  if (!hundred)
    stored.class_names = {"airplane", "automobile", "bird",  "cat",  "deer",
                          "dog",      "frog",       "horse", "ship", "truck"};
  const std::vector<std::string> paths = find_files(spec.base_dir, spec.images, options.role);
  std::vector<std::vector<std::byte>> files(paths.size());
  run_tasks(executor, static_cast<int64_t>(paths.size()), [&](int64_t i) {  // xz takes its time
    files[static_cast<size_t>(i)] = read_file(paths[static_cast<size_t>(i)], physical_memory());
  });
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string& path = paths[i];
    const std::vector<std::byte> bytes = std::move(files[i]);
    stored.source = path;
    const auto size = static_cast<int64_t>(bytes.size());
    if (size == 0 || size % record != 0)
      throw RuntimeError("E0704", path + " is truncated or no CIFAR-" + (hundred ? "100" : "10") +
                                      " file: " + std::to_string(size) +
                                      " bytes are no whole number of records of " + std::to_string(record));
    for (int64_t at = 0; at < size; at += record) {
      auto label = static_cast<int64_t>(bytes[static_cast<size_t>(at + label_bytes - 1)]);
      require_label(label, classes, options, path, "at offset " + std::to_string(at + label_bytes - 1));
      stored.labels.push_back(label);
      auto pixels = bytes.begin() + at + label_bytes;
      stored.pixels.insert(stored.pixels.end(), pixels, pixels + kImageBytes);
    }
  }
  return stored;
}

}  // namespace netc
