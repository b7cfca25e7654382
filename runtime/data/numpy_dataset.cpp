#include <cstring>

#include "compiler/base/error.h"
#include "runtime/data/find_files.h"
#include "runtime/data/npy.h"
#include "runtime/data/readers.h"

namespace netc {
namespace {

Array member(const std::string& path, std::initializer_list<const char*> names) {
  std::map<std::string, Array> arrays = read_npz(path);
  for (const char* name : names)
    if (auto it = arrays.find(name); it != arrays.end()) return std::move(it->second);
  std::string there;
  for (const auto& [name, array] : arrays) there += (there.empty() ? "" : ", ") + name;
  throw RuntimeError("E0706", path + " has no array \"" + *names.begin() + "\"; it has: " + there);
}

Array read_images(const std::string& path) {
  return path.ends_with(".npz") ? member(path, {"images", "x"}) : read_npy(path);
}

Array read_labels(const std::string& path) {
  return path.ends_with(".npz") ? member(path, {"labels", "y"}) : read_npy(path);
}

int64_t integer_at(const Array& array, int64_t index) {
  auto value = [&](auto zero) {
    std::memcpy(&zero, array.bytes.data() + index * static_cast<int64_t>(sizeof zero), sizeof zero);
    return static_cast<int64_t>(zero);
  };
  switch (array.type.dtype) {
    case DType::u8:
      return value(uint8_t{});
    case DType::i32:
      return value(int32_t{});
    case DType::i64:
      return value(int64_t{});
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      break;
  }
  throw InternalError("integer_at: " + to_string(array.type));
}

}  // namespace

StoredImages read_numpy(const DataSourceSpec& spec, const LoadOptions& options) {
  StoredImages stored;
  std::string images_path = find_file(spec.base_dir, spec.images, options.role);
  if (spec.labels.empty() && !images_path.ends_with(".npz"))
    throw RuntimeError(
        "E0701", "numpy(\"" + spec.images + "\") names no labels",
        "numpy(\"" + spec.images + "\", \"labels.npy\"), or an .npz with `images` and `labels`");
  std::string labels_path =
      spec.labels.empty() ? images_path : find_file(spec.base_dir, spec.labels, options.role);

  Array images = read_images(images_path);
  Shape shape = images.type.shape;
  if (shape.size() == 3) shape.insert(shape.begin() + 1, 1);
  if (shape.size() != 4 || (images.type.dtype != DType::u8 && images.type.dtype != DType::f32))
    throw RuntimeError("E0708", images_path + " is " + to_string(images.type) +
                                    "; images are u8 or f32 [N, C, H, W] or [N, H, W]");
  for (size_t i = 1; i < shape.size(); ++i)
    if (shape[i] == 0)
      throw RuntimeError("E0703", images_path + ": images of shape " + to_string(shape) + " are empty");
  stored.source = images_path;
  stored.format = {images.type.dtype, shape[1], shape[2], shape[3]};
  stored.pixels = std::move(images.bytes);

  Array labels = read_labels(labels_path);
  if (labels.type.shape.size() != 1 || is_floating(labels.type.dtype))
    throw RuntimeError("E0708", labels_path + " is " + to_string(labels.type) + "; labels are integers [N]");
  require_same_count(shape[0], images_path, labels.type.shape[0], labels_path);
  for (int64_t i = 0; i < shape[0]; ++i) {
    stored.labels.push_back(integer_at(labels, i));
    require_label(stored.labels.back(), options.classes, options, labels_path, "of sample " + std::to_string(i));
  }
  return stored;
}

}  // namespace netc
