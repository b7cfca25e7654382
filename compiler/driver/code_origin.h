// The device options as the compiler takes them, and where kernels came from as the user is told.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "compiler/api/compile.h"
#include "compiler/driver/commands.h"

namespace netc {

CompileSettings settings_of(const DeviceOptions& options);

// "58 compiled: 50 new, 8 evicted", "40 from the cache, 18 compiled: 18 new", "58 compiled" (without a cache).
std::string to_string(const CodeOrigin& origin);
nlohmann::ordered_json to_json(const CodeOrigin& origin);

// Says what went wrong with the cache (A0901); nothing with --quiet.
void report_warnings(const CodeOrigin& origin, Environment& environment);

}  // namespace netc
