// What code is generated for. Tasks and tiles depend on it and on shapes only (decision 7).
#pragma once

#include <cstdint>
#include <string>

namespace netc {

enum class TargetKind : uint8_t {
  cpu,
  cuda,  // a GPU; `cpu` is its architecture, "sm_80", `features` its measured tiles (lower/cuda_tiles.h)
  cuda_emulation,  // the same code for the emulation on this computer (runtime/cuda_emulation)
};

struct Target {
  TargetKind kind = TargetKind::cpu;
  std::string cpu = "x86-64";  // LLVM's name: "znver5", "x86-64-v3"
  std::string features;        // LLVM's list: "+avx512f,+avx512bf16"
  int vector_lanes = 4;        // f32 lanes of the widest vector that is worth using: 16, 8 or 4
  bool fma = false;
  bool bf16_pairs = false;     // products of pairs of bf16, added in f32 (avx512_bf16)
  int64_t l1_bytes = 32 << 10, l2_bytes = 1 << 20;
};

// All of it on a short line, the processor before the first comma, the list of features as its digest: equal texts mean
// the same code, the same tasks and so the same bits. "znver5, 16 lanes, fma, …", "cuda:sm_90".
std::string identity(const Target& target);
// What on the command line makes a target of this identity: "--cpu x86-64-v3", "--device cuda:sm_90", or nothing where
// only a machine like the one it was made on does.
std::string flag_of_identity(const std::string& identity);

}  // namespace netc
