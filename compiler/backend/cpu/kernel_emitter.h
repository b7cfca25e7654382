// One kernel as one LLVM function with the ABI of compiler/base/program.h: the loop over tasks around
// a loop nest or a contraction.
#pragma once

#include <llvm/IR/Module.h>

#include <string>

#include "compiler/backend/cpu/lane_builder.h"
#include "compiler/lower/direct_plan.h"
#include "compiler/lower/kernel.h"

namespace netc {

void emit_kernel(llvm::Module& module, const std::string& symbol, const KernelBody& body, const Target& target,
                 const CpuFeatures& features, const std::optional<DirectTile>& tile = std::nullopt);

}  // namespace netc
