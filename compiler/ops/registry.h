// The registry of operators: an explicit list, no self-registering globals.
#pragma once

#include <string>
#include <vector>

#include "compiler/ir/op_def.h"

namespace netc {

// Every operator, sorted by name.
const std::vector<const OpDef*>& all_ops();

// nullptr if there is none of that name.
const OpDef* find_op(const std::string& name);

// The operator of that name. THROWS InternalError if there is none (for names in netc's own code).
const OpDef& op(const std::string& name);

}  // namespace netc
