#include "compiler/backend/cuda/gemm_epilogue.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/backend/cuda/lane_source.h"
#include "compiler/lower/cuda_lanes.h"

namespace netc {
namespace {

class GemmEpilogue {
 public:
  explicit GemmEpilogue(GemmFrame& frame)
      : f_(frame), out_(frame.out), body_(frame.body), plan_(frame.plan) {}

  int emit() {
    if (plan_.lane_variable >= 0) return by_lanes();
    by_elements();
    return f_.c_bytes() + (body_.partials.empty() ? 0 : 4 * plan_.threads);
  }

 private:
  // --- one element a thread ---

  void by_elements() {
    if (!plan_.m_inner) declare_sums();
    const int inner = plan_.m_inner ? plan_.block_m : plan_.block_n;
    out_.open(
        fmt::format("for (int item = 0; item < {}; ++item)", plan_.block_m * plan_.block_n / plan_.threads));
    f_.expressions.open_scope();
    place_item(inner, 1);
    if (plan_.m_inner) declare_sums();
    const int conditions = open_inside();
    if (!f_.phase().empty())
      out_.line(fmt::format("const f32 product = c_tile.load({});", f_.c_index("m_local", "n_local")));
    f_.expressions.set_reduced({f_.phase().empty() ? "0.0f" : "product"});
    std::vector<std::string> values, sums;
    evaluate(values, sums);
    for (size_t i = 0; i < values.size(); ++i)
      f_.expressions.store(output(i), f_.analysis.store_offset(output(i)), values[i]);
    for (size_t i = 0; i < sums.size(); ++i) out_.line(fmt::format("sum{} += {};", i, sums[i]));
    for (int i = 0; i < conditions; ++i) out_.close();
    if (plan_.m_inner) finish_sums(plan_.block_m, 1, fmt::format("thread % {}", plan_.block_m), "n");
    f_.expressions.close_scope();
    out_.close();
    if (!plan_.m_inner)
      finish_sums(plan_.threads / plan_.block_n, plan_.block_n, fmt::format("thread / {}", plan_.block_n),
                  fmt::format("n_first + thread % {}", plan_.block_n));
  }

  // One sum per thread to one per n; the threads of an n are `count`, `stride` apart, and `number` counts
  // them.
  void finish_sums(int count, int stride, const std::string& number, const std::string& n) {
    if (body_.partials.empty()) return;
    for (size_t i = 0; i < body_.partials.size(); ++i)
      out_.line(fmt::format("sum{0} = combine<Sum, {1}, {2}>(sum{0}, thread, {3}, {4});", i, count, stride,
                            number, f_.c_bytes()));
    out_.open(fmt::format("if ({} == 0 && {} < {})", number, n, f_.extent_text(GemmRole::n)));
    for (size_t i = 0; i < body_.partials.size(); ++i) store_sum(i, n, fmt::format("sum{}", i));
    out_.close();
  }

  // --- eight neighbours a thread ---

  int by_lanes() {
    const int inner = plan_.m_inner ? plan_.block_m : plan_.block_n, across = inner / kLanes;
    declare_lane_sums(context());
    out_.line("#pragma unroll 2");
    out_.open(fmt::format("for (int item = 0; item < {}; ++item)",
                          plan_.block_m * plan_.block_n / plan_.threads / kLanes));
    f_.expressions.open_scope();
    place_item(inner, kLanes);
    const int conditions = open_inside();
    if (!f_.phase().empty()) {
      out_.line(fmt::format("f32 product[{}];", kLanes));
      out_.line(fmt::format("load_vector(product, c_tile, {});", f_.c_index("m_local", "n_local")));
    }
    emit_lanes(context(), lane_axis(), lane_first_, {f_.phase().empty() ? "0.0f" : "product[lane]"});
    for (int i = 0; i < conditions; ++i) out_.close();
    f_.expressions.close_scope();
    out_.close();
    return std::max(f_.c_bytes(), finish_lane_sums(across));
  }

  int lane_axis() const { return plan_.variables[static_cast<size_t>(plan_.lane_variable)].dimension; }

  int finish_lane_sums(int across) {
    if (body_.partials.empty()) return 0;
    out_.line("__syncthreads();  // C has been read; the sums go over it");
    return emit_lane_sums(context(), {plan_.threads / across, plan_.block_n},
                          fmt::format("n_first + column < {}", f_.extent_text(GemmRole::n)),
                          [&](size_t i, const std::string& column, const std::string& value) {
                            store_sum(i, "n_first + " + column, value);
                          });
  }

  LaneContext context() const { return {out_, body_, f_.analysis, f_.expressions, f_.merged}; }

  // --- both ---

  int output(size_t store) const { return body_.nest.stores[store].output; }

  // Names m and n, and which `lanes` elements of the tile an item is.
  void place_item(int inner, int lanes) {
    const int across = inner / lanes;
    std::string inside = fmt::format("thread % {}", across);
    if (lanes > 1) inside += fmt::format(" * {}", lanes);
    const std::string outside = fmt::format("thread / {} + item * {}", across, plan_.threads / across);
    out_.line(fmt::format("const int m_local = {}, n_local = {};", plan_.m_inner ? inside : outside,
                          plan_.m_inner ? outside : inside));
    out_.line("const int m = m_first + m_local, n = n_first + n_local;");
  }

  // Opens what is done within the output only; returns how many braces that are.
  int open_inside() {
    out_.open(fmt::format("if (m < {} && n < {})", f_.extent_text(GemmRole::m), f_.extent_text(GemmRole::n)));
    const std::string clipped = set_axes();
    if (clipped.empty()) return 1;
    out_.open(fmt::format("if ({})", clipped));
    return 2;
  }

  // The output's index from m, n and batch. Returns a condition where a phase may lie outside of the output.
  std::string set_axes() {
    if (!f_.m_is_one) f_.decode(GemmRole::m, "m", "m");
    f_.decode(GemmRole::n, "n", "n");
    std::string clipped;
    for (int d = 0; d < body_.nest.parallel; ++d) {
      const int64_t shape = body_.nest.extents[static_cast<size_t>(d)],
                    residue = f_.phase().residues[static_cast<size_t>(d)];
      std::string text;
      const auto add = [&](const std::string& part) {
        if (part != "0") text += text.empty() ? part : " + " + part;
      };
      bool check = false;
      for (size_t v = 0; v < plan_.variables.size(); ++v) {
        const GemmVariable& variable = plan_.variables[v];
        if (variable.dimension != d) continue;
        if (f_.m_is_one && variable.role == GemmRole::m) {
          if (variable.extent > 1) add("m");  // the last of them; the others run in it
          continue;
        }
        const int64_t factor = variable.radix > 0 && variable.outer ? variable.radix : variable.scale;
        add(f_.names[v] == "0" || factor == 1 ? f_.names[v] : fmt::format("{} * {}", f_.names[v], factor));
        check = variable.scale > 1 && (variable.extent - 1) * variable.scale + residue >= shape;
      }
      if (residue != 0) add(std::to_string(residue));
      if (text.empty()) text = "0";
      if (text.find(' ') != std::string::npos) {
        out_.line(fmt::format("const int a{} = {};", d, text));
        text = fmt::format("a{}", d);
      }
      if (check)
        clipped +=
            (clipped.empty() ? "" : " && ") + fmt::format("{} < {}", text, f_.extents.count("shape", shape));
      f_.expressions.set_axis(d, text);
      if (plan_.lane_variable >= 0 && d == lane_axis()) lane_first_ = text;
    }
    return clipped;
  }

  // All values before all stores: a store may go over an operand that another value loads (in place).
  void evaluate(std::vector<std::string>& values, std::vector<std::string>& sums) {
    for (const Store& s : body_.nest.stores) values.push_back(f_.expressions.value(s.value));
    for (const PartialSum& p : body_.partials) sums.push_back(f_.expressions.value(p.body));
  }

  void declare_sums() {
    for (size_t i = 0; i < body_.partials.size(); ++i) out_.line(fmt::format("f32 sum{} = 0.0f;", i));
  }

  void store_sum(size_t partial, const std::string& n, const std::string& value) {
    const std::string row =
        plan_.phases.size() > 1
            ? fmt::format("(phase * {} + m_block)", f_.extents.count("phase_rows", plan_.m_blocks()))
            : "m_block";
    const KernelOperand& o = body_.operands[static_cast<size_t>(body_.partials[partial].output)];
    f_.expressions.store_at(
        body_.partials[partial].output,
        fmt::format("({} * {} + ({}) * {})", row, f_.expressions.number("stride", o.strides[0]), n,
                    f_.expressions.number("stride", o.strides[1])),
        value);
  }

  GemmFrame& f_;
  SourceWriter& out_;
  const KernelBody& body_;
  const CudaGemmPlan& plan_;
  std::string lane_first_ = "0";  // the lanes' axis at the first of them
};

}  // namespace

int emit_gemm_epilogue(GemmFrame& frame) {
  return GemmEpilogue(frame).emit();
}

}  // namespace netc
