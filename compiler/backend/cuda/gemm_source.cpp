#include "compiler/backend/cuda/gemm_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/backend/cuda/gemm_simt_source.h"
#include "compiler/backend/cuda/gemm_tensor_source.h"
#include "compiler/base/error.h"

namespace netc {
namespace {

class GemmSource {
 public:
  GemmSource(SourceWriter& out, const KernelBody& body, const CudaGemmPlan& plan)
      : f_(out, body, plan), out_(out), body_(body), plan_(plan) {}

  int emit() {
    place_block();
    const int c_bytes = 4 * plan_.block_n * c_pitch();
    int bytes = body_.partials.empty() ? c_bytes : c_bytes + 4 * plan_.threads;
    for (size_t p = 0; p < plan_.phases.size(); ++p) {
      if (plan_.phases.size() > 1) out_.open(fmt::format("if (phase == {})", p));
      f_.set_phase(p);
      f_.expressions.open_scope();
      if (!f_.phase().empty()) {
        out_.line("const Shared<f32> c_tile{0};  // [n][m], over the operands' tiles");
        bytes = std::max(bytes, plan_.tensor_cores ? emit_tensor_product(f_) : emit_simt_product(f_));
      }
      epilogue();
      f_.expressions.close_scope();
      if (plan_.phases.size() > 1) out_.close();
    }
    return bytes;
  }

 private:
  int c_pitch() const { return plan_.block_m + 1; }

  void place_block() {
    int64_t stride = 1;
    const auto part = [&](const char* name, int64_t count) {
      std::string text = stride == 1 ? "(int)blockIdx.x" : fmt::format("(int)blockIdx.x / {}", stride);
      stride *= count;
      if (stride != plan_.blocks()) text += fmt::format(" % {}", count);
      out_.line(fmt::format("const int {} = {};", name, count == 1 ? "0" : text));
    };
    out_.line("const int thread = (int)threadIdx.x;");
    part("n_block", plan_.n_blocks());
    part("m_block", plan_.m_blocks());
    if (plan_.phases.size() > 1) part("phase", static_cast<int64_t>(plan_.phases.size()));
    if (plan_.extent(GemmRole::batch) > 1) part("batch", plan_.extent(GemmRole::batch));
    out_.line(fmt::format("const int m_first = m_block * {}, n_first = n_block * {};", plan_.block_m,
                          plan_.block_n));
    f_.decode(GemmRole::batch, "batch", "b");
  }

  void epilogue() {
    if (!plan_.m_inner) declare_sums();
    out_.open(
        fmt::format("for (int item = 0; item < {}; ++item)", plan_.block_m * plan_.block_n / plan_.threads));
    f_.expressions.open_scope();
    const int inner = plan_.m_inner ? plan_.block_m : plan_.block_n;
    const std::string inside = fmt::format("thread % {}", inner),
                      outside = fmt::format("thread / {} + item * {}", inner, plan_.threads / inner);
    out_.line(fmt::format("const int m_local = {}, n_local = {};", plan_.m_inner ? inside : outside,
                          plan_.m_inner ? outside : inside));
    out_.line("const int m = m_first + m_local, n = n_first + n_local;");
    if (plan_.m_inner) declare_sums();
    out_.open(fmt::format("if (m < {} && n < {})", plan_.extent(GemmRole::m), plan_.extent(GemmRole::n)));
    const std::string clipped = set_axes();
    if (!clipped.empty()) out_.open(fmt::format("if ({})", clipped));
    if (f_.phase().empty()) {
      f_.expressions.set_reduced({"0.0f"});
    } else {
      out_.line(fmt::format("const f32 product = c_tile.load(n_local * {} + m_local);", c_pitch()));
      f_.expressions.set_reduced({"product"});
    }
    stores();
    if (!clipped.empty()) out_.close();
    out_.close();
    if (plan_.m_inner) finish_sums(plan_.block_m, 1, fmt::format("thread % {}", plan_.block_m), "n");
    f_.expressions.close_scope();
    out_.close();
    if (!plan_.m_inner)
      finish_sums(plan_.threads / plan_.block_n, plan_.block_n, fmt::format("thread / {}", plan_.block_n),
                  fmt::format("n_first + thread % {}", plan_.block_n));
  }

  // The output's index from m, n and batch. Returns a condition where a phase may lie outside of the output.
  std::string set_axes() {
    f_.decode(GemmRole::m, "m", "m");
    f_.decode(GemmRole::n, "n", "n");
    std::string clipped;
    for (int d = 0; d < body_.nest.parallel; ++d) {
      std::string text;
      const auto add = [&](const std::string& part) {
        if (part != "0") text += text.empty() ? part : " + " + part;
      };
      const int64_t shape = body_.nest.extents[static_cast<size_t>(d)],
                    residue = f_.phase().residues[static_cast<size_t>(d)];
      bool check = false;
      for (size_t v = 0; v < plan_.variables.size(); ++v) {
        const GemmVariable& variable = plan_.variables[v];
        if (variable.dimension != d) continue;
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
      if (check) clipped += (clipped.empty() ? "" : " && ") + fmt::format("{} < {}", text, shape);
      f_.expressions.set_axis(d, text);
    }
    return clipped;
  }

  // All values before all stores: a store may go over an operand that another value loads (in place).
  void stores() {
    std::vector<std::string> values, sums;
    for (const Store& s : body_.nest.stores) values.push_back(f_.expressions.value(s.value));
    for (const PartialSum& p : body_.partials) sums.push_back(f_.expressions.value(p.body));
    for (size_t i = 0; i < values.size(); ++i)
      f_.expressions.store(body_.nest.stores[i].output, f_.analysis.store_offset(body_.nest.stores[i].output),
                           values[i]);
    for (size_t i = 0; i < sums.size(); ++i) out_.line(fmt::format("sum{} += {};", i, sums[i]));
  }

  void declare_sums() {
    for (size_t i = 0; i < body_.partials.size(); ++i) out_.line(fmt::format("f32 sum{} = 0.0f;", i));
  }

  // One sum per thread to one per n; the threads of an n are `count`, `stride` apart, and `number` counts
  // them.
  void finish_sums(int count, int stride, const std::string& number, const std::string& n) {
    if (body_.partials.empty()) return;
    for (size_t i = 0; i < body_.partials.size(); ++i)
      out_.line(fmt::format("sum{0} = combine<Sum, {1}, {2}>(sum{0}, thread, {3}, {4});", i, count, stride,
                            number, 4 * plan_.block_n * c_pitch()));
    out_.open(fmt::format("if ({} == 0 && {} < {})", number, n, plan_.extent(GemmRole::n)));
    const std::string row =
        plan_.phases.size() > 1 ? fmt::format("(phase * {} + m_block)", plan_.m_blocks()) : "m_block";
    for (size_t i = 0; i < body_.partials.size(); ++i) {
      const KernelOperand& o = body_.operands[static_cast<size_t>(body_.partials[i].output)];
      f_.expressions.store_at(body_.partials[i].output,
                              fmt::format("({} * {} + ({}) * {})", row, o.strides[0], n, o.strides[1]),
                              fmt::format("sum{}", i));
    }
    out_.close();
  }

  GemmFrame f_;
  SourceWriter& out_;
  const KernelBody& body_;
  const CudaGemmPlan& plan_;
};

}  // namespace

int emit_gemm_source(SourceWriter& out, const KernelBody& body, const CudaGemmPlan& plan) {
  NETC_CHECK(body.contraction, "a matrix product without a contraction");
  return GemmSource(out, body, plan).emit();
}

}  // namespace netc
