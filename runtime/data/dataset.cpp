#include "runtime/data/dataset.h"

#include <cstring>
#include <exception>
#include <mutex>

#include "compiler/base/error.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/find_files.h"
#include "runtime/data/image_list.h"
#include "runtime/data/parallel_tasks.h"
#include "runtime/data/readers.h"

namespace netc {
namespace {

class MemoryDataset final : public Dataset {
 public:
  MemoryDataset(ImageFormat format, std::vector<std::byte> pixels, std::vector<int64_t> labels,
                std::vector<std::string> class_names, std::vector<SkippedRecord> skipped)
      : pixels_(std::move(pixels)) {
    skipped_ = std::move(skipped);
    format_ = format;
    labels_ = std::move(labels);
    class_names_ = std::move(class_names);
    NETC_CHECK(static_cast<int64_t>(pixels_.size()) == format_.bytes() * count(), "data set's size");
  }
  void copy_image(int64_t index, std::byte* to) const override {
    std::memcpy(to, pixels_.data() + index * format_.bytes(), static_cast<size_t>(format_.bytes()));
  }

 private:
  std::vector<std::byte> pixels_;
};

// Pictures of a folder as they are, cropped when they are read.
class CroppedDataset final : public Dataset {
 public:
  CroppedDataset(ImageFormat format, CroppedImages images) : images_(std::move(images.images)) {
    format_ = format;
    labels_ = std::move(images.labels);
    class_names_ = std::move(images.class_names);
    skipped_ = std::move(images.skipped);
  }
  void copy_image(int64_t index, std::byte* to) const override {
    const Image& image = images_[static_cast<size_t>(index)];
    copy_crop(index, 0, 0, image.height, image.width, to);
  }
  std::optional<std::pair<int64_t, int64_t>> own_size(int64_t index) const override {
    const Image& image = images_[static_cast<size_t>(index)];
    return std::pair(image.height, image.width);
  }
  void copy_crop(int64_t index, int64_t top, int64_t left, int64_t height, int64_t width, std::byte* to) const override {
    const Image cut = crop(images_[static_cast<size_t>(index)], top, left, height, width);
    const Image resized = resize(cut, format_.height, format_.width);
    std::memcpy(to, resized.pixels.data(), resized.pixels.size());
  }

 private:
  std::vector<Image> images_;
};

template <class T>
BasicImage<T> image_at(const StoredImages& stored, int64_t index) {
  const ImageFormat& f = stored.format;
  BasicImage<T> image{f.channels, f.height, f.width,
                      std::vector<T>(static_cast<size_t>(f.bytes()) / sizeof(T))};
  std::memcpy(image.pixels.data(), stored.pixels.data() + index * f.bytes(), static_cast<size_t>(f.bytes()));
  return image;
}

// Preprocesses images that all have one size.
template <class T>
void convert(StoredImages& stored, const LoadOptions& options, Executor& executor) {
  const auto count = static_cast<int64_t>(stored.labels.size());
  auto converted = [&](int64_t index) {
    BasicImage<T> image = preprocess(image_at<T>(stored, index), options.preprocess, stored.source);
    return options.channels ? with_channels(std::move(image), options.channels, stored.source) : image;
  };
  BasicImage<T> first = converted(0);
  ImageFormat format{stored.format.dtype, first.channels, first.height, first.width};
  int64_t bytes = 0;
  if (!checked_mul(format.bytes(), count, bytes)) bytes = INT64_MAX;
  require_memory(bytes, stored.source + ": " + std::to_string(count) + " images of " + to_string(format));
  std::vector<std::byte> pixels(static_cast<size_t>(bytes));
  run_tasks(executor, count, [&](int64_t i) {
    BasicImage<T> image = converted(i);
    std::memcpy(pixels.data() + i * format.bytes(), image.pixels.data(), static_cast<size_t>(format.bytes()));
  });
  stored.format = format;
  stored.pixels = std::move(pixels);
}

StoredImages read(const DataSourceSpec& spec, const LoadOptions& options, Executor& executor) {
  switch (spec.kind) {
    case DataSourceSpec::Kind::idx:
      return read_idx(spec, options);
    case DataSourceSpec::Kind::cifar10:
    case DataSourceSpec::Kind::cifar100:
      return read_cifar(spec, options, executor);
    case DataSourceSpec::Kind::image_folder:
      return decode_images(list_image_folder(spec, options), options, executor);
    case DataSourceSpec::Kind::webdataset:
      return decode_images(list_shards(spec, options), options, executor);
    case DataSourceSpec::Kind::numpy:
      return read_numpy(spec, options);
  }
  throw InternalError("load_dataset: no such kind");
}

}  // namespace

std::string to_string(const ImageFormat& format) {
  return to_string(TensorType{format.dtype, {format.channels, format.height, format.width}});
}

void require_same_count(int64_t images, const std::string& image_path, int64_t labels,
                        const std::string& label_path) {
  if (images != labels)
    throw RuntimeError("E0706", image_path + " has " + std::to_string(images) + " images, but " + label_path +
                                    " has " + std::to_string(labels) + " labels");
}

void require_label(int64_t label, int64_t classes, const LoadOptions& options, const std::string& path,
                   const std::string& place) {
  if (label == options.ignored_label || (label >= 0 && (classes == 0 || label < classes))) return;
  throw RuntimeError("E0707", path + ": label " + std::to_string(label) + " " + place +
                                  (label < 0 ? " is negative"
                                             : " is out of range: there are " + std::to_string(classes) + " classes"));
}

void require_files(const DataSourceSpec& spec, const std::string& role) {
  find_files(spec.base_dir, spec.images, role);
  if (!spec.labels.empty()) find_files(spec.base_dir, spec.labels, role);
}

void Dataset::copy_crop(int64_t, int64_t, int64_t, int64_t, int64_t, std::byte*) const {
  throw InternalError("copy_crop of images of one size");
}

std::unique_ptr<Dataset> load_dataset(const DataSourceSpec& spec, const LoadOptions& options,
                                      Executor& executor) {
  if (options.crop_height > 0) {
    const bool folder = spec.kind == DataSourceSpec::Kind::image_folder;
    CroppedImages images = decode_uncropped(folder ? list_image_folder(spec, options) : list_shards(spec, options), options, executor);
    const ImageFormat format{DType::u8, images.images.front().channels, options.crop_height, options.crop_width};
    return std::make_unique<CroppedDataset>(format, std::move(images));
  }
  StoredImages stored = read(spec, options, executor);
  if (stored.labels.empty()) throw RuntimeError("E0706", stored.source + " holds no images");
  bool as_stored =
      holds_pictures(spec.kind) ||
      (options.preprocess.empty() && (options.channels == 0 || options.channels == stored.format.channels));
  if (!as_stored && stored.format.dtype == DType::u8) convert<uint8_t>(stored, options, executor);
  if (!as_stored && stored.format.dtype == DType::f32) convert<float>(stored, options, executor);
  return make_dataset(stored.format, std::move(stored.pixels), std::move(stored.labels),
                      std::move(stored.class_names), std::move(stored.skipped));
}

std::unique_ptr<Dataset> make_dataset(ImageFormat format, std::vector<std::byte> pixels,
                                      std::vector<int64_t> labels, std::vector<std::string> class_names,
                                      std::vector<SkippedRecord> skipped) {
  return std::make_unique<MemoryDataset>(format, std::move(pixels), std::move(labels),
                                         std::move(class_names), std::move(skipped));
}

}  // namespace netc
