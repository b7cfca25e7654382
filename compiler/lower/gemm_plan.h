// A contraction as a blocked matrix product: C[n][m] = sum over k of V[k][m] * S[n][k].
//
// Plain data, no code generation: which axes play which part, how the output is cut into tasks, which
// operand is read by vectors (V, packed into panels [k][m]) and which by broadcast scalars (S). One
// mapping serves every direction:
//   forward        y[n, k, oh, ow]   V = x: m = (n, oh, ow), k = (c, kh, kw)   S = w: n = k
//   data gradient  x[n, c, ih, iw]   V = y: m = (n, ih, iw), k = (k, kh, kw)   S = w: n = c
//   weight grad.   w[k, c, kh, kw]   V = y: m = k,           k = (n, oh, ow)   S = x: n = (c, kh, kw)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/lower/gemm_form.h"

namespace netc {

struct GemmPlan : GemmForm {
  Shape output_block;                   // the task grid's
  bool transpose_v = false;  // V is contiguous along the last k, not along the last m
  bool stage_s = false;      // S is copied, zero padded and converted, before it is read
  int64_t m_block = 1, n_block = 1;  // products of blocks
  int64_t m_vectors = 1;             // vectors that hold m_block
  int lanes = 4;
  int tile_vectors = 1, tile_scalars = 1;  // the register tile: vectors of m times values of n
  int split_k = 0;           // the k variable that is cut into blocks; later ones are whole, earlier ones single
  int64_t k_block = 1;       // values of k in a block

  int64_t pitch() const { return m_vectors * lanes; }  // floats of a row of C and of a panel
  int64_t c_floats() const { return n_block * pitch(); }  // of one phase
  int64_t panel_floats() const { return k_block * pitch() + 2 * int64_t{lanes} * pitch(); }
  int64_t stage_floats() const;
  int64_t scratch_bytes() const;
  // Shape of the staged part of S in one K block.
  Shape stage_shape() const;
};

// nullopt where a matrix product does not pay: contraction_as_nest serves then.
// REQUIRES: body.contraction.
std::optional<GemmPlan> plan_gemm(const KernelBody& body, const Target& target);

// For dumps: "gemm m 112 n 64 k 576, tile 4x6, …".
std::string to_string(const GemmPlan& plan);

// Per variable, how far one step of it moves in the row-major index of its role within a block; 0 for other roles.
std::vector<int64_t> role_strides(const GemmPlan& plan, GemmRole role);

// Per variable, how far one step of it moves in S as it is read: floats of the staged copy, or of the operand.
std::vector<int64_t> scalar_strides(const GemmPlan& plan, const GemmPhase& phase);

}  // namespace netc
