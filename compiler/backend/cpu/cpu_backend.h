// The CPU backend: kernel bodies to machine code through LLVM 19. It knows loop nests, scalar
// instructions and contractions, and no operator. No LLVM type is visible here.
//
//   Target target = host_target();
//   std::vector<std::byte> object = compile_object({{"relu", &body}}, target);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "compiler/base/target.h"
#include "compiler/lower/direct_plan.h"
#include "compiler/lower/kernel.h"

namespace netc {

// This machine, with every feature that it has.
Target host_target();

// "host" or "native" (this machine), "x86-64", "x86-64-v3", or any 64-bit x86 processor that LLVM knows by name.
// THROWS RuntimeError E0901 for another name.
Target target_named(const std::string& cpu);

// The features that code for the target may use and this machine lacks: "avx512f, avx512bw". Empty: it runs here.
std::string missing_features(const Target& target);

struct NamedKernel {
  std::string symbol;  // unique within a Program
  const KernelBody* body = nullptr;
  std::optional<DirectTile> tile = std::nullopt;  // for measurements: instead of what the plan would choose
};

// Readable LLVM IR and assembly of one kernel.
std::string emit_llvm_text(const KernelBody& body, const std::string& symbol, const Target& target);
std::string emit_asm_text(const KernelBody& body, const std::string& symbol, const Target& target);

// One relocatable ELF object with a KernelFunction (compiler/base/program.h) per kernel. Thread-safe.
std::vector<std::byte> compile_object(std::span<const NamedKernel> kernels, const Target& target);

// Every kernel in an object of its own, on `threads` threads. `take(i, object)` gets kernels[i]'s object as soon as
// it is there, on the thread that compiled it. What the first failing kernel throws is thrown after all are done.
using TakeObject = std::function<void(size_t kernel, std::vector<std::byte> object)>;
void compile_kernels(const std::vector<NamedKernel>& kernels, const Target& target, int threads, const TakeObject& take);
// The same, as a list in the given order.
std::vector<std::vector<std::byte>> compile_kernels(const std::vector<NamedKernel>& kernels, const Target& target,
                                                    int threads);

// Names what turns a body into machine code: a hash of its sources and of LLVM, and LLVM's version. With another
// name, the same kernel may become other code.
std::string code_generator_id();

// Bytes of KernelArgs::scratch that the kernel needs.
int64_t scratch_bytes(const KernelBody& body, const Target& target);

}  // namespace netc
