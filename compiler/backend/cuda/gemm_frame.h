// What the parts of a matrix product's source share: the plan, the current phase, and the names of its
// variables.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "compiler/backend/cuda/expression_source.h"
#include "compiler/lower/cuda_gemm_plan.h"

namespace netc {

class GemmFrame {
 public:
  GemmFrame(SourceWriter& out, KernelExtents& extents, const KernelBody& body, const CudaGemmPlan& plan);

  SourceWriter& out;
  KernelExtents& extents;
  const KernelBody& body;
  const CudaGemmPlan& plan;
  IndexAnalysis analysis;
  bool m_is_one = false;    // the epilogue's accesses see all of m as one axis
  std::vector<int> merged;  // its axes, which run in the last one's (merge_axes); else none
  ExpressionSource expressions;
  std::string index_type;          // "int" or "i64", of offsets into operands
  std::vector<std::string> names;  // per variable: its name here, or "0"

  const GemmPhase& phase() const { return *phase_; }
  void set_phase(size_t number) { phase_ = &plan.phases[number]; }
  int64_t extent(size_t variable) const;  // in this phase
  int64_t extent(GemmRole role) const;
  // Whether a variable's extent stays in the text: a window's, or a small one.
  bool is_fixed(size_t variable) const;
  // "e.m": a role's extent as text.
  std::string extent_text(GemmRole role);

  // Names the variables of a role from `flat`, their number in the plan's order: `prefix` + variable.
  void decode(GemmRole role, const std::string& flat, const std::string& prefix);
  // "constant + sum of coefficient * name", over the variables of some roles. `group`: of the coefficients as
  // arguments; null for those of a window, which stay numbers.
  std::string sum(const char* group, int64_t constant, const std::vector<int64_t>& coefficients,
                  std::initializer_list<GemmRole> roles);
  // Where an element of the tile of C lies in shared memory, in floats, and how many it takes.
  std::string c_index(const std::string& m_local, const std::string& n_local) const;
  int c_pitch() const;
  int c_bytes() const { return 4 * c_pitch() * (plan.m_inner ? plan.block_n : plan.block_m); }
  // Per variable, how far it moves in an operand's memory.
  std::vector<int64_t> strides(const std::vector<GemmIndex>& index) const;

 private:
  std::vector<int> merge_m();

  const GemmPhase* phase_;
};

// An input and its tile in shared memory.
struct GemmTile {
  const char* name;  // "v", "s"
  const char* free;  // "m", "n": the variable besides k, flat
  int operand = 0;
  GemmRole role = GemmRole::m;
  int block = 0;
  const std::vector<GemmIndex>* index = nullptr;  // in this phase
  const GemmCopy* copy = nullptr;
};
GemmTile v_tile(const GemmFrame& frame);
GemmTile s_tile(const GemmFrame& frame);

// Declares, for `items` values of `free` that a thread copies ("int free = local(item)"), what does not
// depend on k: NAME_inside[item], NAME_offset[item], and NAME_dD[item] for every index D that may leave its
// operand.
void emit_copy_starts(GemmFrame& frame, const GemmTile& tile, int items, const std::string& local);
// "v_inside[item] && …": whether the element at the current k lies in the operand.
std::string copy_condition(GemmFrame& frame, const GemmTile& tile);
// "in0 + (v_offset[item] + …)"
std::string copy_address(GemmFrame& frame, const GemmTile& tile);

}  // namespace netc
