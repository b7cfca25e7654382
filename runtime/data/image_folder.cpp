#include <algorithm>
#include <atomic>
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

struct Listing {
  std::string source;
  std::vector<std::string> class_names, paths;
  std::vector<int64_t> labels;
};

Listing list_folder(const DataSourceSpec& spec, const LoadOptions& options) {
  Listing listing;
  listing.source = find_file(spec.base_dir, spec.images, options.role);
  listing.class_names = class_folders(listing.source);
  const auto classes = static_cast<int64_t>(listing.class_names.size());
  if (options.classes && classes > options.classes)
    throw RuntimeError("E0707", listing.source + " has " + std::to_string(classes) + " classes, the network " +
                                    std::to_string(options.classes));
  for (int64_t label = 0; label < classes; ++label)
    for (std::string& path :
         image_files((fs::path(listing.source) / listing.class_names[static_cast<size_t>(label)]).string())) {
      listing.paths.push_back(std::move(path));
      listing.labels.push_back(label);
    }
  return listing;
}

Image load_image(const std::string& path, const std::vector<PreprocessSpec>& steps, const LoadOptions& options) {
  return with_channels(preprocess(decode_image_file(path), steps, path), options.channels ? options.channels : 3, path);
}

}  // namespace

CroppedImages read_image_folder_uncropped(const DataSourceSpec& spec, const LoadOptions& options, Executor& executor) {
  Listing listing = list_folder(spec, options);
  CroppedImages result;
  result.images.resize(listing.paths.size());
  std::atomic<int64_t> bytes{0};
  run_tasks(executor, static_cast<int64_t>(listing.paths.size()), [&](int64_t i) {
    Image image = load_image(listing.paths[static_cast<size_t>(i)], {}, options);
    bytes += static_cast<int64_t>(image.pixels.size());
    require_memory(bytes, listing.source + ": pictures in their own sizes");
    result.images[static_cast<size_t>(i)] = std::move(image);
  });
  result.labels = std::move(listing.labels);
  result.class_names = std::move(listing.class_names);
  return result;
}

StoredImages read_image_folder(const DataSourceSpec& spec, const LoadOptions& options, Executor& executor) {
  Listing listing = list_folder(spec, options);
  StoredImages stored;
  stored.source = listing.source;
  stored.class_names = std::move(listing.class_names);
  stored.labels = std::move(listing.labels);
  const std::vector<std::string>& paths = listing.paths;
  Image first = load_image(paths[0], options.preprocess, options);
  stored.format = {DType::u8, first.channels, first.height, first.width};
  const auto count = static_cast<int64_t>(paths.size()), bytes = stored.format.bytes();
  require_memory(count * bytes,
                 stored.source + ": " + std::to_string(count) + " images of " + to_string(stored.format));
  stored.pixels.resize(static_cast<size_t>(count * bytes));
  run_tasks(executor, count, [&](int64_t i) {
    const std::string& path = paths[static_cast<size_t>(i)];
    Image image = load_image(path, options.preprocess, options);
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
