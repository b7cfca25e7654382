// Labelled images, loaded into memory once and read by index.
//
//   LoadOptions options{.role = "train", .channels = 3, .classes = 10, .preprocess = spec.preprocess};
//   std::unique_ptr<Dataset> data = load_dataset(*spec.train, options, pool);
//   data->copy_image(7, batch_row);     // format().bytes() bytes, [C, H, W]
//   int64_t label = data->labels()[7];
//
// Readers: IDX, CIFAR-10 and -100 (binary version), folders and tar shards of PNG and JPEG, NumPy. IDX and CIFAR files may
// be compressed by gzip or xz. A malformed file is a RuntimeError that names file, offset and what was
// expected:
//   E0701 no such file         E0702 unreadable           E0703 another format        E0704 truncated or
//   corrupt E0705 trailing bytes       E0706 sizes do not agree   E0707 label out of range    E0708
//   unsupported variant E0709 too large            E0710 images that the network or the preprocessing cannot
//   take      E0711 class folders of another data set
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/base/recipe.h"
#include "runtime/executor.h"

namespace netc {

struct ImageFormat {
  DType dtype = DType::u8;  // u8 (0..255) or f32
  int64_t channels = 0, height = 0, width = 0;
  int64_t bytes() const { return channels * height * width * size_of(dtype); }
  bool operator==(const ImageFormat&) const = default;
};

std::string to_string(const ImageFormat& format);  // "u8[3, 32, 32]"

// A record of a data set that is corrupt and was left out, as the recipe allows.
struct SkippedRecord {
  std::string name, why;  // name: the file, or the archive and the member
};

// Immutable: any number of threads may read one.
class Dataset {
 public:
  virtual ~Dataset() = default;
  int64_t count() const { return static_cast<int64_t>(labels_.size()); }
  const ImageFormat& format() const { return format_; }
  std::span<const int64_t> labels() const { return labels_; }
  // As the source knows them (folder names, CIFAR-10's), otherwise empty.
  const std::vector<std::string>& class_names() const { return class_names_; }
  // What was left out, in the order of the source.
  const std::vector<SkippedRecord>& skipped() const { return skipped_; }
  // Writes format().bytes() bytes, dense [C, H, W]. REQUIRES: 0 <= index < count().
  virtual void copy_image(int64_t index, std::byte* to) const = 0;

  // Of a data set whose images keep their own sizes: copy_crop instead of copy_image. The size of one of them.
  virtual std::optional<std::pair<int64_t, int64_t>> own_size(int64_t index) const {
    (void)index;
    return std::nullopt;
  }
  // Rows top.. and columns left.. of an image, resized to format().
  virtual void copy_crop(int64_t index, int64_t top, int64_t left, int64_t height, int64_t width, std::byte* to) const;

 protected:
  ImageFormat format_;
  std::vector<int64_t> labels_;
  std::vector<std::string> class_names_;
  std::vector<SkippedRecord> skipped_;
};

struct LoadOptions {
  std::string role = "train";  // "train" or "test": for messages
  int64_t channels = 0;        // the network's; 0: as the source has them
  int64_t classes = 0;         // labels must be below it; 0: anything from 0
  std::vector<PreprocessSpec> preprocess;
  // Of a folder: images keep their own sizes, and crops of them are resized to this one. 0: no.
  int64_t crop_height = 0, crop_width = 0;
  std::optional<int64_t> ignored_label{};  // a label that may stand beside the classes
  bool skip_corrupt = false;               // corrupt pictures are left out and named; else they are errors
  std::vector<std::string> class_names{};  // of an image folder: its classes in the order of their numbers; empty: as they are sorted
};

// Looks only whether there are files of a source's names. THROWS RuntimeError E0701.
void require_files(const DataSourceSpec& spec, const std::string& role);

// The classes of an image folder: the names of its folders, sorted. THROWS RuntimeError E0701 to E0703.
std::vector<std::string> folder_classes(const DataSourceSpec& spec, const std::string& role);

// THROWS RuntimeError E0701 to E0711.
std::unique_ptr<Dataset> load_dataset(const DataSourceSpec& spec, const LoadOptions& options,
                                      Executor& executor);

// A data set of the host's own. `pixels` is [count, C, H, W] in `format`, as many as there are labels.
std::unique_ptr<Dataset> make_dataset(ImageFormat format, std::vector<std::byte> pixels,
                                      std::vector<int64_t> labels, std::vector<std::string> class_names,
                                      std::vector<SkippedRecord> skipped = {});

}  // namespace netc
