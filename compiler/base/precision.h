// The precision of a layer: what its contractions multiply, and how memory holds what it passes on.
//
//   f32    everything
//   tf32   f32 in memory; contractions multiply operands rounded to tf32 (10 explicit bits of mantissa), and add in f32
//   bf16, f16   what passes from layer to layer and what contractions multiply; sums in f32
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "compiler/base/dtype.h"

namespace netc {

enum class Precision : uint8_t { f32, tf32, bf16, f16 };
constexpr std::array kPrecisions{Precision::f32, Precision::tf32, Precision::bf16, Precision::f16};

constexpr std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::f32: return "f32";
    case Precision::tf32: return "tf32";
    case Precision::bf16: return "bf16";
    case Precision::f16: return "f16";
  }
  return "?";
}

constexpr std::optional<Precision> precision_from_name(std::string_view name) {
  for (Precision p : kPrecisions)
    if (name_of(p) == name) return p;
  return std::nullopt;
}

// The type in memory of what passes from layer to layer.
constexpr DType storage_of(Precision precision) {
  switch (precision) {
    case Precision::f32:
    case Precision::tf32: return DType::f32;
    case Precision::bf16: return DType::bf16;
    case Precision::f16: return DType::f16;
  }
  return DType::f32;
}

}  // namespace netc
