// Roles, checks and the text form of a contraction; contraction.h says what one is.
#include "compiler/ir/contraction.h"

#include <fmt/format.h>

#include <cstdlib>

#include "compiler/base/error.h"

namespace netc {
namespace {

bool mentions(const ContractionTensor& tensor, int axis) {
  for (const AxisSum& sum : tensor.index)
    for (const AxisTerm& term : sum.terms)
      if (term.axis == axis) return true;
  return false;
}

std::string_view name_of(AxisRole role) {
  switch (role) {
    case AxisRole::batch: return "batch";
    case AxisRole::m: return "M";
    case AxisRole::n: return "N";
    case AxisRole::k: return "K";
  }
  return "?";
}

// "2*oh + kh - 1"
std::string to_string(const Contraction& contraction, const AxisSum& sum) {
  std::string text;
  auto append = [&](int64_t sign, const std::string& term) {
    if (text.empty())
      text = (sign < 0 ? "-" : "") + term;
    else
      text += (sign < 0 ? " - " : " + ") + term;
  };
  for (const AxisTerm& term : sum.terms) {
    const std::string& name = contraction.axes[static_cast<size_t>(term.axis)].name;
    int64_t magnitude = std::abs(term.coefficient);
    append(term.coefficient, magnitude == 1 ? name : fmt::format("{}*{}", magnitude, name));
  }
  if (sum.offset != 0 || text.empty()) append(sum.offset, std::to_string(std::abs(sum.offset)));
  return text;
}

std::string to_string(const Contraction& contraction, int tensor) {
  std::string text = fmt::format("t{}[", tensor);
  const ContractionTensor& t = contraction.tensors[static_cast<size_t>(tensor)];
  for (size_t d = 0; d < t.index.size(); ++d) {
    if (d > 0) text += ", ";
    text += to_string(contraction, t.index[d]);
  }
  return text + "]";
}

}  // namespace

AxisRole Contraction::role(int axis) const {
  bool in_output = mentions(tensors[static_cast<size_t>(output)], axis);
  bool in_first = mentions(tensors[static_cast<size_t>(first_input())], axis);
  bool in_second = mentions(tensors[static_cast<size_t>(second_input())], axis);
  if (!in_output) return AxisRole::k;
  if (in_first && in_second) return AxisRole::batch;
  return in_first ? AxisRole::m : AxisRole::n;
}

Shape Contraction::second_shape() const {
  const Shape& shape = tensors[static_cast<size_t>(second_input())].shape;
  return transforms_weights() ? transformed_shape(shape, *winograd) : shape;
}

int64_t Contraction::multiply_adds() const {
  Shape extents;
  for (const ContractionAxis& axis : axes) extents.push_back(axis.extent);
  return element_count(extents);
}

void verify(const Contraction& contraction) {
  NETC_CHECK(contraction.output >= 0 && contraction.output < 3, "the output is one of three tensors");
  NETC_CHECK(!contraction.winograd || contraction.output != 0, "Winograd's data gradient is a forward convolution");
  NETC_CHECK(!contraction.winograd || !contraction.tf32, "Winograd's products are in f32");
  int axis_count = static_cast<int>(contraction.axes.size());
  for (const ContractionAxis& axis : contraction.axes)
    NETC_CHECK(axis.extent >= 1, fmt::format("axis {} has extent {}", axis.name, axis.extent));
  for (const ContractionTensor& tensor : contraction.tensors) {
    NETC_CHECK(tensor.index.size() == tensor.shape.size(),
               fmt::format("{} indices for {}", tensor.index.size(), to_string(tensor.shape)));
    for (const AxisSum& sum : tensor.index)
      for (const AxisTerm& term : sum.terms)
        NETC_CHECK(term.axis >= 0 && term.axis < axis_count && term.coefficient != 0,
                   fmt::format("term {}*a{} of {} axes", term.coefficient, term.axis, axis_count));
  }
  for (int axis = 0; axis < axis_count; ++axis) {
    int uses = 0;
    for (const ContractionTensor& tensor : contraction.tensors) uses += mentions(tensor, axis) ? 1 : 0;
    const ContractionAxis& a = contraction.axes[static_cast<size_t>(axis)];
    NETC_CHECK(uses >= (a.extent == 1 ? 1 : 2), fmt::format("axis {} is in {} of the tensors", a.name, uses));
  }
}

std::string to_string(const Contraction& contraction) {
  std::string text = fmt::format("{} += {} * {}\n", to_string(contraction, contraction.output),
                                 to_string(contraction, contraction.first_input()),
                                 to_string(contraction, contraction.second_input()));
  for (size_t a = 0; a < contraction.axes.size(); ++a)
    text += fmt::format("{}{}: {} {}", a == 0 ? "  " : ", ", contraction.axes[a].name, contraction.axes[a].extent,
                        name_of(contraction.role(static_cast<int>(a))));
  text += "\n ";
  for (size_t t = 0; t < 3; ++t)
    text += fmt::format("{} t{}: {}", t == 0 ? "" : ",", t, netc::to_string(contraction.tensors[t].shape));
  if (contraction.winograd) text += (contraction.output == 2 ? ", transformed for Winograd's " : ", by Winograd's ") + to_string(*contraction.winograd);
  if (contraction.tf32) text += ", rounded to tf32";
  return text + "\n";
}

}  // namespace netc
