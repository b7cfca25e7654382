#include "compiler/backend/cuda/cuda_backend.h"

#include <fmt/format.h>

#include "compiler/backend/cuda/expression_source.h"
#include "compiler/backend/cuda/gemm_source.h"
#include "compiler/backend/cuda/nest_source.h"
#include "compiler/backend/cuda/prelude_sources.h"
#include "compiler/backend/cuda/source_writer.h"
#include "compiler/base/error.h"
#include "compiler/lower/contraction_nest.h"
#include "compiler/lower/cuda_plan.h"

namespace netc {
namespace {

std::string operand_text(const KernelOperand& o, int number) {
  return fmt::format("{}: {}{} {}{}", operand_name(number), o.written ? "out " : "", name_of(o.dtype), o.name,
                     to_string(o.shape));
}

std::string geometry(const CudaPlan& plan) {
  std::string text =
      fmt::format("{} blocks of {} threads: {} points", plan.blocks(), plan.threads, plan.points);
  if (plan.terms > 1)
    text += fmt::format(" of {} terms, {} threads a point{}", plan.terms, plan.term_threads(),
                        plan.terms_inner ? ", neighbours in a term" : "");
  if (plan.lanes > 1) text += fmt::format(", {} points a thread", plan.lanes);
  if (plan.rows > 1) text += fmt::format(", {} rows of partial sums", plan.rows);
  return text;
}

std::string parameters(const KernelBody& body) {
  std::string text = "const RunScalars* scalars";
  for (size_t i = 0; i < body.operands.size(); ++i)
    text += fmt::format(", Global<{}{}> {}", body.operands[i].written ? "" : "const ",
                        storage_name(body.operands[i].dtype), operand_name(static_cast<int>(i)));
  return text;
}

void emit_glue(SourceWriter& out, const CudaKernel& kernel, const CudaSource& source) {
  const std::vector<KernelOperand>& operands = kernel.body->operands;
  std::string arguments = "(const RunScalars*)scalars", spaces, bytes;
  for (size_t i = 0; i < operands.size(); ++i) {
    arguments += fmt::format(", Global<{}{}>(o[{}])", operands[i].written ? "" : "const ",
                             storage_name(operands[i].dtype), i);
    spaces += operands[i].space == Space::state ? "1, " : "0, ";
    bytes += fmt::format("{}, ", operand_span(operands[i]) * size_of(operands[i].dtype));
  }
  const std::string& s = kernel.symbol;
  out.line(fmt::format(
      "static void {}_thread(const void* scalars, const netc_emulation::Operand* o) {{ {}({}); }}", s, s,
      arguments));
  out.line(fmt::format("static const unsigned char {}_spaces[] = {{{}0}};", s, spaces));
  out.line(fmt::format("static const netc_emulation::Int {}_bytes[] = {{{}0}};", s, bytes));
  out.line(fmt::format(
      "extern \"C\" const netc_emulation::Kernel {0}_kernel = {{\"{0}\", {0}_thread, {1}, {2}, {3}, "
      "{0}_spaces, {0}_bytes}};",
      s, source.threads, source.shared_bytes, operands.size()));
  out.line(
      fmt::format("extern \"C\" void {0}_blocks(unsigned char* state, unsigned char* arena, const void* "
                  "args, long first, long last) {{",
                  s));
  out.line(fmt::format(
      "  netc_emulation_host->run_blocks(netc_emulation_host, &{}_kernel, state, arena, args, first, last);",
      s));
  out.line("}");
}

}  // namespace

Target cuda_target(const std::string& name) {
  Target target;
  if (name != "sm_80" && name != "sm_90")
    throw RuntimeError("E0922", "unknown GPU architecture `" + name + "`", "sm_80 and sm_90 are known");
  target.kind = TargetKind::cuda;
  target.cpu = name;
  return target;
}

CudaSource emit_cuda(const CudaKernel& kernel, const Target& target) {
  const CudaPlan plan = plan_cuda(*kernel.body, target);
  const KernelBody body =
      kernel.body->contraction && !plan.gemm ? contraction_as_nest(*kernel.body) : *kernel.body;
  for (const KernelOperand& o : kernel.body->operands)
    NETC_CHECK(o.halo.dimension < 0, "a halo in a CUDA kernel: layouts with halos are the CPU's");
  SourceWriter inside(1);
  CudaSource source;
  source.threads = plan.gemm ? plan.gemm->threads : plan.threads;
  source.shared_bytes =
      plan.gemm ? emit_gemm_source(inside, body, *plan.gemm) : emit_nest_source(inside, body, plan);

  SourceWriter out;
  for (const std::string& note : kernel.notes) out.comment(note);
  for (size_t i = 0; i < body.operands.size(); ++i)
    out.comment(operand_text(body.operands[i], static_cast<int>(i)));
  out.comment(plan.gemm ? to_string(*plan.gemm) : geometry(plan));
  out.line(fmt::format("extern \"C\" __global__ void __launch_bounds__({}) {}({}) {{", source.threads,
                       kernel.symbol, parameters(body)));
  source.text = out.text() + inside.text() + "}\n";
  return source;
}

std::string cuda_prelude() {
  return std::string(prelude_source("device")) + prelude_source("common");
}
std::string emulation_prelude() {
  return std::string(prelude_source("cuda_emulation_abi")) + prelude_source("emulation") +
         prelude_source("common");
}

std::string emit_emulation(const std::vector<CudaKernel>& kernels, const std::vector<CudaSource>& sources) {
  NETC_CHECK(kernels.size() == sources.size(), "a source for each kernel");
  SourceWriter glue;
  std::string text = emulation_prelude();
  for (size_t i = 0; i < kernels.size(); ++i) {
    text += fmt::format("\n#line 1 \"{}.cu\"\n", kernels[i].symbol) +
            sources[i].text;  // lines in messages are those of `netc emit`
    emit_glue(glue, kernels[i], sources[i]);
  }
  return text + "\n" + glue.text();
}

std::string emit_emulation(const std::vector<CudaKernel>& kernels, const Target& target) {
  std::vector<CudaSource> sources;
  for (const CudaKernel& kernel : kernels) sources.push_back(emit_cuda(kernel, target));
  return emit_emulation(kernels, sources);
}

}  // namespace netc
