#include "compiler/api/predict_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "compiler/base/error.h"
#include "runtime/data/image.h"

namespace netc {
namespace {

std::string wants(const InputInfo& input) {
  return fmt::format("input `{}` takes {}{}", input.name, name_of(input.dtype), to_string(input.shape));
}

void append(SampleSet& set, const std::vector<std::byte>& bytes, int64_t count, const std::string& name) {
  set.bytes.insert(set.bytes.end(), bytes.begin(), bytes.end());
  for (int64_t i = 0; i < count; ++i) set.names.push_back(count == 1 ? name : fmt::format("{}[{}]", name, i));
  set.count += count;
}

}  // namespace

bool is_array_file(const std::string& path) { return path.size() > 4 && path.compare(path.size() - 4, 4, ".npy") == 0; }

SampleSet read_arrays(const std::vector<std::string>& paths, const InputInfo& input) {
  SampleSet set;
  for (const std::string& path : paths) {
    Array array = read_npy(path);
    Shape shape = array.type.shape;
    if (shape == input.shape) shape.insert(shape.begin(), 1);
    const bool fits = shape.size() == input.shape.size() + 1 && std::equal(input.shape.begin(), input.shape.end(), shape.begin() + 1);
    if (!fits || array.type.dtype != input.dtype)
      throw RuntimeError("E0710", fmt::format("{}: {}, got {}{}", path, wants(input), name_of(array.type.dtype), to_string(array.type.shape)));
    append(set, array.bytes, shape[0], path);
  }
  return set;
}

SampleSet read_pictures(const std::vector<std::string>& paths, const InputInfo& input, const ModelInfo& model) {
  if (input.dtype != DType::u8 || input.shape.size() != 3)
    throw RuntimeError("E0710", fmt::format("{}, which a picture is not", wants(input)),
                       "name a `train` whose data set says `normalize`, or pass an .npy array");
  SampleSet set;
  for (const std::string& path : paths) {
    const Image image = with_channels(preprocess(decode_image_file(path), model.preprocess, path), input.shape[0], path);
    if (image.height != input.shape[1] || image.width != input.shape[2])
      throw RuntimeError("E0710", fmt::format("{}: {}, got a picture of {}x{}", path, wants(input), image.height, image.width),
                         fmt::format("preprocess = [resize({}), center_crop({}x{})] in the data set",
                                     std::max(input.shape[1], input.shape[2]), input.shape[1], input.shape[2]));
    std::vector<std::byte> bytes(image.pixels.size());
    std::memcpy(bytes.data(), image.pixels.data(), bytes.size());
    append(set, bytes, 1, path);
  }
  return set;
}

SampleSet take_samples(const Dataset& data, int64_t count, const InputInfo& input) {
  const ImageFormat& format = data.format();
  if (Shape{format.channels, format.height, format.width} != input.shape || format.dtype != input.dtype)
    throw RuntimeError("E0710", fmt::format("{}, the data set has {}", wants(input), to_string(format)));
  SampleSet set;
  set.count = std::min(count, data.count());
  set.bytes.resize(static_cast<size_t>(set.count * format.bytes()));
  for (int64_t i = 0; i < set.count; ++i) {
    data.copy_image(i, set.bytes.data() + i * format.bytes());
    set.names.push_back(fmt::format("sample {}", i));
    set.labels.push_back(data.labels()[static_cast<size_t>(i)]);
  }
  return set;
}

}  // namespace netc
