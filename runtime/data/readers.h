// The readers behind load_dataset: each gives a source's images as they are stored. What is common to all
// (labels' range, channels, preprocessing) is in dataset.cpp.
#pragma once

#include "runtime/data/dataset.h"
#include "runtime/data/image.h"

namespace netc {

struct StoredImages {
  ImageFormat format;
  std::vector<std::byte> pixels;  // [count, C, H, W]
  std::vector<int64_t> labels;
  std::vector<std::string> class_names;
  std::string source;  // for messages: where the images came from
  std::vector<SkippedRecord> skipped;
};

// http://yann.lecun.com/exdb/mnist: big-endian header, u8 data; images [N, H, W] or [N, C, H, W].
StoredImages read_idx(const DataSourceSpec& spec, const LoadOptions& options);

// https://www.cs.toronto.edu/~kriz/cifar.html, binary version: label bytes (CIFAR-100: coarse, fine), then
// 3072 bytes, planar RGB. Several files follow each other in the order of their names.
StoredImages read_cifar(const DataSourceSpec& spec, const LoadOptions& options, Executor& executor);

// Pictures in their own sizes, not preprocessed.
struct CroppedImages {
  std::vector<Image> images;
  std::vector<int64_t> labels;
  std::vector<std::string> class_names;
  std::vector<SkippedRecord> skipped;
};

// What image_list.h decodes, preprocessed and with the network's channels, because they may differ in size before.
struct ImageList;
// ROOT/CLASS/…/image.png: classes are the folders of ROOT, numbered as options.class_names are, or as they are sorted.
ImageList list_image_folder(const DataSourceSpec& spec, const LoadOptions& options);
// Tar files of WebDataset's layout: 0007.jpg, 0007.cls; in the order of the files' names.
ImageList list_shards(const DataSourceSpec& spec, const LoadOptions& options);

// images: .npy u8 or f32 [N, C, H, W] or [N, H, W], or an .npz with them as "images" (or "x");
// labels: .npy of integers [N], or empty for "labels" (or "y") of the same .npz.
StoredImages read_numpy(const DataSourceSpec& spec, const LoadOptions& options);

// THROWS RuntimeError E0706 unless there are as many labels as images.
void require_same_count(int64_t images, const std::string& image_path, int64_t labels,
                        const std::string& label_path);

// "label 12 at offset 8": THROWS RuntimeError E0707 unless 0 <= label < classes (0: no upper bound), or it is the ignored one.
void require_label(int64_t label, int64_t classes, const LoadOptions& options, const std::string& path, const std::string& place);

}  // namespace netc
