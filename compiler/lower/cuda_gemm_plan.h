// A contraction on a GPU: C[n][m] = sum over k of V[k][m] * S[n][k] (gemm_form.h), cut into tiles, one for a
// block of threads. Plain data; a pure function of body and target.
//
//   forward, x [8, 56, 56, 64], w [128, 3, 3, 64]:  m = 25088 pixels by 128, n = 128 channels by 128, k = 576
//   by 32
//
// 16-bit operands go through tensor cores, and f32 ones that are rounded to tf32; others through f32 arithmetic.
// The tile of C goes through shared memory, and the epilogue reads it from there, with neighbouring threads
// at neighbouring elements of the output, where possible eight neighbours a thread.
#pragma once

#include <optional>
#include <string>

#include "compiler/lower/cuda_tiles.h"
#include "compiler/lower/gemm_form.h"

namespace netc {

// How an operand's tile comes to shared memory.
struct GemmCopy {
  enum class Kind : uint8_t {
    gather,     // element by element, with what padding and strides there are
    along_k,    // pieces of 16 bytes, neighbours in k; the tile lies as [m or n][k]
    along_free  // pieces of 16 bytes, neighbours in m or n; the tile lies as [k][m or n]
  };
  Kind kind = Kind::gather;
  int variable = -1;     // along_*: the one that the pieces run along; the innermost of its role
  bool k_inner = false;  // gather: neighbouring threads take neighbouring k, not neighbours in m or n
};

struct CudaGemmPlan : GemmForm {
  std::string key;                   // product_key
  std::vector<CudaTile> candidates;  // tiles that it may have
  bool tile_measured = false;        // the target names its tile
  bool tensor_cores = false;
  int element_bytes = 4;  // of the operands
  int threads = 256;
  int block_m = 64, block_n = 64, block_k = 16;
  int warps_m = 1, warps_n = 1;  // tensor cores: the tile is divided between warps
  int stages = 1;                // tensor cores: tiles in flight
  GemmCopy v_copy, s_copy;
  bool m_inner = false;  // neighbours of the output in memory are neighbours in m, not in n
  // The variable along which a thread of the epilogue takes kLanes neighbours (cuda_lanes.h); -1: one
  // element.
  int lane_variable = -1;

  // Elements of a piece of 16 bytes.
  int piece() const { return 16 / element_bytes; }

  // The variables of a role, outermost first: as in the output, but the one that is copied in pieces is the
  // last.
  std::vector<size_t> order(GemmRole role) const;

  int64_t m_blocks() const { return ceil_div(extent(GemmRole::m), block_m); }
  int64_t n_blocks() const { return ceil_div(extent(GemmRole::n), block_n); }
  int64_t blocks() const {
    return extent(GemmRole::batch) * static_cast<int64_t>(phases.size()) * m_blocks() * n_blocks();
  }
  // Of partial sums, which keep n.
  int64_t rows() const { return static_cast<int64_t>(phases.size()) * m_blocks(); }
};

// nullopt where a matrix product does not pay, or cannot take the partial sums that keep the axes `kept`
// (empty: none): contraction_as_nest serves then. REQUIRES: body.contraction.
std::optional<CudaGemmPlan> plan_cuda_gemm(const KernelBody& body, const Target& target,
                                           const std::vector<int>& kept);

// "256 threads, tile 64x64x16, …", for the head of a kernel.
std::string to_string(const CudaGemmPlan& plan);

}  // namespace netc
