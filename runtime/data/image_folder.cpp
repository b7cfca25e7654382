#include <algorithm>
#include <cstring>
#include <filesystem>

#include "compiler/base/error.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/find_files.h"
#include "runtime/data/parallel_tasks.h"
#include "runtime/data/readers.h"

namespace netc {
namespace {

namespace fs = std::filesystem;

bool is_image_name(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

[[noreturn]] void unreadable(const std::string& folder, const std::error_code& error) {
  throw RuntimeError("E0702", "cannot read " + folder + ": " + error.message());
}

std::vector<std::string> class_folders(const std::string& root) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(root, error), end;
  if (error) unreadable(root, error);
  for (; it != end; it.increment(error)) {
    if (error) unreadable(root, error);
    if (it->is_directory(error)) names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  if (names.empty())
    throw RuntimeError("E0703",
                       root + " has no folders: an image folder has one for each class, with its images");
  return names;
}

std::vector<std::string> image_files(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, fs::directory_options::none, error), end;
  if (error) unreadable(folder, error);
  for (; it != end; it.increment(error)) {
    if (error) unreadable(folder, error);
    if (it->is_regular_file(error) && is_image_name(it->path())) paths.push_back(it->path().string());
  }
  if (error) unreadable(folder, error);
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) throw RuntimeError("E0706", folder + " holds no .png, .jpg or .jpeg file");
  return paths;
}

}  // namespace

StoredImages read_image_folder(const DataSourceSpec& spec, const LoadOptions& options, Executor& executor) {
  StoredImages stored;
  stored.source = find_file(spec.base_dir, spec.images, options.role);
  stored.class_names = class_folders(stored.source);
  const auto classes = static_cast<int64_t>(stored.class_names.size());
  if (options.classes && classes > options.classes)
    throw RuntimeError("E0707", stored.source + " has " + std::to_string(classes) + " classes, the network " +
                                    std::to_string(options.classes));
  std::vector<std::string> paths;
  for (int64_t label = 0; label < classes; ++label)
    for (std::string& path :
         image_files((fs::path(stored.source) / stored.class_names[static_cast<size_t>(label)]).string())) {
      paths.push_back(std::move(path));
      stored.labels.push_back(label);
    }

  auto load = [&](const std::string& path) {
    Image image = preprocess(decode_image_file(path), options.preprocess, path);
    return with_channels(std::move(image), options.channels ? options.channels : 3, path);
  };
  Image first = load(paths[0]);
  stored.format = {DType::u8, first.channels, first.height, first.width};
  const auto count = static_cast<int64_t>(paths.size()), bytes = stored.format.bytes();
  require_memory(count * bytes,
                 stored.source + ": " + std::to_string(count) + " images of " + to_string(stored.format));
  stored.pixels.resize(static_cast<size_t>(count * bytes));
  run_tasks(executor, count, [&](int64_t i) {
    const std::string& path = paths[static_cast<size_t>(i)];
    Image image = load(path);
    if (image.height != first.height || image.width != first.width)
      throw RuntimeError("E0706",
                         "images differ in size: " + path + " is " + std::to_string(image.height) + "x" +
                             std::to_string(image.width) + ", " + paths[0] + " is " +
                             std::to_string(first.height) + "x" + std::to_string(first.width),
                         "preprocess = [resize(256), center_crop(224x224)]");
    std::memcpy(stored.pixels.data() + i * bytes, image.pixels.data(), static_cast<size_t>(bytes));
  });
  return stored;
}

}  // namespace netc
