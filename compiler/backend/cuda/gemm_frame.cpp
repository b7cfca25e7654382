#include "compiler/backend/cuda/gemm_frame.h"

#include <fmt/format.h>

#include <algorithm>

namespace netc {
namespace {

constexpr int64_t kLargestWindow = 11;

const char* name_of(GemmRole role) {
  switch (role) {
    case GemmRole::batch:
      return "batch";
    case GemmRole::m:
      return "m";
    case GemmRole::n:
      return "n";
    case GemmRole::k:
      return "k";
  }
  return "";
}

}  // namespace

GemmFrame::GemmFrame(SourceWriter& writer, KernelExtents& arguments, const KernelBody& kernel,
                     const CudaGemmPlan& gemm)
    : out(writer),
      extents(arguments),
      body(kernel),
      plan(gemm),
      analysis(kernel),
      merged(merge_m()),
      expressions(writer, arguments, kernel, analysis, merged),
      index_type(expressions.index_type()),
      names(gemm.variables.size(), "0"),
      phase_(&gemm.phases[0]) {}

// The axes of m as one, where everything that the epilogue reads and writes lies so.
std::vector<int> GemmFrame::merge_m() {
  std::vector<int> none(body.nest.extents.size(), -1);
  std::vector<int> dimensions;
  for (size_t v : plan.order(GemmRole::m)) {
    const GemmVariable& variable = plan.variables[v];
    if (variable.extent == 1) continue;
    if (variable.scale > 1 || variable.radix > 0) return none;
    dimensions.push_back(variable.dimension);
  }
  const std::vector<int> all = merge_axes(body, analysis, body.nest.parallel_extents());
  std::vector<int> result = none;
  for (size_t i = 0; i + 1 < dimensions.size(); ++i) {
    if (all[static_cast<size_t>(dimensions[i])] != dimensions[i + 1]) return none;
    result[static_cast<size_t>(dimensions[i])] = dimensions[i + 1];
  }
  m_is_one = !dimensions.empty();
  return result;
}

// Longer than a row: the threads of a warp write to different banks.
int GemmFrame::c_pitch() const {
  return plan.m_inner ? plan.block_m + 4 : plan.block_n + 8;
}

std::string GemmFrame::c_index(const std::string& m_local, const std::string& n_local) const {
  return plan.m_inner ? fmt::format("({}) * {} + {}", n_local, c_pitch(), m_local)
                      : fmt::format("({}) * {} + {}", m_local, c_pitch(), n_local);
}

int64_t GemmFrame::extent(size_t variable) const {
  const GemmVariable& v = plan.variables[variable];
  return v.role == GemmRole::k ? phase_->k_extents[variable] : v.extent;
}

int64_t GemmFrame::extent(GemmRole role) const {
  int64_t product = 1;
  for (size_t v = 0; v < plan.variables.size(); ++v)
    if (plan.variables[v].role == role) product *= extent(v);
  return product;
}

// A window's variable shares an input's dimension with one that runs over the image, which has at least as
// many values.
bool GemmFrame::is_fixed(size_t variable) const {
  const int64_t own = plan.variables[variable].extent;
  if (own <= KernelExtents::kSmall) return true;
  if (own > kLargestWindow) return false;
  for (const GemmPhase& phase : plan.phases)
    for (const std::vector<GemmIndex>* index : {&phase.v, &phase.s})
      for (const GemmIndex& i : *index)
        for (size_t other = 0; other < plan.variables.size(); ++other)
          if (other != variable && i.coefficients[variable] != 0 && i.coefficients[other] != 0 &&
              plan.variables[other].extent >= own)
            return true;
  return false;
}

std::string GemmFrame::extent_text(GemmRole role) {
  return extents.count(name_of(role), extent(role));
}

void GemmFrame::decode(GemmRole role, const std::string& flat, const std::string& prefix) {
  const std::vector<size_t> order = plan.order(role);
  const std::string group = std::string(name_of(role)) + "_by";
  int64_t stride = 1;
  bool fixed_stride = true;
  const int64_t total = extent(role);
  const auto by = [&](int64_t value, bool fixed) {
    return fixed ? std::to_string(value) : extents.count_divisor(group, value);
  };
  for (size_t i = order.size(); i-- > 0;) {
    const size_t v = order[i];
    names[v] = "0";
    if (extent(v) <= 1) continue;
    std::string text = stride == 1 ? flat : fmt::format("{} / {}", flat, by(stride, fixed_stride));
    stride *= extent(v);
    fixed_stride = fixed_stride && is_fixed(v);
    if (stride != total) text += fmt::format(" % {}", by(extent(v), is_fixed(v)));
    names[v] = flat;
    if (text == flat) continue;
    names[v] = fmt::format("{}{}", prefix, v);
    out.line(fmt::format("const int {} = {};", names[v], text));
  }
}

std::string GemmFrame::sum(const char* group, int64_t constant, const std::vector<int64_t>& coefficients,
                           std::initializer_list<GemmRole> roles) {
  const auto number = [&](const char* what, int64_t value) {
    return group ? expressions.number((std::string(group) + what).c_str(), value) : std::to_string(value);
  };
  std::string text;
  for (size_t v = 0; v < coefficients.size(); ++v) {
    const int64_t c = coefficients[v];
    if (c == 0 || names[v] == "0" ||
        std::find(roles.begin(), roles.end(), plan.variables[v].role) == roles.end())
      continue;
    const std::string factor =
        std::abs(c) == 1 ? names[v] : fmt::format("{} * {}", names[v], number("_stride", std::abs(c)));
    text += text.empty() ? (c < 0 ? "-" + factor : factor) : (c < 0 ? " - " : " + ") + factor;
  }
  if (text.empty()) return number("_offset", constant);
  return constant == 0
             ? text
             : fmt::format("{} {} {}", text, constant < 0 ? "-" : "+", number("_offset", std::abs(constant)));
}

std::vector<int64_t> GemmFrame::strides(const std::vector<GemmIndex>& index) const {
  std::vector<int64_t> result;
  for (size_t v = 0; v < plan.variables.size(); ++v) result.push_back(memory_stride(index, v));
  return result;
}

GemmTile v_tile(const GemmFrame& f) {
  return {"v", "m", f.plan.v_operand, GemmRole::m, f.plan.block_m, &f.phase().v, &f.plan.v_copy};
}
GemmTile s_tile(const GemmFrame& f) {
  return {"s", "n", f.plan.s_operand, GemmRole::n, f.plan.block_n, &f.phase().s, &f.plan.s_copy};
}

void emit_copy_starts(GemmFrame& f, const GemmTile& tile, int items, const std::string& local) {
  const std::vector<GemmIndex>& index = *tile.index;
  const std::string x = tile.name;
  f.out.line(fmt::format("{} {}_offset[{}];", f.index_type, x, items));
  f.out.line(fmt::format("bool {}_inside[{}];", x, items));
  for (size_t d = 0; d < index.size(); ++d)
    if (index[d].checked) f.out.line(fmt::format("int {}_d{}[{}];", x, d, items));
  f.out.line("#pragma unroll");
  f.out.open(fmt::format("for (int item = 0; item < {}; ++item)", items));
  f.out.line(fmt::format("const int {0} = {0}_first + {1};", tile.free, local));
  f.decode(tile.role, tile.free, tile.free);
  int64_t constant = 0;
  for (const GemmIndex& i : index) constant += i.constant * i.stride;
  f.out.line(fmt::format("{}_inside[item] = {} < {};", x, tile.free, f.extent_text(tile.role)));
  f.out.line(fmt::format("{}_offset[item] = {};", x,
                         f.sum(tile.name, constant, f.strides(index), {GemmRole::batch, tile.role})));
  for (size_t d = 0; d < index.size(); ++d)
    if (index[d].checked)
      f.out.line(fmt::format(
          "{}_d{}[item] = {};", x, d,
          f.sum(nullptr, index[d].constant, index[d].coefficients, {GemmRole::batch, tile.role})));
  f.out.close();
}

std::string copy_condition(GemmFrame& f, const GemmTile& tile) {
  const std::vector<GemmIndex>& index = *tile.index;
  std::string inside = fmt::format("{}_inside[item]", tile.name);
  if (f.extent(GemmRole::k) % f.plan.block_k != 0)
    inside += fmt::format(" && k < {}", f.extent_text(GemmRole::k));
  for (size_t d = 0; d < index.size(); ++d)
    if (index[d].checked)
      inside += fmt::format(" && (u32)({}_d{}[item] + {}) < (u32){}", tile.name, d,
                            f.sum(nullptr, 0, index[d].coefficients, {GemmRole::k}),
                            f.extents.count(std::string(tile.name) + "_extent", index[d].extent));
  return inside;
}

std::string copy_address(GemmFrame& f, const GemmTile& tile) {
  return fmt::format("{} + ({}_offset[item] + {})", operand_name(tile.operand), tile.name,
                     f.sum(tile.name, 0, f.strides(*tile.index), {GemmRole::k}));
}

}  // namespace netc
