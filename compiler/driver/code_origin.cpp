#include "compiler/driver/code_origin.h"

#include <fmt/format.h>

namespace netc {

CompileSettings settings_of(const DeviceOptions& options) {
  CompileSettings settings{options.device, options.precision, options.cpu, cache_settings(options.cache ? options.cache_dir : "none")};
  settings.budget = options.budget;
  settings.threads = options.threads;
  settings.winograd = options.winograd;
  return settings;
}

std::string to_string(const CodeOrigin& origin) {
  std::string text;
  if (origin.from_cache > 0) text = fmt::format("{} from the cache", origin.from_cache);
  if (origin.compiled() == 0) return text;
  text += fmt::format("{}{} compiled", text.empty() ? "" : ", ", origin.compiled());
  if (!origin.cached) return text;
  std::string separator = ": ";
  for (int i = 0; i < kMissReasons; ++i) {
    if (origin.misses[static_cast<size_t>(i)] == 0) continue;
    text += fmt::format("{}{} {}", separator, origin.misses[static_cast<size_t>(i)], describe(static_cast<Miss>(i)));
    separator = ", ";
  }
  return text;
}

nlohmann::ordered_json to_json(const CodeOrigin& origin) {
  nlohmann::ordered_json misses = nlohmann::ordered_json::object();
  for (int i = 0; origin.cached && i < kMissReasons; ++i)
    if (origin.misses[static_cast<size_t>(i)] > 0)
      misses[describe(static_cast<Miss>(i))] = origin.misses[static_cast<size_t>(i)];
  return {{"cache", origin.cached}, {"from_cache", origin.from_cache}, {"compiled", origin.compiled()}, {"misses", misses}};
}

void report_warnings(const CodeOrigin& origin, Environment& environment) {
  if (environment.output.quiet()) return;
  for (const std::string& warning : origin.warnings) {
    Diagnostic diagnostic;
    diagnostic.code = "A0901";
    diagnostic.severity = Severity::advice;
    diagnostic.message = warning;
    environment.output.diagnostic(diagnostic, environment.project.sources());
  }
}

}  // namespace netc
