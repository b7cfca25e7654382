#include "runtime/data/npy.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

#include "compiler/base/error.h"
#include "runtime/data/atomic_file.h"
#include "runtime/data/byte_source.h"

namespace netc {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are copied as they lie in the file");

// A reader of the header, which is the text of a Python dict:
// {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  struct Header {
    std::optional<std::string> descr;
    std::optional<bool> fortran_order;
    std::optional<Shape> shape;
  };

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      std::string key = string();
      expect(':');
      if (key == "descr" && !header.descr) {
        header.descr = string();
      } else if (key == "fortran_order" && !header.fortran_order) {
        header.fortran_order = boolean();
      } else if (key == "shape" && !header.shape) {
        header.shape = tuple();
      } else {
        fail("an unexpected key '" + key + "'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("text after the dict");
    if (!header.descr || !header.fortran_order || !header.shape) fail("a key is missing");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw RuntimeError("E0703", name_ + ": the .npy header is not understood at character " +
                                    std::to_string(at_) + ": " + why);
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("expected '") + c + "'");
  }
  std::string string() {
    skip_space();
    char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '\'' && quote != '"') fail("expected a string");
    size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a string without end");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    skip_space();
    for (bool value : {true, false}) {
      std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail("expected True or False");
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      skip_space();
      int64_t extent = -1;
      auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      if (error != std::errc() || extent < 0) fail("expected an extent");
      at_ = static_cast<size_t>(end - text_.data());
      shape.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    if (shape.size() > 32) fail("more than 32 dimensions");
    return shape;
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
};

// Widens or narrows every element.
template <class From, class To>
std::vector<std::byte> convert(std::span<const std::byte> in) {
  std::vector<std::byte> out(in.size() / sizeof(From) * sizeof(To));
  for (size_t i = 0; i < in.size() / sizeof(From); ++i) {
    From from;
    std::memcpy(&from, in.data() + i * sizeof(From), sizeof(From));
    To to = static_cast<To>(from);
    std::memcpy(out.data() + i * sizeof(To), &to, sizeof(To));
  }
  return out;
}

struct ElementType {
  const char* descr;
  int64_t bytes;                                                  // in the file
  DType dtype;                                                    // in memory
  std::vector<std::byte> (*convert)(std::span<const std::byte>);  // null: as it is
};

constexpr ElementType kElementTypes[] = {
    {"<f4", 4, DType::f32, nullptr},
    {"<f8", 8, DType::f32, convert<double, float>},
    {"<f2", 2, DType::f16, nullptr},
    {"|u1", 1, DType::u8, nullptr},
    {"|b1", 1, DType::u8, nullptr},
    {"|i1", 1, DType::i32, convert<int8_t, int32_t>},
    {"<i4", 4, DType::i32, nullptr},
    {"<i8", 8, DType::i64, nullptr},
    {"<i2", 2, DType::i32, convert<int16_t, int32_t>},
};

}  // namespace

Array parse_npy(std::span<const std::byte> file, const std::string& name) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (file.size() < 10 || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0)
    throw RuntimeError("E0703", name + " is not a .npy file: it does not start with \\x93NUMPY");
  const int version = static_cast<int>(file[6]);
  if (version < 1 || version > 3)
    throw RuntimeError("E0708",
                       name + " is a .npy file of version " + std::to_string(version) + "; 1 to 3 are read");
  const size_t length_bytes = version == 1 ? 2 : 4;
  size_t header_bytes = 0;
  for (size_t i = 0; i < length_bytes && 8 + i < file.size(); ++i)
    header_bytes |= static_cast<size_t>(file[8 + i]) << (8 * i);
  const size_t start = 8 + length_bytes;
  if (file.size() < start || header_bytes > file.size() - start)
    throw RuntimeError("E0704", name + " is truncated: its header should be " + std::to_string(header_bytes) +
                                    " bytes at offset " + std::to_string(start) + " of " +
                                    std::to_string(file.size()));
  std::string_view text(reinterpret_cast<const char*>(file.data()) + start, header_bytes);
  HeaderParser::Header header = HeaderParser(text, name).parse();

  const ElementType* element = nullptr;
  for (const ElementType& e : kElementTypes)
    if (*header.descr == e.descr) element = &e;
  if (!element)
    throw RuntimeError("E0708",
                       name + " has elements of type '" + *header.descr + "', which is not supported",
                       "numpy.save(path, x.astype(\"float32\"))");
  if (*header.fortran_order && header.shape->size() > 1)
    throw RuntimeError("E0708", name + " is in Fortran order, which is not supported",
                       "numpy.save(path, numpy.ascontiguousarray(x))");
  int64_t bytes = element->bytes;
  for (int64_t extent : *header.shape)
    if (!checked_mul(bytes, extent, bytes))
      throw RuntimeError("E0703", name + ": the shape " + to_string(*header.shape) + " overflows");
  std::span<const std::byte> data = file.subspan(start + header_bytes);
  const auto there = static_cast<int64_t>(data.size());
  if (there != bytes)
    throw RuntimeError(
        there < bytes ? "E0704" : "E0705",
        name + (there < bytes ? " is truncated: " : " has trailing bytes: ") + to_string(*header.shape) +
            " of '" + *header.descr + "' is " + std::to_string(bytes) + " bytes at offset " +
            std::to_string(start + header_bytes) + ", but " + std::to_string(there) + " are there");
  Array array{{element->dtype, *header.shape}, {}};
  array.bytes = element->convert ? element->convert(data) : std::vector<std::byte>(data.begin(), data.end());
  return array;
}

Array read_npy(const std::string& path) {
  return parse_npy(read_file(path, physical_memory()), path);
}

std::vector<std::byte> npy_header(const TensorType& type) {
  const char* descr = nullptr;
  switch (type.dtype) {
    case DType::f32:
      descr = "<f4";
      break;
    case DType::f16:
      descr = "<f2";
      break;
    case DType::u8:
      descr = "|u1";
      break;
    case DType::i32:
      descr = "<i4";
      break;
    case DType::i64:
      descr = "<i8";
      break;
    case DType::bf16:
      break;
  }
  NETC_CHECK(descr, "NumPy has no bf16");
  std::string shape;
  for (int64_t extent : type.shape)
    shape += std::to_string(extent) + (type.shape.size() == 1 ? "," : ", ");
  if (type.shape.size() > 1) shape.resize(shape.size() - 2);
  std::string header =
      std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  constexpr size_t kPreamble = 10;
  header.resize((kPreamble + header.size() + 1 + 63) / 64 * 64 - kPreamble - 1, ' ');
  header += '\n';
  std::string preamble("\x93NUMPY\x01\x00", 8);
  preamble += static_cast<char>(header.size() & 0xff);
  preamble += static_cast<char>(header.size() >> 8);
  const std::string text = preamble + header;
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

void write_npy(const std::string& path, const Array& array) {
  NETC_CHECK(static_cast<int64_t>(array.bytes.size()) == array.type.bytes(), "array's size");
  const std::vector<std::byte> header = npy_header(array.type);
  AtomicFile file(path);
  file.write(header.data(), header.size());
  file.write(array.bytes.data(), array.bytes.size());
  file.commit();
}

}  // namespace netc
