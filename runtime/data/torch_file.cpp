#include "runtime/data/torch_file.h"

#include <algorithm>
#include <cstring>

#include "compiler/base/error.h"
#include "runtime/data/byte_source.h"

namespace netc {
namespace {

constexpr const char* kPickle = "/data.pkl";
constexpr uint64_t kMaxPickle = uint64_t{256} << 20;
constexpr int64_t kMaxVisits = 1'000'000;  // dict entries that are looked at, however often a dict is shared
constexpr size_t kMaxRank = 32, kMaxDepth = 100;

struct ElementType {
  const char* storage;  // PyTorch's
  int64_t bytes;
  DType dtype;          // in memory
};
constexpr ElementType kElementTypes[] = {
    {"torch.FloatStorage", 4, DType::f32},  {"torch.DoubleStorage", 8, DType::f32},  {"torch.HalfStorage", 2, DType::f16},
    {"torch.BFloat16Storage", 2, DType::bf16}, {"torch.LongStorage", 8, DType::i64}, {"torch.IntStorage", 4, DType::i32},
    {"torch.ShortStorage", 2, DType::i32},  {"torch.CharStorage", 1, DType::i32},    {"torch.ByteStorage", 1, DType::u8},
    {"torch.BoolStorage", 1, DType::u8}};

// One element, widened to its type in memory where the file has another one.
void copy_element(const ElementType& type, const std::byte* from, std::byte* to) {
  const auto widen = [&](auto wide, auto narrow) {
    std::memcpy(&narrow, from, sizeof narrow);
    wide = static_cast<decltype(wide)>(narrow);
    std::memcpy(to, &wide, sizeof wide);
  };
  if (type.bytes == size_of(type.dtype)) std::memcpy(to, from, static_cast<size_t>(type.bytes));
  else if (type.dtype == DType::f32) widen(float{}, double{});
  else if (type.bytes == 2) widen(int32_t{}, int16_t{});
  else widen(int32_t{}, int8_t{});
}

const ZipArchive::Member* find_pickle(const ZipArchive& archive) {
  for (const ZipArchive::Member& member : archive.members())
    if (member.name.ends_with(kPickle)) return &member;
  return nullptr;
}

std::vector<int64_t> integers(const Pickle& pickle, int32_t tuple) {
  std::vector<int64_t> values;
  for (const int32_t item : pickle[tuple].items) values.push_back(pickle[item].integer);
  return values;
}

std::vector<int64_t> dense_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0; stride *= shape[d]) strides[d] = stride;
  return strides;
}

// "3" of {3: ...}, which optimizers have.
std::string key_text(const Pickle::Node& key) {
  return key.kind == Pickle::Kind::text ? key.text : key.kind == Pickle::Kind::integer ? std::to_string(key.integer) : "";
}

}  // namespace

bool is_torch_archive(const ZipArchive& archive) { return find_pickle(archive) != nullptr; }

TorchFile::TorchFile(const std::string& path) : TensorFile(path), archive_(path) {
  const ZipArchive::Member* member = find_pickle(archive_);
  if (!member) throw RuntimeError("E0607", path + " is no file of torch.save: it has no data.pkl");
  if (member->bytes > kMaxPickle) throw RuntimeError("E0709", path + ": a pickle of " + std::to_string(member->bytes) + " bytes");
  folder_ = member->name.substr(0, member->name.size() - std::strlen(kPickle) + 1);
  if (const ZipArchive::Member* order = archive_.find(folder_ + "byteorder")) {
    const std::vector<std::byte> bytes = archive_.read(*order, path + ":byteorder");
    const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text != "little") throw RuntimeError("E0708", path + " has the byte order `" + text.substr(0, 20) + "`, which is not supported");
  }
  const std::vector<std::byte> bytes = archive_.read(*member, path + ":data.pkl");
  const Pickle pickle(bytes, path);
  if (pickle[pickle.root()].kind != Pickle::Kind::dict)
    throw RuntimeError("E0607", path + " is no state dict: its pickle is not a dict of tensors", "torch.save(model.state_dict(), path)");
  add_tensors(pickle, pickle.root(), "");
  int64_t total = 0;
  for (const TensorEntry& entry : entries_) {
    total += entry.type.bytes();  // of each at most its storage's, which is in the file
    require_memory(total, path + ": its tensors");
  }
  index_names();
}

void TorchFile::add_tensors(const Pickle& pickle, int32_t node, const std::string& prefix) {
  const Pickle::Node& dict = pickle[node];
  if (open_.size() >= kMaxDepth) throw RuntimeError("E0709", path() + " has dicts within dicts, deeper than " + std::to_string(kMaxDepth));
  if (!open_.insert(node).second) throw RuntimeError("E0607", path() + " is not read: the dict `" + prefix + "` contains itself");
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (++visited_ > kMaxVisits) throw RuntimeError("E0709", path() + " has more than " + std::to_string(kMaxVisits) + " entries");
    const Pickle::Node& value = pickle[dict.items[i + 1]];
    const std::string key = key_text(pickle[dict.items[i]]);
    if (value.kind != Pickle::Kind::dict && value.kind != Pickle::Kind::tensor) continue;
    if (key.empty()) throw RuntimeError("E0607", path() + " is not read: a key in `" + prefix + "` is neither a text nor an int");
    const std::string name = prefix.empty() ? key : prefix + "." + key;
    if (value.kind == Pickle::Kind::dict) add_tensors(pickle, dict.items[i + 1], name);
    else add_tensor(pickle, value, name);
  }
  open_.erase(node);
}

void TorchFile::add_tensor(const Pickle& pickle, const Pickle::Node& tensor, const std::string& name) {
  const auto fail = [&](const std::string& why) { throw RuntimeError("E0607", path() + " is not read: `" + name + "` " + why); };
  const Pickle::Node& storage = pickle[tensor.items[0]];
  const std::string& storage_type = pickle[storage.items[0]].text;
  const auto type = std::find_if(std::begin(kElementTypes), std::end(kElementTypes),
                                 [&](const ElementType& t) { return storage_type == t.storage; });
  if (type == std::end(kElementTypes)) fail("has elements of " + storage_type);
  const ZipArchive::Member* member = archive_.find(folder_ + "data/" + storage.text);
  if (!member) fail("lies in storage " + storage.text + ", which is not there");
  int64_t storage_bytes = 0;
  if (storage.integer < 0 || !checked_mul(storage.integer, type->bytes, storage_bytes) ||
      static_cast<uint64_t>(storage_bytes) != member->bytes)
    fail("says that storage " + storage.text + " is " + std::to_string(storage.integer) + " elements, and it has " +
         std::to_string(member->bytes) + " bytes");

  StridedTensor strided{static_cast<size_t>(type - kElementTypes), member, pickle[tensor.items[1]].integer, integers(pickle, tensor.items[3])};
  const Shape shape = integers(pickle, tensor.items[2]);
  if (shape.size() > kMaxRank) fail("has " + std::to_string(shape.size()) + " extents");
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  int64_t elements = 1, last = strided.offset;  // `last`: of the last element
  bool within = strided.offset >= 0 && strided.offset <= storage.integer;
  for (size_t i = 0; i < shape.size() && within; ++i) {
    int64_t reach = 0;
    within = shape[i] >= 0 && strided.strides[i] >= 0 && checked_mul(elements, shape[i], elements) &&
             (empty || (checked_mul(shape[i] - 1, strided.strides[i], reach) && reach <= storage.integer));
    last += reach;  // offset and reaches are at most the storage's extent each
  }
  if (!within || (!empty && last >= storage.integer) || elements > storage.integer)
    fail("with shape " + to_string(shape) + ", strides " + to_string(strided.strides) + " and offset " + std::to_string(strided.offset) +
         " exceeds its storage of " + std::to_string(storage.integer) + " elements");
  if (!names_.insert(name).second) fail("is there twice");
  entries_.push_back({name, {type->dtype, shape}});
  tensors_.push_back(std::move(strided));
}

void TorchFile::read(const TensorEntry& entry, std::span<std::byte> to) const {
  NETC_CHECK(static_cast<int64_t>(to.size()) == entry.type.bytes(), "tensor's size");
  if (to.empty()) return;  // no elements: there may be no memory either
  const StridedTensor& tensor = tensors_[number(entry)];
  const ElementType& type = kElementTypes[tensor.type];
  const std::vector<std::byte> storage = archive_.read(*tensor.storage, path() + ":" + entry.name);
  const Shape& shape = entry.type.shape;
  if (type.bytes == size_of(type.dtype) && tensor.strides == dense_strides(shape)) {
    std::memcpy(to.data(), storage.data() + tensor.offset * type.bytes, to.size());
    return;
  }
  std::vector<int64_t> index(shape.size(), 0);
  int64_t from = tensor.offset;
  const int64_t elements = entry.type.elements(), width = size_of(type.dtype);
  for (int64_t i = 0; i < elements; ++i) {
    copy_element(type, storage.data() + from * type.bytes, to.data() + i * width);
    for (size_t d = shape.size(); d-- > 0;) {  // the next index
      from += tensor.strides[d];
      if (++index[d] < shape[d]) break;
      from -= tensor.strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

}  // namespace netc
