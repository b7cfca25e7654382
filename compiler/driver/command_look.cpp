// netc look: the first layer's filters and layers' activations as PNG files.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "compiler/api/look.h"
#include "compiler/base/error.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "compiler/driver/json_text.h"
#include "compiler/driver/load_report.h"
#include "runtime/thread_pool.h"

namespace netc {

int run(const LookCommand& command, Environment& environment) {
  ThreadPool pool(command.device.threads);
  const std::vector<LookPicture> pictures =
      look(environment.project,
           {{command.network.reference, command.network.set, false}, settings_of(command.device), command.weights, command.names,
            command.inputs, command.data, command.count, command.channels, command.layers,
            [&](const Dataset& data) { environment.output.note(skipped_report(data, "test")); }},
           pool);
  std::error_code error;
  std::filesystem::create_directories(command.output, error);
  if (error) throw RuntimeError("E0604", fmt::format("cannot make the folder {}: {}", command.output, error.message()), "--output DIR");
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  Table table({{"picture", Table::Align::left}, {"layer", Table::Align::left}, {"shape", Table::Align::left}});
  for (const LookPicture& picture : pictures) {
    const std::string path = (std::filesystem::path(command.output) / (picture.name + ".png")).string();
    write_png(path, picture.image);
    table.add({path, picture.call.empty() ? picture.layer : picture.layer + "  " + picture.call, to_string(picture.shape)});
    json.push_back({{"picture", path}, {"layer", picture.layer}, {"call", picture.call}, {"shape", picture.shape}});
  }
  environment.output.result(environment.output.json() ? json_text(json) : table.text());
  return kExitOk;
}

}  // namespace netc
