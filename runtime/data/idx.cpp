// IDX: 0, 0, element type, rank; then the extents, 32 bits big-endian each; then the elements.
#include "compiler/base/error.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/find_files.h"
#include "runtime/data/readers.h"

namespace netc {
namespace {

constexpr uint32_t kUnsignedByte = 0x08;

// Reads the header and leaves the source at the first element.
Shape read_header(ByteSource& source, int64_t min_rank, int64_t max_rank, const std::string& what) {
  uint32_t magic = source.big_endian_32("the IDX magic number");
  uint32_t type = magic >> 8 & 0xff, rank = magic & 0xff;
  if (magic >> 16 != 0)
    throw RuntimeError("E0703", source.path() + " is not an IDX file: its first two bytes should be 0");
  if (type != kUnsignedByte)
    throw RuntimeError("E0708", source.path() + " is an IDX file of element type " + std::to_string(type) +
                                    "; unsigned bytes (8) are read");
  if (rank < min_rank || rank > max_rank)
    throw RuntimeError("E0703", source.path() + " has " + std::to_string(rank) + " dimensions; " + what +
                                    " have " + std::to_string(min_rank) +
                                    (max_rank > min_rank ? " or " + std::to_string(max_rank) : ""));
  Shape shape;
  for (uint32_t i = 0; i < rank; ++i) shape.push_back(source.big_endian_32("extent " + std::to_string(i)));
  return shape;
}

std::vector<std::byte> read_elements(ByteSource& source, const Shape& shape, const std::string& what) {
  int64_t bytes = 1;
  for (int64_t extent : shape)
    if (!checked_mul(bytes, extent, bytes))
      throw RuntimeError("E0703", source.path() + ": the shape " + to_string(shape) + " overflows");
  std::vector<std::byte> elements = source.take(bytes, what + " " + to_string(shape));
  source.expect_end();
  return elements;
}

}  // namespace

StoredImages read_idx(const DataSourceSpec& spec, const LoadOptions& options) {
  StoredImages stored;
  ByteSource images(find_file(spec.base_dir, spec.images, options.role));
  stored.source = images.path();
  Shape shape = read_header(images, 3, 4, "images");
  if (shape.size() == 3) shape.insert(shape.begin() + 1, 1);
  stored.format = {DType::u8, shape[1], shape[2], shape[3]};
  for (size_t i = 1; i < shape.size(); ++i)
    if (shape[i] == 0)
      throw RuntimeError("E0703", images.path() + ": images of shape " + to_string(shape) + " are empty");

  ByteSource labels(find_file(spec.base_dir, spec.labels, options.role));
  Shape label_shape = read_header(labels, 1, 1, "labels");
  require_same_count(shape[0], images.path(), label_shape[0], labels.path());
  stored.pixels = read_elements(images, shape, "the images");
  int64_t start = labels.offset();
  for (std::byte label : read_elements(labels, label_shape, "the labels")) {
    require_label(static_cast<int64_t>(label), options.classes, options, labels.path(),
                  "at offset " + std::to_string(start + static_cast<int64_t>(stored.labels.size())));
    stored.labels.push_back(static_cast<int64_t>(label));
  }
  return stored;
}

}  // namespace netc
