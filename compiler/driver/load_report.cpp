#include "compiler/driver/load_report.h"

#include <fmt/format.h>

namespace netc {

std::string load_report(const std::string& path, const LoadReport& report, const std::string& consequence) {
  std::string text = fmt::format("{}: {} tensors loaded", path, report.loaded.size());
  const auto list = [&](const std::string& what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    constexpr size_t kShown = 6;
    text += fmt::format("\n  {} {}: ", names.size(), what);
    for (size_t i = 0; i < names.size() && i < kShown; ++i) text += (i > 0 ? ", " : "") + names[i];
    if (names.size() > kShown) text += ", ...";
  };
  std::vector<std::string> mismatched;
  for (const TensorMismatch& m : report.mismatched)
    mismatched.push_back(fmt::format("{} (file {}, network {})", m.path, to_string(m.file), to_string(m.network)));
  list("excepted" + consequence, report.excepted);
  list("missing" + consequence, report.missing);
  list("of another shape" + consequence, mismatched);
  list("in the file alone", report.unexpected);
  return text + "\n";
}

std::string skipped_report(const Dataset& data, const std::string& role) {
  constexpr size_t kShown = 10;
  const std::vector<SkippedRecord>& skipped = data.skipped();
  if (skipped.empty()) return "";
  std::string text = fmt::format("{} corrupt records of the {} data are left out\n", skipped.size(), role);
  for (size_t i = 0; i < skipped.size() && i < kShown; ++i) text += fmt::format("  {}\n", skipped[i].why);
  if (skipped.size() > kShown) text += "  ...\n";
  return text;
}

}  // namespace netc
