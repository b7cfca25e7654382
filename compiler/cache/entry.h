// One entry of the cache: a relocatable object, what it was compiled from, and a checksum over both.
//
//   "netcobj1", checksum (16 bytes), length of the description (4), description, object
//
// The description is text, a line a field, so that an entry explains itself and a lookup can compare all of it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/base/digest.h"

namespace netc {

// What decides a kernel's machine code.
struct ObjectKey {
  Digest kernel;         // of its body and symbol
  std::string symbol;    // the function in the object, for people
  std::string target;    // all that code generation knows of the processor
  std::string compiler;  // the code generator and its LLVM

  // "7f…-<target>-<compiler>", 66 characters.
  std::string entry_name() const;
  bool operator==(const ObjectKey&) const = default;
};

struct CacheEntry {
  ObjectKey key;
  std::vector<std::byte> object;
};

std::vector<std::byte> encode_entry(const ObjectKey& key, std::span<const std::byte> object);
// nullopt: the bytes are no whole entry.
std::optional<CacheEntry> decode_entry(std::span<const std::byte> bytes);

// Where the parts of an entry's name lie.
constexpr size_t kKernelDigits = 32, kPartDigits = 16, kNameLength = kKernelDigits + 2 * (kPartDigits + 1);

}  // namespace netc
