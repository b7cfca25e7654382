// What `infer` functions share: refusals in the language's terms, without the batch extent.
//
// Codes: E0203 a window exceeds its input; E0204 two shapes do not agree; E0205 a wrong rank;
// E0206 a wrong element type; E0207 an argument out of its range.
#pragma once

#include "compiler/ir/op_def.h"

namespace netc::check {

// The shape as the user knows it: "[64, 56, 56]" for [8, 64, 56, 56].
std::string per_sample(const Shape& shape);

[[noreturn]] void refuse_shapes(const std::string& what, const Shape& a, const Shape& b);
void require_argument(bool holds, const std::string& message, const std::string& attr);
void floating(const OpCall& call, size_t input);
void integral(const OpCall& call, size_t input);
// Both inputs have one element type.
void same_dtype(const OpCall& call, size_t a, size_t b);
// `takes` is the shape without the batch: "[C, H, W]".
void rank(const OpCall& call, size_t input, size_t wanted, const char* takes);
void at_least_rank(const OpCall& call, size_t input, size_t wanted, const char* takes);
// The input has exactly this shape (a parameter or an internal operand, which has no batch extent).
void shape(const OpCall& call, size_t input, const Shape& wanted, const char* name);
// Input 2, the bias of a contraction: f32 as the sums to which it is added, [extent].
void bias(const OpCall& call, int64_t extent);
// The user's argument behind an attribute: "window" for "window_h".
std::string argument_of(const std::string& attr);
// An integer attribute within first..last; `last` at most 2^31 - 1, so that extents cannot overflow.
int64_t integer_between(const OpCall& call, const std::string& attr, int64_t first, int64_t last = 2147483647);
// An attribute that names an axis of input 0.
int64_t axis(const OpCall& call, const char* attr = "axis");
// `axes`, all of input 0, distinct and at least one, sorted.
Ints axes(const OpCall& call);
// The product of extents if it stays within 2^50 elements. THROWS OpError otherwise.
int64_t count(const Shape& shape);

}  // namespace netc::check
