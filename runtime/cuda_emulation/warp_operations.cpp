#include "runtime/cuda_emulation/warp_operations.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace netc {

using netc_emulation::LaneArguments;
using netc_emulation::Operation;

float half_to_float(unsigned bits) {
  const uint32_t sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  if (rest < 0x400)
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(static_cast<float>(rest) * 0x1p-24f));
  return std::bit_cast<float>(sign |
                              (rest < 0x7c00 ? (rest << 13) + (112u << 23) : rest << 13 | 0x7f800000u));
}

namespace {

float brain_to_float(unsigned bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
// The low 13 bits are not read by the tensor core.
float tensor_float(unsigned bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) & ~0x1fffu);
}

// D[16][8] += A[16][K] * B[K][8]. Lane 4g + t holds C[g][2t, 2t+1] and C[g+8][2t, 2t+1].
template <int K>
void multiply(const Lanes& lanes, const float (&a)[16][K], const float (&b)[8][K]) {
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      const int row = g + (i / 2) * 8, column = 2 * t + i % 2;
      double sum = static_cast<double>(lanes[static_cast<size_t>(lane)]->c[i]);
      for (int k = 0; k < K; ++k) sum += static_cast<double>(a[row][k]) * static_cast<double>(b[column][k]);
      lanes[static_cast<size_t>(lane)]->c[i] = static_cast<float>(sum);
    }
  }
}

// Registers of two 16-bit values. A: rows g, g+8, then the same for k + 8; B: k, then k + 8; pairs along k.
void multiply_pairs(const Lanes& lanes, float (*widen)(unsigned)) {
  float a[16][16], b[8][16];
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    const LaneArguments& x = *lanes[static_cast<size_t>(lane)];
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 4; ++i)
        a[g + i % 2 * 8][2 * t + i / 2 * 8 + half] = widen(x.a[i] >> 16 * half & 0xffffu);
      for (int i = 0; i < 2; ++i) b[g][2 * t + i * 8 + half] = widen(x.b[i] >> 16 * half & 0xffffu);
    }
  }
  multiply<16>(lanes, a, b);
}

void multiply_tensor_floats(const Lanes& lanes) {
  float a[16][8], b[8][8];
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    const LaneArguments& x = *lanes[static_cast<size_t>(lane)];
    for (int i = 0; i < 4; ++i) a[g + i % 2 * 8][t + i / 2 * 4] = tensor_float(x.a[i]);
    for (int i = 0; i < 2; ++i) b[g][t + i * 4] = tensor_float(x.b[i]);
  }
  multiply<8>(lanes, a, b);
}

// Four 8x8 matrices of 16-bit values; lanes 8m..8m+7 give the addresses of the rows of matrix m. A lane gets
// the pair [lane / 4][2 * (lane % 4)] of each, or of the transposed matrices.
std::string load_matrices(const Lanes& lanes, bool transposed, SharedMemory& shared,
                          const std::array<SharedMemory::Access, kWarpLanes>& accesses) {
  uint16_t matrices[4][8][8];
  for (size_t lane = 0; lane < kWarpLanes; ++lane) {
    const unsigned address = lanes[lane]->a[0];
    std::string problem = shared.check(address, 16, false, accesses[lane]);
    if (!problem.empty()) return problem;
    std::memcpy(matrices[lane / 8][lane % 8], shared.data() + address, 16);
  }
  for (size_t lane = 0; lane < kWarpLanes; ++lane)
    for (size_t m = 0; m < 4; ++m) {
      const size_t row = lane / 4, column = 2 * (lane % 4);
      const uint16_t low = transposed ? matrices[m][column][row] : matrices[m][row][column];
      const uint16_t high = transposed ? matrices[m][column + 1][row] : matrices[m][row][column + 1];
      lanes[lane]->result[m] = static_cast<uint32_t>(low) | static_cast<uint32_t>(high) << 16;
    }
  return {};
}

}  // namespace

std::string run_warp_operation(Operation operation, const Lanes& lanes, SharedMemory& shared,
                               const std::array<SharedMemory::Access, kWarpLanes>& accesses) {
  switch (operation) {
    case Operation::shuffle_xor:
      for (size_t lane = 0; lane < kWarpLanes; ++lane) {
        if (lanes[lane]->a[1] != lanes[0]->a[1]) return "the lanes of a shuffle disagree about its distance";
        lanes[lane]->result[0] = lanes[(lane ^ lanes[lane]->a[1]) % kWarpLanes]->a[0];
      }
      return {};
    case Operation::synchronise_warp:
      return {};
    case Operation::load_matrices:
      return load_matrices(lanes, false, shared, accesses);
    case Operation::load_matrices_transposed:
      return load_matrices(lanes, true, shared, accesses);
    case Operation::multiply_f16:
      multiply_pairs(lanes, half_to_float);
      return {};
    case Operation::multiply_bf16:
      multiply_pairs(lanes, brain_to_float);
      return {};
    case Operation::multiply_tf32:
      multiply_tensor_floats(lanes);
      return {};
  }
  return "no such warp operation";
}

}  // namespace netc
