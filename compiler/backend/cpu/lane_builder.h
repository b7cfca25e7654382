// An IRBuilder that knows vectors of lanes and loops.
//
// Loops are made from callbacks and keep a stack of scopes, outermost first: function, task, loop, …
// A value that does not change in the inner loops is emitted in the scope in which it is first known
// (`At`), and every scope remembers its values, so that invariant code is hoisted and shared by
// construction, and no optimiser needs to run.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compiler/lower/index_analysis.h"
#include "compiler/base/dtype.h"
#include "compiler/base/target.h"

namespace netc {

using Carried = std::vector<llvm::Value*>;  // values that a loop hands from one iteration to the next

struct CpuFeatures {
  bool fma = false, f16c = false, sse41 = false, avx512bf16 = false;
};

// What a scope remembers: expressions (as computed, or spread over all lanes) and linear forms.
struct Scope {
  llvm::BasicBlock* block = nullptr;  // where the scope's code is added; before the terminator, if it has one
  std::map<std::pair<ExprId, int>, llvm::Value*> expressions;
  std::map<LinearForm, llvm::Value*> forms;
  std::map<std::pair<int, LinearForm>, llvm::Value*> pointers;
};

class LaneBuilder : public llvm::IRBuilder<> {
 public:
  LaneBuilder(llvm::LLVMContext& context, const CpuFeatures& features)
      : llvm::IRBuilder<>(context), features_(features) {}
  const CpuFeatures& features() const { return features_; }

  // Types with the lanes of `like` (a scalar or a vector).
  llvm::Type* with_lanes(llvm::Type* element, llvm::Type* like) const;
  llvm::Value* real(llvm::Type* like, double value);       // f32 or f64 constant of type `like`
  llvm::Value* integer(llvm::Type* like, int64_t value);   // integer constant of type `like`
  llvm::Value* i64(int64_t value) { return getInt64(static_cast<uint64_t>(value)); }
  llvm::Value* clamp(llvm::Value* x, llvm::Value* low, llvm::Value* high);  // integers; low where high is less
  llvm::Value* splat(llvm::Value* scalar, int width) { return width == 1 ? scalar : CreateVectorSplat(static_cast<unsigned>(width), scalar); }
  llvm::Value* iota(llvm::Type* vector);                   // {0, 1, 2, …}
  llvm::Value* fma(llvm::Value* a, llvm::Value* b, llvm::Value* c);  // fused where the target has it

  // Storage <-> f32. `raw` has the storage's integer type for the 16-bit floats (or i8, i32, i64, float).
  llvm::Type* storage_type(DType dtype);
  llvm::Value* to_f32(llvm::Value* raw, DType dtype);
  llvm::Value* from_f32(llvm::Value* value, DType dtype);

  // The same address, whose origin later passes do not see. Unrolled code has hundreds of addresses at constant
  // distances from one; knowing how that one came about, they would give each a counter of its own through all loops.
  llvm::Value* opaque(llvm::Value* address);

  // Asks for the line at an address, which need not exist, in the first-level cache.
  void prefetch(llvm::Value* address, bool write = false);

  // Combines all lanes by a fixed tree: halves, then quarters, …
  llvm::Value* reduce_lanes(llvm::Value* vector, const std::function<llvm::Value*(llvm::Value*, llvm::Value*)>& combine);
  llvm::Value* half(llvm::Value* vector, bool upper);
  // As many vectors as each has lanes, a power of two: the columns of a square become its rows.
  std::vector<llvm::Value*> transpose(std::vector<llvm::Value*> rows);

  // Runs body(i, carried) for i = begin, begin + step, … < end. `nonempty`: the first iteration surely runs.
  Carried loop(llvm::Value* begin, llvm::Value* end, int64_t step, Carried initial, bool nonempty,
               const std::function<Carried(llvm::Value*, const Carried&)>& body);
  // carried = condition ? body(carried) : carried
  Carried when(llvm::Value* condition, Carried initial, const std::function<Carried(const Carried&)>& body);

  // The innermost scope's number.
  int level() const { return static_cast<int>(scopes_.size()) - 1; }
  Scope& scope(int level) { return scopes_[static_cast<size_t>(level)]; }
  void open_scope() { scopes_.push_back({GetInsertBlock(), {}, {}, {}}); }
  void close_scope() { scopes_.pop_back(); }
  // Runs body() in a scope of its own, without a loop: for unrolled copies, each at a point of its own.
  void scoped(const std::function<void()>& body);

  // While it lives, code goes to the scope of the given level. (A scope that was opened within the current block
  // shares it: then code goes on where it is.)
  class At {
   public:
    At(LaneBuilder& builder, int level);
    ~At();
    At(const At&) = delete;
    At& operator=(const At&) = delete;

   private:
    LaneBuilder& builder_;
    llvm::IRBuilderBase::InsertPoint saved_;
    bool moved_;
  };

 private:
  // By the processor's instruction; nullptr where it has none for so many lanes.
  llvm::Value* convert_to_bf16(llvm::Value* value);

  CpuFeatures features_;
  std::vector<Scope> scopes_;
};

}  // namespace netc
