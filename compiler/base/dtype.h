// Element types: what a tensor's elements are in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace netc {

enum class DType : uint8_t { f32, f16, bf16, u8, i32, i64 };

// Bytes of one element.
constexpr int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return 4;
    case DType::f16: return 2;
    case DType::bf16: return 2;
    case DType::u8: return 1;
    case DType::i32: return 4;
    case DType::i64: return 8;
  }
  return 0;
}

constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "f32";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
    case DType::u8: return "u8";
    case DType::i32: return "i32";
    case DType::i64: return "i64";
  }
  return "?";
}

constexpr bool is_floating(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

// A floating-point type in which less fits than in f32.
constexpr bool is_narrow(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }

constexpr std::optional<DType> dtype_from_name(std::string_view name) {
  for (DType d : {DType::f32, DType::f16, DType::bf16, DType::u8, DType::i32, DType::i64})
    if (name_of(d) == name) return d;
  return std::nullopt;
}

}  // namespace netc
