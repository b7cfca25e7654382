// Writes a state dict as torch.save does: an OrderedDict of dense tensors, each with a storage of its own.
#include "compiler/base/error.h"
#include "runtime/data/tensor_file.h"
#include "runtime/data/zip_archive.h"

namespace netc {
namespace {

const char* storage_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "FloatStorage";
    case DType::f16: return "HalfStorage";
    case DType::bf16: return "BFloat16Storage";
    case DType::u8: return "ByteStorage";
    case DType::i32: return "IntStorage";
    case DType::i64: return "LongStorage";
  }
  throw InternalError("storage_of: no such type");
}

// The instructions of a pickle of protocol 2, appended one after the other.
class PickleText {
 public:
  void raw(const std::string& bytes) { text_ += bytes; }
  void global(const std::string& module, const std::string& name) { text_ += "c" + module + "\n" + name + "\n"; }
  void unicode(const std::string& value) {
    text_ += 'X';
    little_endian(value.size(), 4);
    text_ += value;
  }
  void integer(int64_t value) {
    text_ += "\x8a\x08";  // LONG1 of eight bytes
    little_endian(static_cast<uint64_t>(value), 8);
  }
  void tuple(const std::vector<int64_t>& values) {
    text_ += '(';
    for (const int64_t value : values) integer(value);
    text_ += 't';
  }
  std::vector<std::byte> bytes() const {
    const auto* begin = reinterpret_cast<const std::byte*>(text_.data());
    return {begin, begin + text_.size()};
  }

 private:
  void little_endian(uint64_t value, int count) {
    for (int i = 0; i < count; ++i) text_ += static_cast<char>(value >> (8 * i));
  }
  std::string text_;
};

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

// torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())
void add_tensor(PickleText& pickle, const TensorToWrite& tensor, const std::string& key) {
  std::vector<int64_t> strides(tensor.type.shape.size());
  int64_t stride = 1;
  for (size_t d = strides.size(); d-- > 0; stride *= tensor.type.shape[d]) strides[d] = stride;
  pickle.unicode(tensor.name);
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.raw("((");
  pickle.unicode("storage");
  pickle.global("torch", storage_of(tensor.type.dtype));
  pickle.unicode(key);
  pickle.unicode("cpu");
  pickle.integer(tensor.type.elements());
  pickle.raw("tQ");
  pickle.integer(0);
  pickle.tuple(tensor.type.shape);
  pickle.tuple(strides);
  pickle.raw("\x89");
  pickle.global("collections", "OrderedDict");
  pickle.raw(")RtR");
}

}  // namespace

void write_torch(const std::string& path, const std::vector<TensorToWrite>& tensors) {
  PickleText pickle;
  pickle.raw("\x80\x02");
  pickle.global("collections", "OrderedDict");
  pickle.raw(")R(");
  std::vector<MemberToWrite> members(1);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string key = std::to_string(i);
    add_tensor(pickle, tensors[i], key);
    members.push_back({"archive/data/" + key, {}, tensors[i].data, static_cast<size_t>(tensors[i].type.bytes())});
  }
  pickle.raw("u.");
  members[0] = {"archive/data.pkl", pickle.bytes()};  // PyTorch wants it first
  members.push_back({"archive/version", bytes_of("3\n")});
  write_zip(path, members);
}

}  // namespace netc
