// What losses share: they are means or sums over the valid samples, of a mean over a sample's elements.
#pragma once

#include <string>

#include "compiler/ops/build.h"
#include "compiler/ops/check.h"
#include "compiler/ops/registry.h"
#include "compiler/ops/rows.h"

namespace netc {

inline bool is_mean(const Attrs& attrs) {
  const std::string& reduction = attrs.text("reduction");
  check::require_argument(reduction == "mean" || reduction == "sum", "`reduction` must be mean or sum", "reduction");
  return reduction == "mean";
}

inline AttrDef reduction_attr() {
  return {"reduction", AttrType::text, Attr(std::string("mean")), "over the valid samples: mean or sum"};
}

// 1 / elements of a sample.
inline double sample_share(const Shape& shape) {
  return static_cast<double>(shape[0]) / static_cast<double>(element_count(shape));
}

// [N, 1, …]: by how much a valid sample's loss counts in the loss, times the loss's gradient; 0 for the others.
inline ValueId sample_weight(Builder& b, ValueId gradient, const Shape& shape, const Attrs& attrs) {
  Shape rows(shape.size(), 1);
  rows[0] = shape[0];
  return b.emit(op("valid_weight"), {gradient}, {{"shape", rows}, {"reduction", attrs.text("reduction")}});
}

}  // namespace netc
