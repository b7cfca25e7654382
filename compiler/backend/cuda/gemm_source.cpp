#include "compiler/backend/cuda/gemm_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/backend/cuda/gemm_epilogue.h"
#include "compiler/backend/cuda/gemm_simt_source.h"
#include "compiler/backend/cuda/gemm_tensor_source.h"
#include "compiler/base/error.h"

namespace netc {
namespace {

class GemmSource {
 public:
  GemmSource(SourceWriter& out, KernelExtents& extents, const KernelBody& body, const CudaGemmPlan& plan)
      : f_(out, extents, body, plan), out_(out), plan_(plan) {}

  int emit() {
    place_block();
    int bytes = 0;
    for (size_t p = 0; p < plan_.phases.size(); ++p) {
      if (plan_.phases.size() > 1) out_.open(fmt::format("if (phase == {})", p));
      f_.set_phase(p);
      f_.expressions.open_scope();
      if (!f_.phase().empty()) {
        out_.line(fmt::format("const Shared<f32> c_tile{{0}};  // {}, over the operands' tiles",
                              plan_.m_inner ? "[n][m]" : "[m][n]"));
        bytes = std::max(bytes, plan_.tensor_cores ? emit_tensor_product(f_) : emit_simt_product(f_));
      }
      bytes = std::max(bytes, emit_gemm_epilogue(f_));
      f_.expressions.close_scope();
      if (plan_.phases.size() > 1) out_.close();
    }
    return bytes;
  }

 private:
  void place_block() {
    out_.line("const int thread = (int)threadIdx.x;");
    const bool phases = plan_.phases.size() > 1, batches = plan_.extent(GemmRole::batch) > 1;
    const std::string n_blocks = f_.extents.count_divisor("n_blocks", plan_.n_blocks());
    out_.line(fmt::format("const int n_block = (int)blockIdx.x % {};", n_blocks));
    std::string rest = fmt::format("(int)blockIdx.x / {}", n_blocks);
    const auto part = [&](const char* name, const std::string& count, bool last) {
      if (last) return out_.line(fmt::format("const int {} = {};", name, rest));
      out_.line(fmt::format("const int above_{} = {}, {} = above_{} % {};", name, rest, name, name, count));
      rest = fmt::format("above_{} / {}", name, count);
    };
    part("m_block", phases || batches ? f_.extents.count_divisor("m_blocks", plan_.m_blocks()) : "",
         !phases && !batches);
    if (phases) part("phase", std::to_string(plan_.phases.size()), !batches);
    if (batches) part("batch", "", true);
    out_.line(fmt::format("const int m_first = m_block * {}, n_first = n_block * {};", plan_.block_m,
                          plan_.block_n));
    f_.decode(GemmRole::batch, "batch", "b");
  }

  GemmFrame f_;
  SourceWriter& out_;
  const CudaGemmPlan& plan_;
};

}  // namespace

int emit_gemm_source(SourceWriter& out, KernelExtents& extents, const KernelBody& body,
                     const CudaGemmPlan& plan) {
  NETC_CHECK(body.contraction, "a matrix product without a contraction");
  return GemmSource(out, extents, body, plan).emit();
}

}  // namespace netc
