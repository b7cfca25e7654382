#include "compiler/backend/cpu/halo_emitter.h"

namespace netc {

using llvm::Value;

namespace {

class HaloEmitter {
 public:
  HaloEmitter(LaneBuilder& builder, const KernelOperand& operand, const TaskGrid& grid, const TaskBlock& block, Value* pointer)
      : b_(builder), operand_(operand), grid_(grid), block_(block), pointer_(pointer) {}

  void emit() {
    const auto d = static_cast<size_t>(operand_.halo.dimension);
    for (const HaloMargin& margin : halo_margins(operand_)) {
      if (grid_.blocks[d] == 1) {
        fill(margin);
        continue;
      }
      Value* mine = margin.at == 0 ? b_.CreateICmpEQ(block_.begin[d], b_.i64(0))
                                   : b_.CreateICmpEQ(block_.end[d], b_.i64(operand_.shape[d]));
      b_.when(mine, {}, [&](const Carried& none) {
        fill(margin);
        return none;
      });
    }
  }

 private:
  // Whole inner dimensions without gaps are cleared in one piece; loops run over the others.
  void fill(const HaloMargin& margin) {
    size_t rank = margin.shape.size();
    int64_t run = 1;
    while (rank > 0 && (margin.shape[rank - 1] == 1 || operand_.strides[rank - 1] == run) &&
           (is_margin(rank - 1) || grid_.blocks[rank - 1] == 1)) {
      run *= margin.shape[rank - 1];
      --rank;
    }
    rows(margin, 0, rank, b_.i64(margin.offset), run);
  }

  bool is_margin(size_t dimension) const { return static_cast<int>(dimension) == operand_.halo.dimension; }

  void rows(const HaloMargin& margin, size_t dimension, size_t rank, Value* offset, int64_t run) {
    if (dimension == rank) {
      const int64_t size = size_of(operand_.dtype);
      b_.CreateMemSet(b_.CreateGEP(b_.storage_type(operand_.dtype), pointer_, offset), b_.getInt8(0),
                      static_cast<uint64_t>(run * size), llvm::MaybeAlign(static_cast<uint64_t>(size)));
      return;
    }
    Value* begin = is_margin(dimension) ? b_.i64(0) : block_.begin[dimension];
    Value* end = is_margin(dimension) ? b_.i64(margin.shape[dimension]) : block_.end[dimension];
    b_.loop(begin, end, 1, {}, true, [&](Value* i, const Carried& none) {
      rows(margin, dimension + 1, rank, b_.CreateAdd(offset, b_.CreateMul(i, b_.i64(operand_.strides[dimension]))), run);
      return none;
    });
  }

  LaneBuilder& b_;
  const KernelOperand& operand_;
  const TaskGrid& grid_;
  const TaskBlock& block_;
  Value* pointer_;
};

}  // namespace

void emit_halos(LaneBuilder& builder, const KernelBody& body, const TaskGrid& grid, const TaskBlock& block,
                const KernelPointers& pointers) {
  for (size_t i = 0; i < body.operands.size(); ++i)
    if (body.operands[i].halo.dimension >= 0)
      HaloEmitter(builder, body.operands[i], grid, block, pointers.operands[i]).emit();
}

}  // namespace netc
