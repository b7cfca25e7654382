#include "compiler/backend/cuda/cuda_backend.h"

#include <fmt/format.h>

#include <map>

#include "compiler/backend/cuda/expression_source.h"
#include "compiler/backend/cuda/gemm_source.h"
#include "compiler/backend/cuda/nest_source.h"
#include "compiler/backend/cuda/prelude_sources.h"
#include "compiler/backend/cuda/source_writer.h"
#include "compiler/base/digest.h"
#include "compiler/base/error.h"
#include "compiler/base/in_parallel.h"
#include "compiler/lower/contraction_nest.h"
#include "compiler/lower/cuda_plan.h"

namespace netc {
namespace {

constexpr const char* kName = "netc_kernel";  // a function's, until its code is known

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

std::string parameters(const KernelBody& body, bool extents) {
  std::string text = "const RunScalars* scalars";
  for (size_t i = 0; i < body.operands.size(); ++i)
    text += fmt::format(", Global<{}{}> {}", body.operands[i].written ? "" : "const ",
                        storage_name(body.operands[i].dtype), operand_name(static_cast<int>(i)));
  return text + (extents ? fmt::format(", const {}_extents e", kName) : "");
}

// A picture's few channels: each thread keeps many addresses, and with numbers in registers beside them only
// half as many threads would fit a multiprocessor. A network has one such layer.
bool gathers_both(const CudaPlan& plan) {
  return plan.gemm && plan.gemm->tensor_cores && plan.gemm->v_copy.kind == GemmCopy::Kind::gather &&
         plan.gemm->s_copy.kind == GemmCopy::Kind::gather;
}

const char* kind_of(const KernelBody& body, const CudaPlan& plan) {
  if (plan.gemm) return "product";
  if (!body.partials.empty()) return "sums";
  return body.nest.reductions.empty() ? "map" : "reduce";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// How the emulator calls a function.
void emit_function_glue(SourceWriter& out, const KernelBody& body, const CudaSource& source) {
  const std::string& name = source.function;
  std::string arguments = "(const RunScalars*)scalars";
  for (size_t i = 0; i < body.operands.size(); ++i)
    arguments += fmt::format(", Global<{}{}>(o[{}])", body.operands[i].written ? "" : "const ",
                             storage_name(body.operands[i].dtype), i);
  if (!source.extents.empty()) arguments += fmt::format(", *(const {}_extents*)extents", name);
  out.line(fmt::format(
      "static void {0}_thread(const void* scalars, const netc_emulation::Operand* o, const void* extents) "
      "{{ {0}({1}); }}",
      name, arguments));
  out.line(fmt::format(
      "extern \"C\" const netc_emulation::Kernel {0}_function = {{\"{0}\", {0}_thread, {1}, {2}, {3}, 0, "
      "0, 0, {4}}};",
      name, source.threads, source.shared_bytes, body.operands.size(),
      source.extents.empty() ? "0" : fmt::format("(int)sizeof({}_extents)", name)));
}

// A kernel: its function with its operands and extents.
void emit_kernel_glue(SourceWriter& out, const CudaKernel& kernel, const CudaSource& source) {
  std::string spaces, bytes, words;
  for (const KernelOperand& o : kernel.body->operands) {
    spaces += o.space == Space::state ? "1, " : "0, ";
    bytes += fmt::format("{}, ", operand_span(o) * size_of(o.dtype));
  }
  for (const int32_t word : source.extents) words += fmt::format("{}u, ", static_cast<uint32_t>(word));
  const std::string& s = kernel.symbol;
  out.line(fmt::format("static const unsigned char {}_spaces[] = {{{}0}};", s, spaces));
  out.line(fmt::format("static const netc_emulation::Int {}_bytes[] = {{{}0}};", s, bytes));
  out.line(fmt::format("alignas(8) static const u32 {}_words[] = {{{}0}};", s, words));
  if (!source.extents.empty())
    out.line(fmt::format("static_assert(sizeof({}_extents) == {}, \"what the host passes\");",
                         source.function, 4 * source.extents.size()));
  out.line(fmt::format(
      "static const netc_emulation::Kernel {0}_kernel = {{\"{0}\", {1}_thread, {2}, {3}, {4}, {0}_spaces, "
      "{0}_bytes, {0}_words, {5}}};",
      s, source.function, source.threads, source.shared_bytes, kernel.body->operands.size(),
      4 * source.extents.size()));
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
  KernelExtents extents(gathers_both(plan));
  CudaSource source;
  source.threads = plan.gemm ? plan.gemm->threads : plan.threads;
  source.shared_bytes = plan.gemm ? emit_gemm_source(inside, extents, body, *plan.gemm)
                                  : emit_nest_source(inside, extents, body, plan);
  source.extents = extents.words();

  SourceWriter comment;
  for (const std::string& note : kernel.notes) comment.comment(note);
  for (size_t i = 0; i < body.operands.size(); ++i)
    comment.comment(operand_text(body.operands[i], static_cast<int>(i)));
  comment.comment(plan.gemm ? to_string(*plan.gemm) : geometry(plan));
  if (!extents.empty()) comment.comment("e: " + extents.values());
  source.comment = comment.text();

  SourceWriter head;
  head.line(fmt::format("extern \"C\" __global__ void __launch_bounds__({}) {}({}) {{", source.threads, kName,
                        parameters(body, !extents.empty())));
  const std::string code = (extents.empty() ? "" : extents.declaration(std::string(kName) + "_extents")) +
                           head.text() + inside.text() + "}\n";
  source.function = fmt::format("netc_{}_{}", kind_of(body, plan), digest(code).hex(16));
  source.code = replaced(code, kName, source.function);
  return source;
}

std::vector<CudaSource> emit_cuda(const std::vector<CudaKernel>& kernels, const Target& target, int threads) {
  std::vector<CudaSource> sources(kernels.size());
  in_parallel(kernels.size(), threads, [&](size_t i) { sources[i] = emit_cuda(kernels[i], target); });
  return sources;
}

std::vector<std::vector<size_t>> group_by_function(const std::vector<CudaSource>& sources) {
  std::vector<std::vector<size_t>> groups;
  std::map<std::string, size_t> known;
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto [at, is_new] = known.try_emplace(sources[i].function, groups.size());
    if (is_new) groups.emplace_back();
    groups[at->second].push_back(i);
  }
  return groups;
}

std::vector<DeviceKernel> describe_kernels(const std::vector<CudaSource>& sources,
                                           const std::vector<int32_t>& objects, Program& program) {
  NETC_CHECK(sources.size() == program.kernels.size(), "a source for each kernel");
  std::vector<DeviceKernel> kernels(sources.size());
  const std::vector<std::vector<size_t>> functions = group_by_function(sources);
  for (size_t f = 0; f < functions.size(); ++f)
    for (const size_t i : functions[f]) {
      kernels[i] = {sources[i].function, objects.at(f), sources[i].extents};
      program.kernels[i].threads = sources[i].threads;
      program.kernels[i].shared_bytes = sources[i].shared_bytes;
    }
  return kernels;
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
  for (const std::vector<size_t>& served : group_by_function(sources)) {
    const CudaSource& source = sources[served.front()];
    text += fmt::format("\n#line 1 \"{}.cu\"\n", source.function) + source.code;
    emit_function_glue(glue, *kernels[served.front()].body, source);
    for (const size_t i : served) emit_kernel_glue(glue, kernels[i], sources[i]);
  }
  return text + "\n" + glue.text();
}

}  // namespace netc
