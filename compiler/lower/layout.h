// Physical kernel bodies: what becomes of a logical body when its operands have layouts (base/layout.h).
//
// The axes of the nest become parts of axes: a channel axis c of 64 that is split is an axis cb of 4 and an axis ci of 16,
// with c = 16*cb + ci wherever the logical body has c. A load of operand[n, c, h, w] in blocks becomes operand[n, cb,
// h, w, ci]; a dense operand is loaded at 16*cb + ci. Where 16 does not divide the extent, loads of dense operands and sums
// are guarded, and the padding lanes of what is stored are 0.
//
// Example, y = relu(x + bias[c]) over [8, 64, 56, 56] with x and y in nChw16c:
//   for [8, 4, 56, 56, 16]   y = max(x[a0, a1, a2, a3, a4] + bias[16*a1 + a4], 0)
#pragma once

#include <array>
#include <vector>

#include "compiler/base/layout.h"
#include "compiler/lower/kernel.h"

namespace netc {

// An axis of a physical nest: an axis of the logical one, or a part of one.
struct AxisPart {
  LayoutDim::Part part = LayoutDim::Part::whole;
  int axis = 0;
};

// The axes of a physical nest, parallel ones first; every logical axis is there whole, or as outer and inner.
struct PhysicalSpace {
  std::vector<AxisPart> axes;
  int parallel = 0;
  int64_t block = 16;
};

// The nest's own axes.
PhysicalSpace logical_space(const LoopNest& nest);

// How an operand of a logical body lies. A written one has the dimensions of the nest's parallel axes.
struct OperandForm {
  Layout layout;              // not dense(): all dims are listed
  Shape strides;              // in elements, per dim of the layout
  bool shows_halo = false;    // its shape is the padded one: what a contraction reads
};

// REQUIRES: a written operand is split where an axis of `space` with padding lanes is; no reduction but sums runs over such
// an axis; the axes of a contraction's space are the dims of its output's layout.
KernelBody make_physical(const KernelBody& logical, const std::vector<OperandForm>& forms, const PhysicalSpace& space);

// The contraction over tensors in these layouts: inputs with their halo, the output without. Channel axes are split where a
// tensor is; a window's index never leaves a halo that is wide enough for it.
Contraction physical_contraction(const Contraction& logical, const std::array<Layout, 3>& layouts);

// Whether physical_contraction has a form for these layouts.
bool has_physical_form(const Contraction& logical, const std::array<Layout, 3>& layouts);

}  // namespace netc
