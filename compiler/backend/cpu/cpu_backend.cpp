// From kernel bodies to text and objects: one LLVMContext and TargetMachine per call, so that calls
// may run at the same time.
#include "compiler/backend/cpu/cpu_backend.h"

#include <llvm/Config/llvm-config.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>
#include <llvm/TargetParser/Host.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "compiler/backend/cpu/kernel_emitter.h"
#include "compiler/base/error.h"
#include "compiler/lower/contraction_plan.h"

namespace netc {

extern const char* const kCodeGeneratorHash;  // generated, see cmake/hash_code_generator.cmake

namespace {

constexpr const char* kTriple = "x86_64-unknown-linux-gnu";

const llvm::Target& llvm_target() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  std::string error;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(kTriple, error);
  NETC_CHECK(target, error);
  return *target;
}

std::unique_ptr<llvm::TargetMachine> machine_for(const std::string& cpu, const std::string& features) {
  llvm::TargetOptions options;
  return std::unique_ptr<llvm::TargetMachine>(llvm_target().createTargetMachine(
      kTriple, cpu, features, options, llvm::Reloc::PIC_, llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
}

// A module with every kernel in it, and the machine that compiles it.
struct Compilation {
  Compilation(std::span<const NamedKernel> kernels, const Target& target)
      : machine(machine_for(target.cpu, target.features)), module("netc", context) {
    context.setDiscardValueNames(true);
    module.setTargetTriple(kTriple);
    module.setDataLayout(machine->createDataLayout());
    const llvm::MCSubtargetInfo& cpu = *machine->getMCSubtargetInfo();
    CpuFeatures features{target.fma, cpu.checkFeatures("+f16c"), cpu.checkFeatures("+sse4.1"),
                         cpu.checkFeatures("+avx512bf16,+avx512vl")};
    for (const NamedKernel& k : kernels) emit_kernel(module, k.symbol, *k.body, target, features, k.tile);
    std::string problem;
    llvm::raw_string_ostream stream(problem);
    NETC_CHECK(!llvm::verifyModule(module, &stream), problem);
  }

  std::string emit(llvm::CodeGenFileType type) {
    llvm::SmallString<0> bytes;
    llvm::raw_svector_ostream stream(bytes);
    llvm::legacy::PassManager passes;
    NETC_CHECK(!machine->addPassesToEmitFile(passes, stream, nullptr, type), "LLVM cannot emit this kind of file");
    passes.run(module);
    return std::string(bytes.begin(), bytes.end());
  }

  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> machine;
  llvm::Module module;
};

std::unique_ptr<llvm::MCSubtargetInfo> subtarget(const std::string& cpu) {
  return std::unique_ptr<llvm::MCSubtargetInfo>(llvm_target().createMCSubtargetInfo(kTriple, cpu, ""));
}

Target describe(const std::string& cpu, const std::string& features) {
  const std::unique_ptr<llvm::TargetMachine> machine = machine_for(cpu, features);
  const llvm::MCSubtargetInfo& info = *machine->getMCSubtargetInfo();
  Target target;
  target.cpu = cpu;
  target.features = features;
  const bool wide = info.checkFeatures("+avx512f,+avx512vl,+avx512bw,+avx512dq");
  target.vector_lanes = wide ? 16 : info.checkFeatures("+avx2") ? 8 : 4;
  target.fma = info.checkFeatures("+fma");
  target.bf16_pairs = wide && info.checkFeatures("+avx512bf16");
  return target;
}

}  // namespace

Target host_target() {
  std::string features;
  for (const auto& feature : llvm::sys::getHostCPUFeatures())
    features += (features.empty() ? "" : ",") + std::string(feature.second ? "+" : "-") + feature.first().str();
  return describe(llvm::sys::getHostCPUName().str(), features);
}

Target target_named(const std::string& cpu) {
  if (cpu == "host" || cpu == "native") return host_target();
  // LLVM ends the process if it is to generate 64-bit code for a processor without it.
  const bool known = machine_for("x86-64", "")->getMCSubtargetInfo()->isCPUStringValid(cpu);
  if (!known || !subtarget(cpu)->checkFeatures("+64bit,+sse2"))
    throw RuntimeError("E0901", "`" + cpu + "` is no 64-bit x86 processor that is known here",
                       "--cpu host, x86-64, x86-64-v3, x86-64-v4, or a name of LLVM's such as znver5");
  return describe(cpu, "");
}

std::string missing_features(const Target& target) {
  const std::unique_ptr<llvm::TargetMachine> machine = machine_for(target.cpu, target.features);
  std::string missing;
  for (const auto& feature : llvm::sys::getHostCPUFeatures()) {
    const std::string name = feature.first().str();
    if (!feature.second && machine->getMCSubtargetInfo()->checkFeatures("+" + name)) missing += (missing.empty() ? "" : ", ") + name;
  }
  return missing;
}

std::string emit_llvm_text(const KernelBody& body, const std::string& symbol, const Target& target) {
  const NamedKernel kernel{symbol, &body};
  Compilation compilation({&kernel, 1}, target);
  std::string text;
  llvm::raw_string_ostream stream(text);
  compilation.module.print(stream, nullptr);
  return text;
}

std::string emit_asm_text(const KernelBody& body, const std::string& symbol, const Target& target) {
  const NamedKernel kernel{symbol, &body};
  return Compilation({&kernel, 1}, target).emit(llvm::CodeGenFileType::AssemblyFile);
}

std::vector<std::byte> compile_object(std::span<const NamedKernel> kernels, const Target& target) {
  std::string object = Compilation(kernels, target).emit(llvm::CodeGenFileType::ObjectFile);
  const auto* bytes = reinterpret_cast<const std::byte*>(object.data());
  return {bytes, bytes + object.size()};
}

void compile_kernels(const std::vector<NamedKernel>& kernels, const Target& target, int threads, const TakeObject& take) {
  std::vector<std::exception_ptr> failures(kernels.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i = next++; i < kernels.size(); i = next++) {
      try {
        take(i, compile_object({&kernels[i], 1}, target));
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  };
  llvm_target();
  std::vector<std::thread> helpers;
  for (int t = 1; t < threads && static_cast<size_t>(t) < kernels.size(); ++t) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

std::vector<std::vector<std::byte>> compile_kernels(const std::vector<NamedKernel>& kernels, const Target& target,
                                                    int threads) {
  std::vector<std::vector<std::byte>> objects(kernels.size());
  compile_kernels(kernels, target, threads,
                  [&](size_t kernel, std::vector<std::byte> object) { objects[kernel] = std::move(object); });
  return objects;
}

std::string code_generator_id() { return std::string(kCodeGeneratorHash) + " LLVM " LLVM_VERSION_STRING; }

int64_t scratch_bytes(const KernelBody& body, const Target& target) { return scratch_bytes(plan_contraction(body, target)); }

}  // namespace netc
