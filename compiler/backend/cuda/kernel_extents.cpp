#include "compiler/backend/cuda/kernel_extents.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "compiler/base/error.h"

namespace netc {
namespace {

struct Magic {
  uint32_t multiplier, shift;
};

// x / d == multiply_high(2 * x, multiplier) >> shift for 0 <= x < 2^31 and 1 <= d < 2^31: the multiplier is
// the smallest number above 2^(31 + shift) / d, where 2^shift is the smallest power of two that is at least
// d. It exceeds that by at most 2^shift / d after division, too little for any x (Granlund and Montgomery,
// 1994).
Magic magic_of(int64_t divisor) {
  Magic magic{0, 0};
  while ((int64_t{1} << magic.shift) < divisor) ++magic.shift;
  magic.multiplier =
      static_cast<uint32_t>((uint64_t{1} << (31 + magic.shift)) / static_cast<uint64_t>(divisor) + 1);
  return magic;
}

}  // namespace

std::string KernelExtents::field(const std::string& group, Type type, int64_t value) {
  if (fixed_) return std::to_string(value);
  int count = 0;
  for (const Field& f : fields_) {
    if (f.group != group) continue;
    if (f.type == type && f.value == value) return "e." + f.name;
    ++count;
  }
  fields_.push_back({group, count == 0 ? group : group + std::to_string(count), type, value});
  return "e." + fields_.back().name;
}

std::string KernelExtents::number(const std::string& group, int64_t value) {
  return std::abs(value) <= kSmall ? std::to_string(value) : count(group, value);
}
std::string KernelExtents::count(const std::string& group, int64_t value) {
  NETC_CHECK(value >= INT32_MIN && value <= INT32_MAX, "an extent of more than 32 bits");
  return field(group, Type::number, value);
}
std::string KernelExtents::wide(const std::string& group, int64_t value) {
  return std::abs(value) <= kSmall ? std::to_string(value) : field(group, Type::wide, value);
}
std::string KernelExtents::divisor(const std::string& group, int64_t value) {
  return value <= kSmall ? std::to_string(value) : count_divisor(group, value);
}
std::string KernelExtents::count_divisor(const std::string& group, int64_t value) {
  NETC_CHECK(value >= 1 && value <= INT32_MAX, "a divisor of more than 31 bits");
  return field(group, Type::divisor, value);
}
std::string KernelExtents::real(const std::string& group, double value) {
  return field(group, Type::real, std::bit_cast<int32_t>(static_cast<float>(value)));
}

const char* KernelExtents::name_of(Type type) {
  switch (type) {
    case Type::wide:
      return "i64";
    case Type::number:
      return "int";
    case Type::divisor:
      return "Divisor";
    case Type::real:
      return "f32";
  }
  return "";
}

std::vector<const KernelExtents::Field*> KernelExtents::in_order() const {
  std::vector<const Field*> order;
  for (const Field& f : fields_) order.push_back(&f);
  std::stable_partition(order.begin(), order.end(), [](const Field* f) { return f->type == Type::wide; });
  return order;
}

std::string KernelExtents::declaration(const std::string& name) const {
  std::string text = "struct " + name + " {\n";
  for (const Field* f : in_order()) text += fmt::format("  {} {};\n", name_of(f->type), f->name);
  return text + "};\n";
}

std::vector<int32_t> KernelExtents::words() const {
  std::vector<int32_t> words;
  bool wide = false;
  for (const Field* f : in_order()) {
    words.push_back(static_cast<int32_t>(f->value));
    if (f->type == Type::wide) {
      wide = true;
      words.push_back(static_cast<int32_t>(f->value >> 32));
    } else if (f->type == Type::divisor) {
      const Magic magic = magic_of(f->value);
      words.push_back(std::bit_cast<int32_t>(magic.multiplier));
      words.push_back(std::bit_cast<int32_t>(magic.shift));
    }
  }
  if (wide && words.size() % 2 != 0) words.push_back(0);
  return words;
}

std::string KernelExtents::values() const {
  std::string text;
  for (const Field& f : fields_) {
    const auto bits = static_cast<int32_t>(f.value);
    text += fmt::format(
        "{}{} {}", text.empty() ? "" : ", ", f.name,
        f.type == Type::real ? fmt::format("{}", std::bit_cast<float>(bits)) : std::to_string(f.value));
  }
  return text;
}

}  // namespace netc
