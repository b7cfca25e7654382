// netc cache: the folder of compiled kernels; looking at it, checking it, making it smaller.
#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "compiler/base/error.h"
#include "compiler/cache/cache_settings.h"
#include "compiler/cache/maintain.h"
#include "compiler/driver/commands.h"

namespace netc {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kNanoseconds = 1'000'000'000;

std::string time_text(int64_t nanoseconds) {
  const std::time_t seconds = nanoseconds / kNanoseconds;
  std::tm local{};
  char text[32] = "";
  if (localtime_r(&seconds, &local)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return text;
}

// What lies before the first comma of a target: the processor.
std::string processor_of(const std::string& target) { return target.substr(0, target.find(',')); }

class CacheTool {
 public:
  CacheTool(const CacheCommand& command, Output& output)
      : command_(command), output_(output), settings_(cache_settings(command.cache_dir)) {
    if (settings_.folder.empty())
      throw RuntimeError("E0926", settings_.problem.empty() ? "the cache is turned off" : settings_.problem, "--cache-dir DIR");
    std::string problem;
    folder_ = CacheFolder::open(settings_.folder, false, problem);
    if (!folder_ && !problem.empty()) throw RuntimeError("E0926", problem, "--cache-dir DIR");
  }

  int run() {
    if (command_.action == "path") return say(settings_.folder + "\n", {{"path", settings_.folder}});
    if (command_.action == "list") return list();
    if (command_.action == "verify") return verify();
    if (command_.action == "clear") return removed(folder_ ? clear(*folder_) : Eviction{});
    if (command_.action == "prune") return removed(folder_ ? evict(*folder_, limit(), true) : Eviction{});
    return stats();
  }

 private:
  int say(const std::string& text, const Json& json) const {
    output_.result(output_.json() ? json.dump(2) + "\n" : text);
    return kExitOk;
  }

  int64_t limit() const {
    if (command_.max_size.empty()) return settings_.max_bytes;
    const std::optional<int64_t> bytes = parse_bytes(command_.max_size);
    if (!bytes) throw RuntimeError("E0924", "`" + command_.max_size + "` is no size", "--max-size 512MiB");
    return *bytes;
  }

  int stats() const {
    const CacheStatistics s = folder_ ? statistics(*folder_) : CacheStatistics{};
    std::string text = fmt::format("{}\n{} compiled kernels, {} of at most {}\n", settings_.folder, commas(s.entries),
                                   byte_text(s.bytes), byte_text(settings_.max_bytes));
    if (s.entries > 0) text += fmt::format("last used {} to {}\n", time_text(s.oldest_use), time_text(s.newest_use));
    return say(text, {{"path", settings_.folder}, {"entries", s.entries}, {"bytes", s.bytes}, {"max_bytes", settings_.max_bytes}});
  }

  int list() const {
    Table table({{"bytes", Table::Align::right}, {"last used", Table::Align::left}, {"processor", Table::Align::left},
                 {"compiler", Table::Align::left}, {"kernel", Table::Align::left}});
    Json json = Json::array();
    for (const EntryInfo& e : entries()) {
      table.add({commas(e.file.bytes), time_text(e.file.used), processor_of(e.key.target), e.key.compiler,
                 e.damaged ? "damaged: " + e.file.name : e.key.symbol});
      json.push_back({{"entry", e.file.name}, {"kernel", e.key.symbol}, {"target", e.key.target}, {"compiler", e.key.compiler},
                      {"bytes", e.file.bytes}, {"used", e.file.used / kNanoseconds}, {"damaged", e.damaged}});
    }
    return say(table.text(), json);
  }

  // Drops damaged entries; they are the user's news, so the exit code says it too.
  int verify() const {
    Json damaged = Json::array();
    std::string text;
    int64_t good = 0;
    for (const EntryInfo& e : entries()) {
      if (!e.damaged) {
        ++good;
        continue;
      }
      folder_->remove(e.file.name);
      text += fmt::format("damaged, dropped: {}\n", e.file.name);
      damaged.push_back(e.file.name);
    }
    say(text + fmt::format("{} compiled kernels are whole\n", commas(good)), {{"good", good}, {"damaged", damaged}});
    return damaged.empty() ? kExitOk : kExitData;
  }

  int removed(const Eviction& e) const {
    return say(fmt::format("removed {} compiled kernels, {}\n", commas(e.entries), byte_text(e.bytes)),
               {{"entries", e.entries}, {"bytes", e.bytes}});
  }

  std::vector<EntryInfo> entries() const { return folder_ ? inspect(*folder_) : std::vector<EntryInfo>{}; }

  const CacheCommand& command_;
  const Output& output_;
  CacheSettings settings_;
  std::optional<CacheFolder> folder_;  // nothing has been kept yet where there is none
};

}  // namespace

int run(const CacheCommand& command, Environment& environment) {
  if (!command.max_size.empty() && command.action != "prune")
    throw RuntimeError("E0924", "`--max-size` is an option of `netc cache prune`", "netc cache prune --max-size " + command.max_size);
  return CacheTool(command, environment.output).run();
}

}  // namespace netc
