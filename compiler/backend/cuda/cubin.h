// What a compiled kernel is made of, read from its cubin (an ELF file): registers, local memory, and how many
// of the instructions that matter. No disassembler is needed: an instruction has 16 bytes, its opcode is in
// the lowest 12 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace netc {

struct CubinKernel {
  std::string name;
  int registers = 0;
  int frame_bytes = 0;  // of local memory, a thread: arrays that are not in registers, and spills
  int64_t instructions = 0;
  int64_t tensor_products = 0;  // HMMA
  int64_t tf32_products = 0;    // of these, HMMA.1688.F32.TF32: mma.sync m16n8k8 of tf32
  int64_t matrix_loads = 0;     // LDSM: ldmatrix
  int64_t async_copies = 0;     // LDGSTS: cp.async
  int64_t local_loads = 0;      // LDL
  int64_t local_stores = 0;     // STL
};

// THROWS RuntimeError E0934 if the bytes are not a cubin.
std::vector<CubinKernel> read_cubin(std::span<const std::byte> bytes);

}  // namespace netc
