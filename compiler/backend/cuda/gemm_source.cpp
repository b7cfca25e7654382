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
  GemmSource(SourceWriter& out, const KernelBody& body, const CudaGemmPlan& plan)
      : f_(out, body, plan), out_(out), plan_(plan) {}

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

  GemmFrame f_;
  SourceWriter& out_;
  const CudaGemmPlan& plan_;
};

}  // namespace

int emit_gemm_source(SourceWriter& out, const KernelBody& body, const CudaGemmPlan& plan) {
  NETC_CHECK(body.contraction, "a matrix product without a contraction");
  return GemmSource(out, body, plan).emit();
}

}  // namespace netc
