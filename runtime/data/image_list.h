// Pictures that are decoded one by one, from files or from archives: in parallel, the same whatever the threads, and what to
// do with one that is corrupt.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/data/readers.h"

namespace netc {

struct ImageList {
  std::string source;                          // of all, for messages
  std::vector<std::string> names;              // of each: a path, or "shard.tar: 0007.jpg at offset 4096"
  std::vector<int64_t> labels;
  std::vector<std::string> class_names;
  std::vector<SkippedRecord> skipped;          // while it was made
  std::function<Image(int64_t number, const std::string& name)> decode;
};

// All pictures preprocessed, in the network's channels and of one size. With options.skip_corrupt those that cannot be
// decoded are left out and named in `skipped`. THROWS RuntimeError E0703 to E0710; E0706 where none is left.
StoredImages decode_images(ImageList list, const LoadOptions& options, Executor& executor);

// The same with every picture in its own size and not preprocessed.
CroppedImages decode_uncropped(ImageList list, const LoadOptions& options, Executor& executor);

}  // namespace netc
