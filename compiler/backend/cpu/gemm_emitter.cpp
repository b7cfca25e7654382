#include "compiler/backend/cpu/gemm_emitter.h"

#include "compiler/backend/cpu/gemm_pack.h"
#include "compiler/backend/cpu/gemm_tile.h"
#include "compiler/base/error.h"

namespace netc {

using llvm::Value;

namespace {

// The body's epilogue: `reduced(0)` becomes a load of C, which is one more operand, the last.
KernelBody epilogue(const KernelBody& body, const GemmPlan& plan, const std::vector<int64_t>& phase_strides,
                    const std::vector<int64_t>& c_strides) {
  KernelBody result;
  result.operands = body.operands;
  result.operands.push_back({"C", DType::f32, {plan.c_floats() * static_cast<int64_t>(plan.phases.size())}, {1},
                             Space::arena, false});
  const int c = static_cast<int>(result.operands.size()) - 1;
  result.nest.extents = body.nest.extents;
  result.nest.parallel = body.nest.parallel;
  Dag& dag = result.nest.dag;
  ExprId offset = dag.index(0);
  for (size_t d = 0; d < c_strides.size(); ++d) {
    const ExprId axis = dag.axis(static_cast<int>(d));
    const int64_t scale = output_scale(plan, d);
    offset = dag.index_add(offset, dag.index_mul(dag.index_floor_div(axis, scale), c_strides[d]));
    if (scale > 1) offset = dag.index_add(offset, dag.index_mul(dag.index_floor_mod(axis, scale), phase_strides[d]));
  }
  const ExprId value = dag.load(c, {offset});
  Dag::Substitution substitution;
  substitution.reduced = [&](int64_t) { return value; };
  for (const Store& s : body.nest.stores)
    result.nest.stores.push_back({s.output, dag.import(body.nest.dag, s.value, substitution)});
  for (const PartialSum& p : body.partials)
    result.partials.push_back({p.kept, dag.import(body.nest.dag, p.body, substitution), p.output});
  return result;
}

class GemmEmitter {
 public:
  GemmEmitter(LaneBuilder& builder, const KernelBody& body, const GemmPlan& plan, const TaskBlock& block,
              const KernelPointers& pointers, Value* scratch)
      : b_(builder), body_(body), plan_(plan), block_(block), pointers_(pointers) {
    auto aligned = [](int64_t floats) { return ceil_div(floats * 4, 64) * 16; };
    c_ = scratch;
    const int64_t c_floats = aligned(plan.c_floats() * static_cast<int64_t>(plan.phases.size()));
    panel_ = advance(scratch, b_.i64(c_floats));
    stage_ = advance(scratch, b_.i64(c_floats + aligned(plan.panel_floats())));
    for (const GemmVariable& v : plan.variables) add_range(v);
  }

  Value* c() const { return c_; }
  Value* begin_of_dimension(size_t d) const { return block_.begin[d]; }

  void emit() {
    for (size_t p = 0; p < plan_.phases.size(); ++p) {
      Value* c = advance(c_, b_.i64(static_cast<int64_t>(p) * plan_.c_floats()));
      emit_phase(plan_.phases[p], c);
    }
  }

 private:
  Value* advance(Value* pointer, Value* floats) { return b_.CreateGEP(b_.getFloatTy(), pointer, floats); }

  // First value and number of values of a parallel variable in this task.
  void add_range(const GemmVariable& v) {
    GemmRange range{b_.i64(0), b_.i64(v.block), v.block};
    if (v.dimension >= 0) {
      const size_t d = static_cast<size_t>(v.dimension);
      Value* begin = block_.begin[d];
      if (v.radix > 0) {
        range.begin = v.outer ? b_.CreateUDiv(begin, b_.i64(v.radix)) : b_.CreateURem(begin, b_.i64(v.radix));
      } else {
        const int64_t extent = body_.nest.extents[d];
        range.begin = v.scale == 1 ? begin : b_.CreateUDiv(begin, b_.i64(v.scale));
        if (extent % (v.block * v.scale) != 0 && v.extent > v.block) {
          Value* count = b_.CreateSub(block_.end[d], begin);
          if (v.scale > 1) count = b_.CreateUDiv(b_.CreateAdd(count, b_.i64(v.scale - 1)), b_.i64(v.scale));
          range.count = count;
          range.known = 0;
        }
      }
    }
    ranges_.push_back(range);
  }

  void emit_phase(const GemmPhase& phase, Value* c) {
    if (phase.empty()) return clear(c);
    int64_t blocks = 1;
    for (size_t v = 0; v < ranges_.size(); ++v)
      if (plan_.variables[v].role == GemmRole::k)
        blocks *= ceil_div(phase.k_extents[v], std::min(phase.k_extents[v], plan_.variables[v].block));
    if (blocks > 1) clear(c);
    k_blocks(phase, c, 0, blocks > 1);
  }

  void clear(Value* c) {
    auto* vector = llvm::FixedVectorType::get(b_.getFloatTy(), static_cast<unsigned>(plan_.lanes));
    b_.loop(b_.i64(0), b_.i64(plan_.c_floats()), plan_.lanes, {}, true, [&](Value* i, const Carried&) {
      b_.CreateAlignedStore(b_.real(vector, 0), advance(c, i), llvm::Align(static_cast<uint64_t>(plan_.lanes) * 4));
      return Carried{};
    });
  }

  // Loops over the blocks of k, outermost variable first.
  void k_blocks(const GemmPhase& phase, Value* c, size_t variable, bool accumulate) {
    while (variable < ranges_.size() && plan_.variables[variable].role != GemmRole::k) ++variable;
    if (variable == ranges_.size()) return k_block(phase, c, accumulate);
    const int64_t extent = phase.k_extents[variable], size = std::min(extent, plan_.variables[variable].block);
    if (size == extent) {
      ranges_[variable] = {b_.i64(0), b_.i64(extent), extent};
      return k_blocks(phase, c, variable + 1, accumulate);
    }
    b_.loop(b_.i64(0), b_.i64(extent), size, {}, true, [&](Value* begin, const Carried&) {
      if (extent % size == 0) {
        ranges_[variable] = {begin, b_.i64(size), size};
      } else {
        Value* rest = b_.CreateSub(b_.i64(extent), begin);
        ranges_[variable] = {begin, b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, rest, b_.i64(size)), 0};
      }
      k_blocks(phase, c, variable + 1, accumulate);
      return Carried{};
    });
  }

  void k_block(const GemmPhase& phase, Value* c, bool accumulate) {
    pack_panel(b_, plan_, phase, ranges_, pointers_.operands[static_cast<size_t>(plan_.v_operand)],
               body_.operands[static_cast<size_t>(plan_.v_operand)].dtype, panel_);
    Value* s = plan_.stage_s
                   ? stage_scalars(b_, plan_, phase, ranges_, pointers_.operands[static_cast<size_t>(plan_.s_operand)],
                                   body_.operands[static_cast<size_t>(plan_.s_operand)].dtype, stage_)
                   : scalar_base(b_, phase, ranges_, pointers_.operands[static_cast<size_t>(plan_.s_operand)]);
    multiply_tiles(b_, plan_, phase, ranges_, panel_, s, c, accumulate);
  }

  LaneBuilder& b_;
  const KernelBody& body_;
  const GemmPlan& plan_;
  const TaskBlock& block_;
  const KernelPointers& pointers_;
  std::vector<GemmRange> ranges_;
  Value *c_ = nullptr, *panel_ = nullptr, *stage_ = nullptr;
};

}  // namespace

void emit_contraction(LaneBuilder& b, const KernelBody& body, const GemmPlan& plan, const TaskGrid& grid,
                      const TaskBlock& block, const KernelPointers& pointers, Value* scratch, const Target& target) {
  GemmEmitter gemm(b, body, plan, block, pointers, scratch);
  gemm.emit();

  // Where an element of C lies, per dimension of the output.
  const size_t rank = body.nest.extents.size();
  std::vector<int64_t> c_strides(rank, 0), phase_strides(rank, 0);
  const std::vector<int64_t> m = role_strides(plan, GemmRole::m), n = role_strides(plan, GemmRole::n);
  for (size_t v = 0; v < plan.variables.size(); ++v) {
    const GemmVariable& variable = plan.variables[v];
    if (variable.dimension >= 0 && !variable.outer)
      c_strides[static_cast<size_t>(variable.dimension)] = m[v] + n[v] * plan.pitch();
  }
  int64_t stride = plan.c_floats();
  for (size_t d = rank; d-- > 0;) {
    phase_strides[d] = stride;
    stride *= output_scale(plan, d);
  }
  Value* origin = b.i64(0);  // of the element with all indices zero, relative to this task's first
  for (size_t d = 0; d < rank; ++d) {
    Value* begin = b.CreateUDiv(block.begin[d], b.i64(output_scale(plan, d)));
    origin = b.CreateSub(origin, b.CreateMul(begin, b.i64(c_strides[d])));
  }
  KernelPointers with_c = pointers;
  with_c.operands.push_back(b.CreateGEP(b.getFloatTy(), gemm.c(), origin));
  const KernelBody nest = epilogue(body, plan, phase_strides, c_strides);
  emit_nest(b, nest, grid, block, with_c, target);
}

}  // namespace netc
