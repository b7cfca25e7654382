#include "runtime/cpu/load.h"

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/TargetSelect.h>

#include <cstring>
#include <mutex>

#include "compiler/base/error.h"

namespace netc {
namespace {

using llvm::orc::LLJIT;

void check(llvm::Error error) {
  if (error) throw RuntimeError("E0902", "cannot load the compiled kernels: " + llvm::toString(std::move(error)));
}
template <class T>
T check(llvm::Expected<T> value) {
  if (!value) check(value.takeError());
  return std::move(*value);
}

class CpuExecutable final : public HostExecutable {
 public:
  explicit CpuExecutable(Program program) : program_(std::move(program)) {
    static std::once_flag once;
    std::call_once(once, [] {
      LLVMInitializeX86TargetInfo();
      LLVMInitializeX86Target();
      LLVMInitializeX86TargetMC();
    });
    llvm::orc::JITTargetMachineBuilder machine((llvm::Triple("x86_64-unknown-linux-gnu")));
    jit_ = check(llvm::orc::LLJITBuilder()
                     .setJITTargetMachineBuilder(machine)
                     .setLinkProcessSymbolsByDefault(false)
                     .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
                     .create());
    define_memory_functions();
    for (const std::vector<std::byte>& object : program_.objects) {
      llvm::StringRef bytes(reinterpret_cast<const char*>(object.data()), object.size());
      check(jit_->addObjectFile(llvm::MemoryBuffer::getMemBuffer(bytes, "kernel", false)));
    }
    for (const KernelInfo& kernel : program_.kernels)
      functions_.push_back(check(jit_->lookup(kernel.symbol)).toPtr<KernelFunction>());
  }

  const Program& program() const override { return program_; }
  KernelFunction function(int32_t kernel) const override { return functions_.at(static_cast<size_t>(kernel)); }

 private:
  // All that a kernel may call: LLVM turns copies and fills into these. Nothing else of the host is visible.
  void define_memory_functions() {
    llvm::orc::SymbolMap symbols;
    auto define = [&](const char* name, auto* address) {
      symbols[jit_->mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(address), llvm::JITSymbolFlags::Exported};
    };
    define("memcpy", static_cast<void* (*)(void*, const void*, size_t)>(std::memcpy));
    define("memset", static_cast<void* (*)(void*, int, size_t)>(std::memset));
    check(jit_->getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(symbols))));
  }

  Program program_;
  std::unique_ptr<LLJIT> jit_;
  std::vector<KernelFunction> functions_;
};

}  // namespace

std::unique_ptr<HostExecutable> load_on_cpu(Program program) { return std::make_unique<CpuExecutable>(std::move(program)); }

}  // namespace netc
