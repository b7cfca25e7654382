#include "runtime/data/find_files.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>

#include "compiler/base/error.h"

namespace netc {

std::string resolve_path(const std::string& base_dir, const std::string& path) {
  if (base_dir.empty() || path.starts_with('/')) return path;
  return (std::filesystem::path(base_dir) / path).string();
}

std::vector<std::string> find_files(const std::string& base_dir, const std::string& pattern,
                                    const std::string& role) {
  std::string full = resolve_path(base_dir, pattern);
  std::vector<std::string> found;
  std::error_code ignored;
  if (std::filesystem::exists(full, ignored)) return {full};  // a name that merely looks like a glob
  glob_t matches{};
  if (glob(full.c_str(), 0, nullptr, &matches) == 0)
    found.assign(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  globfree(&matches);
  std::sort(found.begin(), found.end());  // glob's own order depends on the locale
  if (found.empty())
    throw RuntimeError("E0701", "no file matches \"" + pattern + "\" (searched " + full + ")",
                       "--data " + role + "=PATH");
  return found;
}

std::string find_file(const std::string& base_dir, const std::string& pattern, const std::string& role) {
  std::vector<std::string> found = find_files(base_dir, pattern, role);
  if (found.size() > 1)
    throw RuntimeError("E0701",
                       "\"" + pattern + "\" should be one file, but " + std::to_string(found.size()) +
                           " match: " + found[0] + ", " + found[1] + (found.size() > 2 ? ", …" : ""),
                       "--data " + role + "=PATH");
  return found[0];
}

}  // namespace netc
