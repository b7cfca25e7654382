// The numbers of a kernel that are arguments: extents, strides, offsets, trip counts, constants. A kernel's
// text names them as fields of one structure that is passed by value, so that launches which differ in their
// numbers only share one compiled function. What shapes the code stays in the text: windows, strides of
// windows, tiles, types.
//
//   KernelExtents extents;
//   extents.number("m", 802816)          "e.m"
//   extents.number("stride", 2)          "2": small numbers are the window's, and stay
//   extents.divisor("m_by", 56)          "e.m_by": `x / e.m_by` multiplies and shifts (Divisor in
//   prelude/common.cuh) extents.declaration("netc_map_…")    "struct … { int m; Divisor m_by; };"
//   extents.words()                      what a launch passes
//
// Equal numbers of one group are one field. So a group is what means the same: two kernels share their text
// only if their numbers are equal in the same places of each group.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace netc {

class KernelExtents {
 public:
  KernelExtents() = default;
  // `fixed`: every number stays in the text.
  explicit KernelExtents(bool fixed) : fixed_(fixed) {}
  bool fixed() const { return fixed_; }

  // An int, or its digits if |value| <= kSmall. THROWS InternalError if it needs more than 32 bits.
  std::string number(const std::string& group, int64_t value);
  // An i64, likewise.
  std::string wide(const std::string& group, int64_t value);
  // An int, however small.
  std::string count(const std::string& group, int64_t value);
  // What numbers from 0 to 2^31 - 1 are divided by, or digits if value <= kSmall. REQUIRES: value >= 1.
  std::string divisor(const std::string& group, int64_t value);
  // A Divisor, however small.
  std::string count_divisor(const std::string& group, int64_t value);
  // An f32. REQUIRES: not fixed.
  std::string real(const std::string& group, double value);

  bool empty() const { return fields_.empty(); }
  // "struct NAME {\n  int m;\n …};\n"
  std::string declaration(const std::string& name) const;
  // The structure's bytes as the kernel wants them: a multiple of its alignment.
  std::vector<int32_t> words() const;
  // "m 802816, n 64", for people.
  std::string values() const;

  static constexpr int64_t kSmall = 3;

 private:
  enum class Type : uint8_t { wide, number, divisor, real };
  struct Field {
    std::string group, name;
    Type type;
    int64_t value;  // a real's bits
  };
  static const char* name_of(Type type);
  std::string field(const std::string& group, Type type, int64_t value);
  // In the structure: what needs the larger alignment comes first.
  std::vector<const Field*> in_order() const;

  bool fixed_ = false;
  std::vector<Field> fields_;
};

}  // namespace netc
