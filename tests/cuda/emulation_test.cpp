// The emulator itself: small kernels that break a rule are caught, and its warp operations do what the PTX
// ISA says.
#include <gtest/gtest.h>

#include <cmath>

#include "compiler/backend/cuda/cuda_backend.h"
#include "compiler/backend/cuda/host_compiler.h"
#include "runtime/cuda_emulation/load.h"

namespace netc {
namespace {

// Kernels written by hand: `body` sees threadIdx, in0 (64 floats), out (64 floats).
struct HandMade {
  const char* name;
  const char* body;
  const char* fault;  // part of the message; empty: none
};

const HandMade kKernels[] = {
    {"right", "s.store(t, load(in0 + t)); __syncthreads(); store(out + t, s.load(63 - t));", ""},
    {"no_barrier", "s.store(t, load(in0 + t)); store(out + t, s.load(63 - t));",
     "with no barrier in between"},
    {"late_barrier",
     "s.store(t, load(in0 + t)); __syncthreads(); f32 x = s.load(63 - t); s.store(t, x); store(out + t, x);",
     "with no barrier in between"},
    {"two_writers", "s.store(0, 1.0f); store(out + t, 0.0f);", "both write"},
    {"read_outside", "store(out + t, load(in0 + (t + 1)));",
     "a read outside of an operand (256 of 256 bytes)"},
    {"write_outside", "store(out + (t - 1), 1.0f);", "a write outside of an operand (-4 of 256 bytes)"},
    {"shared_outside", "s.store(t + 64, 1.0f);", "shared memory has 256 bytes, accessed at 256"},
    {"shared_unaligned", "Shared<f32> u{2}; u.store(t / 64, 1.0f);",
     "an unaligned access of 4 bytes to shared memory at 2"},
    {"barrier_in_branch", "if (t < 32) __syncthreads(); store(out + t, 0.0f);",
     "a deadlock: thread 0 waits at the barrier of line 2; thread 32 has ended"},
    {"two_barriers", "if (t < 32) __syncthreads();\nelse __syncthreads();", "a divergent barrier"},
    {"poisoned", "store(out + t, s.load(t));", ""},
    {"early_exit", "if (t == 5) return; __syncthreads();", "a deadlock"},
};

constexpr const char* kHead =
    "extern \"C\" void NAME(const RunScalars* scalars, Global<const f32> in0, Global<f32> out) {\n"
    "const int t = (int)threadIdx.x; const Shared<f32> s{0}; ";

std::string with_name(std::string text, const std::string& name) {
  for (size_t at; (at = text.find("NAME")) != std::string::npos;) text.replace(at, 4, name);
  return text;
}

constexpr const char* kGlue =
    "static void NAME_thread(const void* scalars, const netc_emulation::Operand* o, const void*) {"
    " NAME((const RunScalars*)scalars, Global<const f32>(o[0]), Global<f32>(o[1])); }\n"
    "static const unsigned char NAME_spaces[] = {0, 0}; static const netc_emulation::Int NAME_bytes[] = "
    "{256, 256};\n"
    "static const netc_emulation::Kernel NAME_kernel = {\"NAME\", NAME_thread, 64, 256, 2, NAME_spaces, "
    "NAME_bytes};\n"
    "extern \"C\" void NAME_blocks(unsigned char* state, unsigned char* arena, const void* args, long first, "
    "long last) {\n"
    "  netc_emulation_host->run_blocks(netc_emulation_host, &NAME_kernel, state, arena, args, first, last); "
    "}\n";

TEST(CudaEmulation, NamesEveryBrokenRule) {
  Program program;
  std::string source = emulation_prelude();
  for (const HandMade& kernel : kKernels) {
    source += "#line 1 \"kernel\"\n" + with_name(kHead, kernel.name) + kernel.body + " }\n" +
              with_name(kGlue, kernel.name);
    program.kernels.push_back({kernel.name, {Space::arena, Space::arena}});
  }
  program.objects.push_back(compile_host_library(source));
  const std::unique_ptr<EmulatedExecutable> executable = load_cuda_emulation(std::move(program));
  executable->count_unique_bytes();
  for (size_t i = 0; i < std::size(kKernels); ++i) {
    const HandMade& kernel = kKernels[i];
    SCOPED_TRACE(kernel.name);
    std::vector<float> memory(256, -1);
    for (int t = 0; t < 64; ++t) memory[64 + static_cast<size_t>(t)] = static_cast<float>(t);
    const int64_t offsets[] = {256, 512};
    const RuntimeScalars scalars;
    const KernelArgs args{offsets, &scalars, nullptr};
    for (int64_t block : {0, 1}) {
      executable->function(static_cast<int32_t>(i))(nullptr, reinterpret_cast<std::byte*>(memory.data()),
                                                    &args, block, block + 1);
      const std::string fault = executable->take_fault();
      EXPECT_EQ(fault.empty(), *kernel.fault == '\0') << fault;
      if (block == 0) {  // odd blocks run backwards
        EXPECT_NE(fault.find(kernel.fault), std::string::npos) << fault;
      }
    }
    for (size_t t = 0; t < 64; ++t) {
      EXPECT_TRUE(i != 0 || memory[128 + t] == static_cast<float>(63 - t));
      EXPECT_TRUE(std::string(kernel.name) != "poisoned" || std::isnan(memory[128 + t]));
    }
  }
  EXPECT_EQ(executable->counts(0).read_bytes, 2u * 256);
  EXPECT_EQ(executable->counts(0).written_bytes, 2u * 256);
  EXPECT_EQ(executable->counts(0).unique_read_bytes, 256u);  // both blocks touch the same
  EXPECT_EQ(executable->counts(0).unique_written_bytes, 256u);
  EXPECT_EQ(executable->counts(0).blocks, 2u);
}

}  // namespace
}  // namespace netc
