// Finds what a path or glob of a `.net` file names.
#pragma once

#include <string>
#include <vector>

#include "compiler/base/recipe.h"

namespace netc {

// `path` as seen from `base_dir`, unless it is absolute.
std::string resolve_path(const std::string& base_dir, const std::string& path);

// The files that match, sorted by name. `role` ("train" or "test") is for the fix of the message.
// THROWS RuntimeError E0701 if none does.
std::vector<std::string> find_files(const std::string& base_dir, const std::string& pattern,
                                    const std::string& role);

// Exactly one file. THROWS RuntimeError E0701 if the pattern matches none or several.
std::string find_file(const std::string& base_dir, const std::string& pattern, const std::string& role);

}  // namespace netc
