// A contraction as a blocked matrix product: C[n][m] = sum over k of V[k][m] * S[n][k].
//
// Plain data, no code generation: which axes play which part, how the output is cut into tasks, which
// operand is read by vectors (V, packed into panels [k][m]) and which by broadcast scalars (S). One
// mapping serves every direction:
//   forward        y[n, k, oh, ow]   V = x: m = (n, oh, ow), k = (c, kh, kw)   S = w: n = k
//   data gradient  x[n, c, ih, iw]   V = y: m = (n, ih, iw), k = (k, kh, kw)   S = w: n = c
//   weight grad.   w[k, c, kh, kw]   V = y: m = k,           k = (n, oh, ow)   S = x: n = (c, kh, kw)
//
// Scatter becomes gather first: an output index `s*oh + d*kh - p` is solved for oh. With a stride s > 1 the
// output falls into s phases (index mod s), each a product of its own with every s-th kernel tap or none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/lower/kernel.h"

namespace netc {

enum class GemmRole : uint8_t { batch, m, n, k };

// An axis of the product. A parallel one covers (a part of) one output dimension:
//   index of the dimension = scale * variable + residue of the phase   (radix dimensions: see `radix`)
struct GemmVariable {
  GemmRole role = GemmRole::k;
  int dimension = -1;   // of the output; -1 for k
  int64_t extent = 1;   // k: of the longest phase
  int64_t block = 1;    // values in one task; k: in one K block
  int64_t scale = 1;
  int64_t radix = 0;    // > 0: variable == index div radix (outer) or index mod radix (inner)
  bool outer = false;
};

// One dimension of an input: index = constant + sum of coefficients[v] * variable v.
struct GemmIndex {
  int64_t constant = 0;
  std::vector<int64_t> coefficients;
  int64_t extent = 1, stride = 1;
  bool checked = false;  // the index may leave [0, extent); outside counts as zero
};

struct GemmPhase {
  std::vector<int64_t> residues;   // per output dimension
  std::vector<int64_t> k_extents;  // per variable; 1 for parallel ones. A zero: the phase's sum is empty
  std::vector<GemmIndex> v, s;     // per dimension of the operand
  bool empty() const;
};

struct GemmPlan {
  Shape output_block;                   // the task grid's
  std::vector<GemmVariable> variables;  // parallel ones in output order, then k, outermost first
  std::vector<GemmPhase> phases;
  int v_operand = 0, s_operand = 0;
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

// The number of phases along a dimension of the output.
int64_t output_scale(const GemmPlan& plan, size_t dimension);

// Per variable, how far one step of it moves in S as it is read: floats of the staged copy, or of the operand.
std::vector<int64_t> scalar_strides(const GemmPlan& plan, const GemmPhase& phase);

}  // namespace netc
