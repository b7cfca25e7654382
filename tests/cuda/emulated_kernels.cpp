#include "tests/cuda/emulated_kernels.h"

#include "compiler/backend/cuda/host_compiler.h"

namespace netc {

EmulatedKernels::EmulatedKernels(std::vector<KernelBody> bodies, const Target& target)
    : bodies_(std::move(bodies)), target_(target) {
  load(compile_emulation(kernels(), target_, 2));
}

EmulatedKernels::EmulatedKernels(std::vector<KernelBody> bodies, const Target& target,
                                 const std::function<void(size_t, std::string&)>& change)
    : bodies_(std::move(bodies)), target_(target) {
  std::vector<CudaSource> sources = emit_cuda(kernels(), target_, 1);
  for (size_t i = 0; i < sources.size(); ++i) {
    CudaSource& source = sources[i];
    const std::string name = source.function + "_" + std::to_string(i);  // equal ones are changed apart
    for (size_t at = 0; (at = source.code.find(source.function, at)) != std::string::npos; at += name.size())
      source.code.replace(at, source.function.size(), name);
    source.function = name;
    change(i, source.code);
  }
  load({compile_host_library(emit_emulation(kernels(), sources))});
}

std::vector<CudaKernel> EmulatedKernels::kernels() const {
  std::vector<CudaKernel> result;
  for (const KernelBody& body : bodies_)
    result.push_back({"kernel_" + std::to_string(result.size()), &body, {}});
  return result;
}

void EmulatedKernels::load(std::vector<std::vector<std::byte>> objects) {
  Program program;
  program.objects = std::move(objects);
  for (const CudaKernel& kernel : kernels()) {
    verify(*kernel.body);
    program.kernels.push_back({kernel.symbol, {}});
    for (const KernelOperand& o : kernel.body->operands)
      program.kernels.back().operand_spaces.push_back(o.space);
  }
  executable_ = load_cuda_emulation(std::move(program));
}

CompiledKernel EmulatedKernels::kernel(size_t number) const {
  return CompiledKernel(bodies_[number], target_, executable_, static_cast<int32_t>(number));
}

}  // namespace netc
