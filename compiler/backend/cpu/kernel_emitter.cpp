#include "compiler/backend/cpu/kernel_emitter.h"

#include <cstddef>

#include "compiler/backend/cpu/direct_emitter.h"
#include "compiler/backend/cpu/gemm_emitter.h"
#include "compiler/backend/cpu/halo_emitter.h"
#include "compiler/backend/cpu/winograd_emitter.h"
#include "compiler/backend/cpu/winograd_gradient_emitter.h"
#include "compiler/base/error.h"
#include "compiler/lower/contraction_nest.h"
#include "compiler/lower/contraction_plan.h"

namespace netc {

using llvm::Type;
using llvm::Value;

namespace {

// Loads the operands' addresses from the two bases and KernelArgs::offsets.
KernelPointers load_pointers(LaneBuilder& b, llvm::Function* function, const KernelBody& body) {
  Type* pointer = b.getPtrTy();
  auto field = [&](size_t offset) {
    return b.CreateLoad(pointer, b.CreateConstGEP1_64(b.getInt8Ty(), function->getArg(2), offset));
  };
  Value* offsets = field(offsetof(KernelArgs, offsets));
  KernelPointers pointers;
  pointers.scalars = field(offsetof(KernelArgs, scalars));
  for (size_t i = 0; i < body.operands.size(); ++i) {
    Value* base = function->getArg(body.operands[i].space == Space::state ? 0 : 1);
    Value* offset = b.CreateLoad(b.getInt64Ty(), b.CreateConstGEP1_64(b.getInt64Ty(), offsets, i));
    pointers.operands.push_back(b.CreateGEP(b.getInt8Ty(), base, offset));
  }
  return pointers;
}

// The task's position in the grid, row-major, as ranges of the parallel axes.
TaskBlock decode_task(LaneBuilder& b, const KernelBody& body, const TaskGrid& grid, Value* task) {
  TaskBlock block;
  const size_t axes = grid.blocks.size();
  block.begin.resize(axes);
  block.end.resize(axes);
  std::vector<Value*> position(axes, b.i64(0));
  for (size_t a = axes; a-- > 0;) {
    const int64_t extent = body.nest.extents[a];
    if (grid.blocks[a] == 1) {
      block.begin[a] = b.i64(0);
      block.end[a] = b.i64(extent);
      continue;
    }
    position[a] = b.CreateURem(task, b.i64(grid.blocks[a]));
    task = b.CreateUDiv(task, b.i64(grid.blocks[a]));
    block.begin[a] = b.CreateMul(position[a], b.i64(grid.block[a]));
    block.end[a] = b.CreateAdd(block.begin[a], b.i64(grid.block[a]));
    if (extent % grid.block[a] != 0)
      block.end[a] = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, block.end[a], b.i64(extent));
  }
  if (body.partials.empty()) return block;
  block.partial_row = b.i64(0);
  for (size_t a = 0; a < axes; ++a) {
    if (is_kept(body, static_cast<int>(a)) || grid.blocks[a] == 1) continue;
    block.partial_row = b.CreateAdd(b.CreateMul(block.partial_row, b.i64(grid.blocks[a])), position[a]);
  }
  return block;
}

}  // namespace

void emit_kernel(llvm::Module& module, const std::string& symbol, const KernelBody& body, const Target& target,
                 const CpuFeatures& features, const std::optional<DirectTile>& tile) {
  llvm::LLVMContext& context = module.getContext();
  LaneBuilder b(context, features);
  Type* pointer = b.getPtrTy();
  auto* type = llvm::FunctionType::get(b.getVoidTy(), {pointer, pointer, pointer, b.getInt64Ty(), b.getInt64Ty()}, false);
  auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol, module);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  if (target.vector_lanes == 16) function->addFnAttr("prefer-vector-width", "512");
  const char* const names[] = {"state", "arena", "args", "first", "last"};
  for (unsigned i = 0; i < 5; ++i) function->getArg(i)->setName(names[i]);

  const ContractionPlan plan = plan_contraction(body, target, tile);
  // Transforms have more values than registers. Without this attribute the frame pointer is in use when the first of them is spilled, the
  // stack cannot be aligned any more, and every spill lies across two lines of the cache.
  if (std::holds_alternative<WinogradPlan>(plan) || std::holds_alternative<WinogradGradientPlan>(plan)) function->addFnAttr("stackrealign");
  const TaskGrid grid = output_block(plan) ? TaskGrid::of(body.nest.extents, *output_block(plan)) : task_grid(body, target);
  const bool as_nest = std::holds_alternative<std::monostate>(plan);
  const KernelBody nest = body.contraction && as_nest ? contraction_as_nest(body) : body;
  b.SetInsertPoint(llvm::BasicBlock::Create(context, "entry", function));
  b.open_scope();
  const KernelPointers pointers = load_pointers(b, function, body);
  Value* scratch = b.CreateLoad(pointer, b.CreateConstGEP1_64(b.getInt8Ty(), function->getArg(2), offsetof(KernelArgs, scratch)));
  b.loop(function->getArg(3), function->getArg(4), 1, {}, false, [&](Value* task, const Carried&) {
    const TaskBlock block = decode_task(b, nest, grid, task);
    if (auto* winograd = std::get_if<WinogradPlan>(&plan)) emit_winograd(b, body, *winograd, block, pointers, scratch);
    if (auto* gradient = std::get_if<WinogradGradientPlan>(&plan)) emit_winograd_gradient(b, body, *gradient, block, pointers, scratch);
    if (auto* direct = std::get_if<DirectPlan>(&plan)) emit_direct(b, body, *direct, block, pointers, scratch);
    if (auto* gemm = std::get_if<GemmPlan>(&plan)) emit_contraction(b, body, *gemm, grid, block, pointers, scratch, target);
    if (as_nest) emit_nest(b, nest, grid, block, pointers, target);
    emit_halos(b, body, grid, block, pointers);
    return Carried{};
  });
  b.CreateRetVoid();
  b.close_scope();
}

}  // namespace netc
