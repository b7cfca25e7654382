#include "runtime/data/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr int32_t kMark = -1;

// Every opcode of protocols 0 to 5: those that are refused are named too.
enum Opcode : uint8_t {
  MARK = '(', STOP = '.', POP = '0', POP_MARK = '1', DUP = '2', FLOAT = 'F', INT = 'I', BININT = 'J', BININT1 = 'K', LONG = 'L',
  BININT2 = 'M', NONE = 'N', PERSID = 'P', BINPERSID = 'Q', REDUCE = 'R', STRING = 'S', BINSTRING = 'T', SHORT_BINSTRING = 'U',
  UNICODE = 'V', BINUNICODE = 'X', APPEND = 'a', BUILD = 'b', GLOBAL = 'c', DICT = 'd', EMPTY_DICT = '}', APPENDS = 'e', GET = 'g',
  BINGET = 'h', INST = 'i', LONG_BINGET = 'j', LIST = 'l', EMPTY_LIST = ']', OBJ = 'o', PUT = 'p', BINPUT = 'q', LONG_BINPUT = 'r',
  SETITEM = 's', TUPLE = 't', EMPTY_TUPLE = ')', SETITEMS = 'u', BINFLOAT = 'G', PROTO = 0x80, NEWOBJ = 0x81, EXT1 = 0x82,
  EXT2 = 0x83, EXT4 = 0x84, TUPLE1 = 0x85, TUPLE2 = 0x86, TUPLE3 = 0x87, NEWTRUE = 0x88, NEWFALSE = 0x89, LONG1 = 0x8a,
  LONG4 = 0x8b, BINBYTES = 'B', SHORT_BINBYTES = 'C', SHORT_BINUNICODE = 0x8c, BINUNICODE8 = 0x8d, BINBYTES8 = 0x8e,
  EMPTY_SET = 0x8f, ADDITEMS = 0x90, FROZENSET = 0x91, NEWOBJ_EX = 0x92, STACK_GLOBAL = 0x93, MEMOIZE = 0x94, FRAME = 0x95,
  BYTEARRAY8 = 0x96, NEXT_BUFFER = 0x97, READONLY_BUFFER = 0x98,
};

struct OpcodeName {
  uint8_t opcode;
  const char* name;
};
constexpr OpcodeName kOpcodeNames[] = {
#define NETC_OPCODE(name) {name, #name}
    NETC_OPCODE(MARK), NETC_OPCODE(STOP), NETC_OPCODE(POP), NETC_OPCODE(POP_MARK), NETC_OPCODE(DUP), NETC_OPCODE(FLOAT),
    NETC_OPCODE(INT), NETC_OPCODE(BININT), NETC_OPCODE(BININT1), NETC_OPCODE(LONG), NETC_OPCODE(BININT2), NETC_OPCODE(NONE),
    NETC_OPCODE(PERSID), NETC_OPCODE(BINPERSID), NETC_OPCODE(REDUCE), NETC_OPCODE(STRING), NETC_OPCODE(BINSTRING),
    NETC_OPCODE(SHORT_BINSTRING), NETC_OPCODE(UNICODE), NETC_OPCODE(BINUNICODE), NETC_OPCODE(APPEND), NETC_OPCODE(BUILD),
    NETC_OPCODE(GLOBAL), NETC_OPCODE(DICT), NETC_OPCODE(EMPTY_DICT), NETC_OPCODE(APPENDS), NETC_OPCODE(GET), NETC_OPCODE(BINGET),
    NETC_OPCODE(INST), NETC_OPCODE(LONG_BINGET), NETC_OPCODE(LIST), NETC_OPCODE(EMPTY_LIST), NETC_OPCODE(OBJ), NETC_OPCODE(PUT),
    NETC_OPCODE(BINPUT), NETC_OPCODE(LONG_BINPUT), NETC_OPCODE(SETITEM), NETC_OPCODE(TUPLE), NETC_OPCODE(EMPTY_TUPLE),
    NETC_OPCODE(SETITEMS), NETC_OPCODE(BINFLOAT), NETC_OPCODE(PROTO), NETC_OPCODE(NEWOBJ), NETC_OPCODE(EXT1), NETC_OPCODE(EXT2),
    NETC_OPCODE(EXT4), NETC_OPCODE(TUPLE1), NETC_OPCODE(TUPLE2), NETC_OPCODE(TUPLE3), NETC_OPCODE(NEWTRUE), NETC_OPCODE(NEWFALSE),
    NETC_OPCODE(LONG1), NETC_OPCODE(LONG4), NETC_OPCODE(BINBYTES), NETC_OPCODE(SHORT_BINBYTES), NETC_OPCODE(SHORT_BINUNICODE),
    NETC_OPCODE(BINUNICODE8), NETC_OPCODE(BINBYTES8), NETC_OPCODE(EMPTY_SET), NETC_OPCODE(ADDITEMS), NETC_OPCODE(FROZENSET),
    NETC_OPCODE(NEWOBJ_EX), NETC_OPCODE(STACK_GLOBAL), NETC_OPCODE(MEMOIZE), NETC_OPCODE(FRAME), NETC_OPCODE(BYTEARRAY8),
    NETC_OPCODE(NEXT_BUFFER), NETC_OPCODE(READONLY_BUFFER),
#undef NETC_OPCODE
};

constexpr const char* kOrderedDict = "collections.OrderedDict";
constexpr const char* kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr const char* kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr const char* kKnownGlobals[] = {
    kOrderedDict, kRebuildTensor, kRebuildParameter, "torch.FloatStorage", "torch.DoubleStorage", "torch.HalfStorage",
    "torch.BFloat16Storage", "torch.LongStorage", "torch.IntStorage", "torch.ShortStorage", "torch.CharStorage",
    "torch.ByteStorage", "torch.BoolStorage"};

Pickle::Node node_of(Pickle::Kind kind, int64_t integer = 0) {
  Pickle::Node node;
  node.kind = kind;
  node.integer = integer;
  return node;
}

Pickle::Node text_node(Pickle::Kind kind, std::string text) {
  Pickle::Node node;
  node.kind = kind;
  node.text = std::move(text);
  return node;
}

const char* name_of(Pickle::Kind kind) {
  switch (kind) {
    case Pickle::Kind::none: return "None";
    case Pickle::Kind::boolean: return "a bool";
    case Pickle::Kind::integer: return "an int";
    case Pickle::Kind::real: return "a float";
    case Pickle::Kind::text: return "a text";
    case Pickle::Kind::tuple: return "a tuple";
    case Pickle::Kind::list: return "a list";
    case Pickle::Kind::dict: return "a dict";
    case Pickle::Kind::global: return "a name";
    case Pickle::Kind::storage: return "a storage";
    case Pickle::Kind::tensor: return "a tensor";
  }
  return "?";
}

}  // namespace

std::string pickle_opcode_name(uint8_t opcode) {
  for (const OpcodeName& known : kOpcodeNames)
    if (known.opcode == opcode) return known.name;
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", opcode);
  return text;
}

Pickle::Pickle(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {
  while (step()) {
  }
}

void Pickle::fail(const std::string& why) const {
  throw RuntimeError("E0607", name_ + " is not read: " + pickle_opcode_name(opcode_) + " at byte " + std::to_string(opcode_at_) +
                                  " of its pickle " + why);
}

std::span<const std::byte> Pickle::take(uint64_t count) {
  if (count > bytes_.size() - at_)
    fail("needs " + std::to_string(count) + " bytes, and " + std::to_string(bytes_.size() - at_) + " are left");
  const std::span<const std::byte> taken = bytes_.subspan(at_, count);
  at_ += count;
  return taken;
}

uint64_t Pickle::integer(int count) {
  uint64_t value = 0;
  const std::span<const std::byte> taken = take(static_cast<uint64_t>(count));
  for (int i = 0; i < count; ++i) value |= static_cast<uint64_t>(taken[static_cast<size_t>(i)]) << (8 * i);
  return value;
}

std::string Pickle::text(uint64_t count) {
  const std::span<const std::byte> taken = take(count);
  return {reinterpret_cast<const char*>(taken.data()), taken.size()};
}

std::string Pickle::line() {
  std::string text;
  for (char c; (c = static_cast<char>(take(1)[0])) != '\n';) text += c;
  return text;
}

void Pickle::push(Node node) {
  stack_.push_back(static_cast<int32_t>(nodes_.size()));
  nodes_.push_back(std::move(node));
}

int32_t Pickle::top() const {
  if (stack_.empty() || stack_.back() == kMark) fail("finds nothing on the stack");
  return stack_.back();
}

int32_t Pickle::pop() {
  const int32_t node = top();
  stack_.pop_back();
  return node;
}

std::vector<int32_t> Pickle::pop_to_mark() {
  const auto mark = std::find(stack_.rbegin(), stack_.rend(), kMark);
  if (mark == stack_.rend()) fail("finds no mark");
  std::vector<int32_t> items(mark.base(), stack_.end());
  stack_.erase(mark.base() - 1, stack_.end());
  return items;
}

void Pickle::expect(int32_t node, Kind kind, const char* what) const {
  if ((*this)[node].kind != kind) fail(std::string("expects ") + what + ", got " + name_of((*this)[node].kind));
}

void Pickle::push_group(Kind kind, std::vector<int32_t> items) {
  Node node = node_of(kind);
  node.items = std::move(items);
  push(std::move(node));
}

void Pickle::put(uint64_t key) { memo_[key] = top(); }

void Pickle::get(uint64_t key) {
  const auto found = memo_.find(key);
  if (found == memo_.end()) fail("asks for memo " + std::to_string(key) + ", which is not there");
  stack_.push_back(found->second);
}

void Pickle::set_items(int32_t dict, const std::vector<int32_t>& items) {
  expect(dict, Kind::dict, "a dict");
  if (items.size() % 2 != 0) fail("has a key without a value");
  std::vector<int32_t>& to = nodes_[static_cast<size_t>(dict)].items;
  to.insert(to.end(), items.begin(), items.end());
}

void Pickle::load_global(const std::string& global) {
  if (std::none_of(std::begin(kKnownGlobals), std::end(kKnownGlobals), [&](const char* known) { return global == known; }))
    fail("names " + global + ", which is no part of a state dict; nothing of a file is executed");
  push(text_node(Kind::global, global));
}

// ('storage', torch.FloatStorage, '0', 'cpu', 64)
void Pickle::load_persistent() {
  const int32_t id = pop();
  expect(id, Kind::tuple, "a storage's tuple");
  const std::vector<int32_t> parts = (*this)[id].items;
  const bool right = parts.size() == 5 && (*this)[parts[0]].kind == Kind::text && (*this)[parts[0]].text == "storage" &&
                     (*this)[parts[1]].kind == Kind::global && (*this)[parts[1]].text.ends_with("Storage") &&
                     (*this)[parts[2]].kind == Kind::text && (*this)[parts[4]].kind == Kind::integer;
  if (!right) fail("expects ('storage', type, key, place, elements)");
  Node storage = text_node(Kind::storage, (*this)[parts[2]].text);
  storage.integer = (*this)[parts[4]].integer;
  storage.items = {parts[1]};
  push(std::move(storage));
}

void Pickle::reduce() {
  const int32_t arguments = pop(), callee = pop();
  expect(arguments, Kind::tuple, "a tuple of arguments");
  if ((*this)[callee].kind != Kind::global) fail(std::string("calls ") + name_of((*this)[callee].kind));
  const std::string name = (*this)[callee].text;
  const std::vector<int32_t> items = (*this)[arguments].items;
  if (name == kOrderedDict) {
    if (!items.empty()) fail("makes an OrderedDict of arguments");
    push_group(Kind::dict, {});
  } else if (name == kRebuildTensor) {
    if (items.size() < 4) fail("calls " + name + " with " + std::to_string(items.size()) + " arguments");
    expect(items[0], Kind::storage, "a storage");
    expect(items[1], Kind::integer, "a tensor's offset");
    for (const size_t list : {size_t{2}, size_t{3}}) {
      expect(items[list], Kind::tuple, "a tensor's shape and strides");
      for (const int32_t extent : (*this)[items[list]].items) expect(extent, Kind::integer, "an extent");
    }
    if ((*this)[items[2]].items.size() != (*this)[items[3]].items.size()) fail("has another number of strides than of extents");
    push_group(Kind::tensor, {items[0], items[1], items[2], items[3]});
  } else if (name == kRebuildParameter) {
    if (items.empty()) fail("calls " + name + " without arguments");
    expect(items[0], Kind::tensor, "a tensor");
    stack_.push_back(items[0]);
  } else {
    fail("calls " + name);
  }
}

// OrderedDict's `_metadata` of a state dict: versions of modules, which say nothing about tensors.
void Pickle::build() {
  const int32_t state = pop();
  expect(state, Kind::dict, "a dict of attributes");
  expect(top(), Kind::dict, "an object that is a dict");
}

bool Pickle::step() {
  opcode_at_ = at_;
  opcode_ = bytes_.size() > at_ ? static_cast<uint8_t>(bytes_[at_]) : uint8_t{STOP};
  if (at_ == bytes_.size()) throw RuntimeError("E0607", name_ + " is not read: its pickle ends without STOP");
  ++at_;
  switch (opcode_) {
    case PROTO:
      if (const uint64_t version = integer(1); version < 2 || version > 5) fail("says version " + std::to_string(version) + "; 2 to 5 are read");
      return true;
    case FRAME: integer(8); return true;
    case MARK: stack_.push_back(kMark); return true;
    case STOP:
      root_ = pop();
      if (at_ != bytes_.size()) fail("is followed by " + std::to_string(bytes_.size() - at_) + " bytes");
      return false;
    case POP: pop(); return true;
    case NONE: push(node_of(Kind::none)); return true;
    case NEWTRUE: push(node_of(Kind::boolean, 1)); return true;
    case NEWFALSE: push(node_of(Kind::boolean, 0)); return true;
    case BININT: push(node_of(Kind::integer, static_cast<int32_t>(static_cast<uint32_t>(integer(4))))); return true;
    case BININT1: push(node_of(Kind::integer, static_cast<int64_t>(integer(1)))); return true;
    case BININT2: push(node_of(Kind::integer, static_cast<int64_t>(integer(2)))); return true;
    case LONG1: {
      const uint64_t count = integer(1);
      if (count > 8) fail("has an int of more than 64 bits");
      uint64_t value = integer(static_cast<int>(count));
      if (count > 0 && count < 8 && (value >> (8 * count - 1)) & 1) value |= ~uint64_t{0} << (8 * count);  // two's complement
      push(node_of(Kind::integer, static_cast<int64_t>(value)));
      return true;
    }
    case BINFLOAT: {
      uint64_t bits = 0;
      for (const std::byte b : take(8)) bits = bits << 8 | static_cast<uint64_t>(b);
      Node node = node_of(Kind::real);
      node.real = std::bit_cast<double>(bits);
      push(std::move(node));
      return true;
    }
    case SHORT_BINUNICODE: push(text_node(Kind::text, text(integer(1)))); return true;
    case BINUNICODE: push(text_node(Kind::text, text(integer(4)))); return true;
    case BINUNICODE8: push(text_node(Kind::text, text(integer(8)))); return true;
    case EMPTY_TUPLE: push_group(Kind::tuple, {}); return true;
    case EMPTY_LIST: push_group(Kind::list, {}); return true;
    case EMPTY_DICT: push_group(Kind::dict, {}); return true;
    case TUPLE: push_group(Kind::tuple, pop_to_mark()); return true;
    case TUPLE1:
    case TUPLE2:
    case TUPLE3: {
      std::vector<int32_t> items(static_cast<size_t>(opcode_ - TUPLE1 + 1));
      for (size_t i = items.size(); i-- > 0;) items[i] = pop();
      push_group(Kind::tuple, std::move(items));
      return true;
    }
    case APPEND: {
      const int32_t item = pop();
      expect(top(), Kind::list, "a list");
      nodes_[static_cast<size_t>(top())].items.push_back(item);
      return true;
    }
    case APPENDS: {
      const std::vector<int32_t> items = pop_to_mark();
      expect(top(), Kind::list, "a list");
      std::vector<int32_t>& to = nodes_[static_cast<size_t>(top())].items;
      to.insert(to.end(), items.begin(), items.end());
      return true;
    }
    case SETITEM: {
      const int32_t value = pop(), key = pop();
      set_items(top(), {key, value});
      return true;
    }
    case SETITEMS: {
      const std::vector<int32_t> items = pop_to_mark();
      set_items(top(), items);
      return true;
    }
    case BINGET: get(integer(1)); return true;
    case LONG_BINGET: get(integer(4)); return true;
    case BINPUT: put(integer(1)); return true;
    case LONG_BINPUT: put(integer(4)); return true;
    case MEMOIZE: put(memo_.size()); return true;
    case GLOBAL: {
      const std::string module = line();
      load_global(module + "." + line());
      return true;
    }
    case STACK_GLOBAL: {
      const int32_t name = pop(), module = pop();
      expect(name, Kind::text, "a name");
      expect(module, Kind::text, "a module's name");
      load_global((*this)[module].text + "." + (*this)[name].text);
      return true;
    }
    case BINPERSID: load_persistent(); return true;
    case REDUCE: reduce(); return true;
    case BUILD: build(); return true;
    default: fail("is no instruction of a state dict; nothing of a file is executed");
  }
}

}  // namespace netc
