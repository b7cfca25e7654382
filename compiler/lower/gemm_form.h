// A contraction as a matrix product over index variables, before any tiling: what every backend starts from.
//
//   C[batch][n][m] = sum over k of V[batch][k][m] * S[batch][n][k]
//
// Scatter has become gather: an output index `s*oh + d*kh - p` is solved for oh. With a stride s > 1 the output falls
// into s phases (index mod s), each a product of its own with every s-th kernel tap or none.
//   data gradient of a 3x3 convolution with stride 2: 2 x 2 phases with 4, 2, 2 and 1 taps
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

struct GemmForm {
  std::vector<GemmVariable> variables;  // parallel ones in output order, then k, outermost first
  std::vector<GemmPhase> phases;
  int v_operand = 0, s_operand = 0;

  // Products of extents. k: of the longest phase.
  int64_t extent(GemmRole role) const;
  // The last variable of the role with more than one value, or -1.
  int last(GemmRole role) const;
};

// How far a step of a variable moves in memory.
int64_t memory_stride(const std::vector<GemmIndex>& index, size_t variable);

// The number of phases along a dimension of the output.
int64_t output_scale(const GemmForm& form, size_t dimension);

// With the contraction's first input as V, or (`swap`) as S. nullopt where it has no such form: contraction_as_nest serves then.
// REQUIRES: body.contraction.
std::optional<GemmForm> gemm_form(const KernelBody& body, bool swap);

}  // namespace netc
