#include <algorithm>
#include <filesystem>

#include "compiler/base/error.h"
#include "runtime/data/find_files.h"
#include "runtime/data/image_list.h"

namespace netc {
namespace {

namespace fs = std::filesystem;

bool is_image_name(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

// "ant, bee, cat, …"
std::string joined(const std::vector<std::string>& names) {
  constexpr size_t kShown = 12;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kShown; ++i) text += (i > 0 ? ", `" : "`") + names[i] + "`";
  return text + (names.size() > kShown ? ", ..." : "");
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

std::vector<std::string> folder_classes(const DataSourceSpec& spec, const std::string& role) {
  return class_folders(find_file(spec.base_dir, spec.images, role));
}

ImageList list_image_folder(const DataSourceSpec& spec, const LoadOptions& options) {
  ImageList list;
  list.source = find_file(spec.base_dir, spec.images, options.role);
  const std::vector<std::string> folders = class_folders(list.source);
  list.class_names = options.class_names.empty() ? folders : options.class_names;
  const auto classes = static_cast<int64_t>(list.class_names.size());
  if (options.classes && classes > options.classes)
    throw RuntimeError("E0707", list.source + " has " + std::to_string(classes) + " classes, the network " +
                                    std::to_string(options.classes));
  for (const std::string& folder : folders) {
    const auto label = std::find(list.class_names.begin(), list.class_names.end(), folder) - list.class_names.begin();
    if (label == classes)
      throw RuntimeError("E0711", list.source + ": the folder `" + folder + "` is none of the classes " + joined(list.class_names));
    for (std::string& path : image_files((fs::path(list.source) / folder).string())) {
      list.names.push_back(std::move(path));
      list.labels.push_back(label);
    }
  }
  list.decode = [](int64_t, const std::string& path) { return decode_image_file(path); };
  return list;
}

}  // namespace netc
