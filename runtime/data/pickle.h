// Reads a pickle as data: the objects that PyTorch's state dicts are made of, and nothing else. Nothing is imported and
// nothing is called: a pickle is a program for a small stack machine, and this one has only instructions that build
// lists, tuples, dicts, texts and numbers, and a fixed list of names that it may speak of.
//
//   Pickle pickle(bytes, "resnet18.pt");
//   const Pickle::Node& root = pickle[pickle.root()];     // usually a dict: items are key, value, key, value, …
//
// What is known: collections.OrderedDict, torch._utils._rebuild_tensor_v2 and _rebuild_parameter, and PyTorch's storage
// types. Everything else (os.system, numpy scalars, whole modules) is refused with the opcode, its offset and the name.
// Format: CPython's Lib/pickletools.py, protocols 2 to 5.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace netc {

class Pickle {
 public:
  enum class Kind : uint8_t { none, boolean, integer, real, text, tuple, list, dict, global, storage, tensor };
  struct Node {
    Kind kind = Kind::none;
    int64_t integer = 0;          // integer, boolean; storage: its number of elements
    double real = 0;              // real
    std::string text;             // text; global: "torch.FloatStorage"; storage: its key in the archive
    std::vector<int32_t> items;   // tuple, list, dict (key, value, …); storage: {type}; tensor: {storage, offset, shape, strides}
  };

  // THROWS RuntimeError E0607. Nodes are at most as many as bytes, so memory is bounded by the file.
  Pickle(std::span<const std::byte> bytes, const std::string& name);

  const Node& operator[](int32_t node) const { return nodes_[static_cast<size_t>(node)]; }
  int32_t root() const { return root_; }

 private:
  bool step();  // one instruction; false at the end
  void load_global(const std::string& global);
  void load_persistent();
  void reduce();
  void build();
  void set_items(int32_t dict, const std::vector<int32_t>& items);

  [[noreturn]] void fail(const std::string& why) const;
  std::span<const std::byte> take(uint64_t count);
  uint64_t integer(int bytes);  // little-endian
  std::string line();
  std::string text(uint64_t count);

  void push(Node node);
  int32_t pop();
  int32_t top() const;
  std::vector<int32_t> pop_to_mark();
  void expect(int32_t node, Kind kind, const char* what) const;
  void push_group(Kind kind, std::vector<int32_t> items);
  void get(uint64_t key);
  void put(uint64_t key);

  std::span<const std::byte> bytes_;
  const std::string& name_;
  size_t at_ = 0, opcode_at_ = 0;
  uint8_t opcode_ = 0;
  std::vector<Node> nodes_;
  std::vector<int32_t> stack_;  // of nodes; kMark
  std::unordered_map<uint64_t, int32_t> memo_;
  int32_t root_ = -1;
};

// The name of a pickle's opcode as CPython spells it ("REDUCE"); "0x99" for a byte that is none.
std::string pickle_opcode_name(uint8_t opcode);

}  // namespace netc
