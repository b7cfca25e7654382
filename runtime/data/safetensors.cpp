#include "runtime/data/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "compiler/base/error.h"
#include "runtime/data/atomic_file.h"

namespace netc {
namespace {

constexpr int64_t kMaxHeaderBytes = 100'000'000;  // the format's own bound
constexpr const char* kMetadataKey = "__metadata__";

struct NamedType {
  const char* name;
  DType dtype;
};
constexpr NamedType kTypes[] = {{"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16},
                                {"U8", DType::u8},   {"I32", DType::i32}, {"I64", DType::i64}};

// Follows the header as a stream of events: a parser that builds a tree keeps the last of two equal keys
// silently. The header is two levels of objects; a tensor's `shape` and `data_offsets` are lists of integers.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(std::vector<TensorEntry>& entries, Metadata& metadata)
      : entries_(entries), metadata_(metadata) {}

  std::string error;  // the first one, empty if there is none

  bool start_object(size_t) override {
    if (list_ || depth_ >= 2) return unexpected("an object");
    ++depth_;
    if (depth_ == 2) tensor_ = {};
    return true;
  }
  bool end_object() override {
    --depth_;
    return depth_ != 1 || name_ == kMetadataKey || finish_tensor();
  }
  bool key(std::string& k) override {
    if (depth_ == 1) {
      name_ = k;
      if (!names_.insert(k).second) return fail("the name \"" + k + "\" appears twice");
      return true;
    }
    field_ = k;
    if (name_ == kMetadataKey)
      return !metadata_.count(k) || fail("the metadata key \"" + k + "\" appears twice");
    if (k != "dtype" && k != "shape" && k != "data_offsets")
      return fail("\"" + name_ + "\" has a field \"" + k + "\"");
    if ((k == "dtype" && tensor_.dtype) || (k == "shape" && tensor_.shape) ||
        (k == "data_offsets" && tensor_.offsets))
      return fail("\"" + name_ + "\" has its " + k + " twice");
    return true;
  }
  bool string(std::string& value) override {
    if (depth_ != 2 || list_) return unexpected("a string");
    if (name_ == kMetadataKey) {
      metadata_[field_] = value;
    } else if (field_ == "dtype") {
      tensor_.dtype = value;
    } else {
      return unexpected("a string");
    }
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || list_ || name_ == kMetadataKey || field_ == "dtype") return unexpected("a list");
    list_ = &(field_ == "shape" ? tensor_.shape : tensor_.offsets).emplace();
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (!list_) return unexpected("a number");
    if (value > uint64_t{INT64_MAX} || list_->size() >= 64) return unexpected("a number");
    list_->push_back(static_cast<int64_t>(value));
    return true;
  }
  bool number_integer(int64_t) override { return unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { return unexpected("a fraction"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool null() override { return unexpected("null"); }
  bool binary(nlohmann::json::binary_t&) override { return unexpected("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    return fail("not JSON at byte " + std::to_string(position) + " of the header");
  }

 private:
  struct PartialTensor {
    std::optional<std::string> dtype;
    std::optional<std::vector<int64_t>> shape, offsets;
  };

  bool fail(const std::string& why) {
    if (error.empty()) error = why;
    return false;
  }
  bool unexpected(const std::string& what) {
    return fail("unexpected " + what + (name_.empty() ? "" : " in \"" + name_ + "\""));
  }

  bool finish_tensor() {
    if (!tensor_.dtype || !tensor_.shape || !tensor_.offsets || tensor_.offsets->size() != 2)
      return fail("\"" + name_ + "\" needs a dtype, a shape and two data_offsets");
    TensorEntry entry{name_, {DType::f32, *tensor_.shape}, (*tensor_.offsets)[0], (*tensor_.offsets)[1]};
    auto type = std::find_if(std::begin(kTypes), std::end(kTypes),
                             [&](const NamedType& t) { return *tensor_.dtype == t.name; });
    if (type == std::end(kTypes))
      return fail("\"" + name_ + "\" has elements of type " + *tensor_.dtype + ", which is not supported");
    entry.type.dtype = type->dtype;
    int64_t bytes = size_of(entry.type.dtype);
    for (int64_t extent : entry.type.shape)
      if (!checked_mul(bytes, extent, bytes)) return fail("the shape of \"" + name_ + "\" overflows");
    if (entry.end < entry.begin || entry.end - entry.begin != bytes)
      return fail("\"" + name_ + "\" is " + to_string(entry.type) + ", " + std::to_string(bytes) +
                  " bytes, but its offsets are " + std::to_string(entry.begin) + " to " +
                  std::to_string(entry.end));
    entries_.push_back(std::move(entry));
    return true;
  }

  std::vector<TensorEntry>& entries_;
  Metadata& metadata_;
  std::set<std::string> names_;
  int depth_ = 0;
  std::string name_, field_;
  PartialTensor tensor_;
  std::vector<int64_t>* list_ = nullptr;  // being filled
};

[[noreturn]] void invalid(const std::string& path, const std::string& why) {
  throw RuntimeError("E0603", path + " is not a valid safetensors file: " + why);
}

[[noreturn]] void cannot_read(const std::string& path, const char* why) {
  throw RuntimeError("E0602", "cannot read " + path + ": " + why);
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : TensorFile(path) {
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) cannot_read(path, std::strerror(errno));
  try {
    struct stat info {};
    if (fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode))
      cannot_read(path, "it is not a regular file");
    int64_t file_bytes = info.st_size;
    if (file_bytes < 8)
      invalid(path, "it has " + std::to_string(file_bytes) + " bytes, the size of the header alone takes 8");
    uint64_t header_bytes = 0;
    read_at(0, std::as_writable_bytes(std::span(&header_bytes, 1)));
    // The first bytes of a picture, taken for a size, are some exabytes.
    char first = '{';
    if (file_bytes > 8) read_at(8, std::as_writable_bytes(std::span(&first, 1)));
    if (header_bytes > uint64_t{kMaxHeaderBytes} && first != '{')
      throw RuntimeError("E0603", path + " is no file of weights: .safetensors, .npz and .pt are read");
    if (header_bytes > uint64_t{kMaxHeaderBytes} || static_cast<int64_t>(header_bytes) > file_bytes - 8)
      invalid(path, "its header should be " + std::to_string(header_bytes) +
                        " bytes at offset 8, and the file has " + std::to_string(file_bytes));
    std::string header(header_bytes, '\0');
    read_at(8, std::as_writable_bytes(std::span(header)));
    if (!header.starts_with('{')) invalid(path, "its header, at offset 8, does not start with {");
    // The JSON library takes a zero for the end of the text.
    if (header.find('\0') != std::string::npos) invalid(path, "its header, at offset 8, holds a byte 0");
    HeaderReader reader(entries_, metadata_);
    if (!nlohmann::json::sax_parse(header, &reader)) invalid(path, reader.error);
    data_start_ = 8 + static_cast<int64_t>(header_bytes);
    check_layout(file_bytes - data_start_);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() {
  close(descriptor_);
}

// The tensors must tile the data: no overlap, no gap, nothing beyond the end.
void SafetensorsFile::check_layout(int64_t data_bytes) {
  std::sort(entries_.begin(), entries_.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  int64_t position = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const TensorEntry& e = entries_[i];
    if (e.begin != position)
      invalid(path(), "\"" + e.name + "\" starts at byte " + std::to_string(e.begin) +
                         " of the data, expected " + std::to_string(position) +
                         (e.begin < position ? " (tensors overlap)" : " (there is a gap)"));
    position = e.end;
  }
  index_names();
  if (position != data_bytes)
    invalid(path(), "its tensors are " + std::to_string(position) + " bytes at offset " +
                       std::to_string(data_start_) + ", but " + std::to_string(data_bytes) +
                       " bytes are there" + (data_bytes < position ? " (truncated)" : ""));
}

void SafetensorsFile::read_at(int64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    ssize_t got = pread(descriptor_, to.data(), to.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) cannot_read(path(), std::strerror(errno));
    if (got == 0) cannot_read(path(), "it became shorter while it was read");
    to = to.subspan(static_cast<size_t>(got));
    offset += got;
  }
}

void SafetensorsFile::read(const TensorEntry& entry, std::span<std::byte> to) const {
  NETC_CHECK(static_cast<int64_t>(to.size()) == entry.end - entry.begin, "tensor's size");
  read_at(data_start_ + entry.begin, to);
}

void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors,
                       const Metadata& metadata) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    return size_of(a.type.dtype) > size_of(b.type.dtype);
  });
  std::string header = "{", separator;
  if (!metadata.empty()) {
    header += quoted(kMetadataKey) + ":{";
    for (const auto& [key, value] : metadata) {
      header += separator + quoted(key) + ":" + quoted(value);
      separator = ",";
    }
    header += "}";
  }
  int64_t position = 0;
  for (const TensorToWrite& tensor : tensors) {
    auto type = std::find_if(std::begin(kTypes), std::end(kTypes),
                             [&](const NamedType& t) { return t.dtype == tensor.type.dtype; });
    std::string shape;
    for (int64_t extent : tensor.type.shape) shape += (shape.empty() ? "" : ",") + std::to_string(extent);
    int64_t end = position + tensor.type.bytes();
    header += separator + quoted(tensor.name) + ":{\"dtype\":\"" + type->name + "\",\"shape\":[" + shape +
              "],\"data_offsets\":[" + std::to_string(position) + "," + std::to_string(end) + "]}";
    separator = ",";
    position = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  uint64_t header_bytes = header.size();
  AtomicFile file(path);
  file.write(&header_bytes, sizeof header_bytes);
  file.write(header.data(), header.size());
  for (const TensorToWrite& tensor : tensors)
    file.write(tensor.data, static_cast<size_t>(tensor.type.bytes()));
  file.commit();
}

}  // namespace netc
