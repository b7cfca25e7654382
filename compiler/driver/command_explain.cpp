// netc explain: a network layer by layer with its kernels and the planned memory; or a code's page.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "compiler/api/explain_network.h"
#include "compiler/api/schedule_curve.h"
#include "compiler/base/error.h"
#include "compiler/driver/code_origin.h"
#include "compiler/driver/commands.h"
#include "runtime/data/atomic_file.h"
#include "runtime/train/plot_svg.h"
#include "runtime/train/recipe_text.h"
#include "runtime/train/schedule.h"

namespace netc {
namespace {

using Json = nlohmann::ordered_json;

// "E0201", "A0102", also written small or with too few or too many digits.
bool is_code(const std::string& text) {
  const size_t digits = text.find_first_not_of("0123456789", std::min<size_t>(1, text.size()));
  return text.size() >= 2 && text.size() <= 7 && std::string("EeAa").find(text[0]) != std::string::npos && digits == std::string::npos;
}

int explain_code(const std::string& code, const Output& output) {
  std::string known = code;
  known[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(known[0])));
  const std::optional<std::string> page = explanation_of(known);
  if (!page) throw RuntimeError("E0924", fmt::format("there is no message `{}`; a code has four digits, as in E0201", code));
  output.result(*page);
  return kExitOk;
}

std::string field_text(const ReceptiveField& field) {
  if (field.height == 0 || field.width == 0) return "all";
  return fmt::format("{}x{}", field.height, field.width);
}

Json memory_json(const PlannedBytes& bytes) {
  return {{"weights", bytes.weights},         {"buffers", bytes.buffers},     {"gradients", bytes.gradients},
          {"optimizer", bytes.optimizer},     {"prepared", bytes.prepared},   {"activations", bytes.activations},
          {"workspace", bytes.workspace},     {"total", bytes.total()}};
}

Json recomputed_json(const std::vector<RecomputedValue>& values) {
  Json list = Json::array();
  for (const RecomputedValue& value : values)
    list.push_back({{"path", value.path}, {"bytes", value.bytes}, {"flops", value.flops}, {"moved_bytes", value.moved_bytes}});
  return list;
}

Json tiles_json(const std::optional<TileReport>& tiles) {
  return tiles ? Json{{"products", tiles->products}, {"measured", tiles->measured}} : Json();
}

Json conversions_json(const std::vector<ConversionNote>& notes) {
  Json list = Json::array();
  for (const ConversionNote& note : notes) list.push_back({{"label", note.label}, {"reason", note.reason}, {"bytes", note.bytes}});
  return list;
}

Json scaling_json(const NetworkReport& report) {
  Json threads = Json::array(), narrow = Json::array();
  for (const Scaling& s : report.scaling) threads.push_back({{"threads", s.threads}, {"critical_path_over_ideal", s.ratio()}});
  for (const NarrowNote& note : report.narrow)
    narrow.push_back({{"label", note.label}, {"tasks", note.tasks}, {"lost_at_16_threads", note.lost}});
  return {{"threads", threads}, {"too_few_tasks", narrow}};
}

Json loss_scale_json(const std::optional<LossScaleSpec>& scale) {
  if (!scale) return nullptr;
  Json json{{"initial", scale->initial}, {"dynamic", scale->dynamic}};
  if (scale->dynamic) json["growth_interval"] = scale->growth_interval;
  return json;
}

std::string loss_scale_text(const LossScaleSpec& scale) {
  if (!scale.dynamic) return fmt::format("loss scale   {:g}, fixed\n", scale.initial);
  return fmt::format("loss scale   {:g} at first, halved by an overflow, doubled after {} steps without one\n", scale.initial,
                     commas(scale.growth_interval));
}

Json choices_json(const std::vector<WinogradChoice>& choices) {
  Json json = Json::array();
  for (const WinogradChoice& choice : choices)
    json.push_back({{"winograd_tile", choice.winograd ? Json(choice.winograd->tile) : Json()}, {"reason", choice.reason}});
  return json;
}

Json to_json(const NetworkReport& report) {
  Json layers = Json::array();
  for (const LayerReport& layer : report.layers) {
    Json kernels = Json::array();
    for (const KernelNote& kernel : layer.kernels)
      kernels.push_back({{"label", kernel.label}, {"reasons", kernel.reasons}});
    layers.push_back({{"path", layer.path}, {"kind", layer.kind}, {"call", layer.text}, {"depth", layer.depth}, {"leaf", layer.leaf},
                      {"output", layer.output}, {"parameters", layer.parameters}, {"flops", layer.flops},
                      {"receptive_field", {layer.field.height, layer.field.width}}, {"source", layer.source}, {"kernels", kernels},
                      {"convolutions", choices_json(layer.convolutions)}, {"data_gradients", choices_json(layer.data_gradients)},
                      {"weight_gradients", choices_json(layer.weight_gradients)}});
  }
  Json inputs = Json::array(), outputs = Json::array();
  for (const PortReport& port : report.inputs)
    inputs.push_back({{"name", port.name}, {"dtype", port.dtype}, {"shape", port.shape}});
  for (const PortReport& port : report.outputs)
    outputs.push_back({{"name", port.name}, {"dtype", port.dtype}, {"shape", port.shape}});
  return {{"network", report.name},
          {"reference", report.reference},
          {"mode", report.train ? "training" : "inference"},
          {"batch", report.batch},
          {"parameters", report.parameters},
          {"parameters_inference", report.parameters_inference},
          {"parameters_frozen", report.parameters_frozen},
          {"flops", report.flops},
          {"memory", memory_json(report.memory)},
          {"loss_scale", loss_scale_json(report.loss_scale)},
          {"scaling", scaling_json(report)},
          {"recomputed",
           {{"restored", recomputed_json(report.recomputation.restored)},
            {"free", recomputed_json(report.recomputation.free)},
            {"for_budget", recomputed_json(report.recomputation.budgeted)},
            {"kept_bytes", report.recomputation.kept_bytes},
            {"estimated_seconds", report.recomputation_seconds}}},
          {"kernels", report.kernels},
          {"launches", report.launches},
          {"streams", report.streams},
          {"waits", report.waits},
          {"tiles", tiles_json(report.tiles)},
          {"layout_conversions", conversions_json(report.conversions)},
          {"inputs", inputs},
          {"outputs", outputs},
          {"layers", layers}};
}

// "relu: joins its producer; its operand is in a register" -> "joins its producer".
std::string short_reason(const std::string& reason) {
  size_t begin = reason.find(": ");
  begin = begin == std::string::npos ? 0 : begin + 2;
  return reason.substr(begin, reason.find_first_of(":;", begin) - begin);
}

// Which kernels compute a layer, and why: "#7 a contraction has a kernel of its own". Training has several.
std::string kernels_text(const std::vector<KernelNote>& notes) {
  constexpr size_t kShown = 2;
  std::string text;
  for (size_t i = 0; i < notes.size() && i < kShown; ++i) {
    text += (i > 0 ? "; " : "") + notes[i].summary;
    if (!notes[i].reasons.empty()) text += " " + short_reason(notes[i].reasons.front());
  }
  if (notes.size() > kShown) text += fmt::format("; {} more", notes.size() - kShown);
  return text;
}

// "direct: its window is 1x1", or with which Winograd tiles, and why.
std::string convolutions_text(const LayerReport& layer) {
  std::string text;
  const auto add = [&](const char* what, const WinogradChoice& choice) {
    text += fmt::format("; {}{}{}", what, choice.winograd ? "" : "direct: ", choice.reason);
  };
  for (const WinogradChoice& choice : layer.convolutions) add("", choice);
  for (const WinogradChoice& choice : layer.data_gradients) add("its data gradient: ", choice);
  for (const WinogradChoice& choice : layer.weight_gradients) add("its weight gradient: ", choice);
  return text;
}

// "recomputed   31 values for the budget: 498.0 MiB less; …", or nothing.
std::string recomputation_text(const NetworkReport& report) {
  std::string text;
  const Recomputation& r = report.recomputation;
  if (!r.restored.empty()) {
    int64_t bytes = 0;
    for (const RecomputedValue& value : r.restored) bytes += value.bytes;
    text += fmt::format("recomputed   {} values, {}, written again by kernels of the backward pass instead of kept\n", r.restored.size(),
                        byte_text(bytes));
  }
  if (!r.free.empty()) text += fmt::format("recomputed   {} values by kernels that read their operands anyway\n", r.free.size());
  if (r.budgeted.empty()) return text;
  int64_t flops = 0, moved = 0;
  for (const RecomputedValue& value : r.budgeted) {
    flops += value.flops;
    moved += value.moved_bytes;
  }
  return text + fmt::format("recomputed   {} values for the budget: {} less; {:.2f} GFLOP and {} moved again, about {:.1f} ms a step\n",
                            r.budgeted.size(), byte_text(r.kept_bytes - report.memory.total()), static_cast<double>(flops) / 1e9,
                            byte_text(moved), 1e3 * report.recomputation_seconds);
}

// "layouts      54 launches only convert layouts, 263.9 MiB moved", then the reasons, the one that moves most first.
std::string conversions_text(const std::vector<ConversionNote>& notes) {
  if (notes.empty()) return "";
  struct Reason {
    std::string text;
    int64_t launches = 0, bytes = 0;
  };
  std::vector<Reason> reasons;
  int64_t bytes = 0;
  for (const ConversionNote& note : notes) {
    auto known = std::find_if(reasons.begin(), reasons.end(), [&](const Reason& reason) { return reason.text == note.reason; });
    if (known == reasons.end()) known = reasons.insert(known, {note.reason, 0, 0});
    ++known->launches;
    known->bytes += note.bytes;
    bytes += note.bytes;
  }
  std::stable_sort(reasons.begin(), reasons.end(), [](const Reason& a, const Reason& b) { return a.bytes > b.bytes; });
  std::string text = fmt::format("layouts      {} {} layouts, {} moved\n", notes.size(),
                                 notes.size() == 1 ? "launch only converts" : "launches only convert", byte_text(bytes));
  for (const Reason& reason : reasons) text += fmt::format("             {} x {}\n", reason.launches, reason.text);
  return text;
}

std::string to_text(const NetworkReport& report) {
  Table table({{"layer", Table::Align::left}, {"call", Table::Align::left}, {"output", Table::Align::left},
               {"parameters", Table::Align::right}, {"MFLOP", Table::Align::right}, {"sees", Table::Align::right},
               {"kernel", Table::Align::left}});
  for (const LayerReport& layer : report.layers) {
    const std::string indent(static_cast<size_t>(2 * layer.depth), ' ');
    const std::string name = layer.leaf ? (layer.path.empty() ? layer.text : layer.path) : layer.kind + " " + layer.path;
    table.add({indent + name, layer.leaf ? layer.text : "", layer.leaf ? to_string(layer.output) : "",
               layer.parameters ? commas(layer.parameters) : "",
               layer.flops ? fmt::format("{:.2f}", static_cast<double>(layer.flops) / 1e6) : "",
               layer.leaf ? field_text(layer.field) : "", kernels_text(layer.kernels) + convolutions_text(layer)});
  }
  std::string text = table.text() + "\n";
  text += fmt::format("parameters   {}", commas(report.parameters));
  if (report.parameters_inference != report.parameters)
    text += fmt::format(" ({} for inference, without auxiliary heads)", commas(report.parameters_inference));
  if (report.parameters_frozen > 0)
    text += fmt::format(", {} of them frozen: without gradients, moments and backward kernels", commas(report.parameters_frozen));
  text += fmt::format("\ncompute      {:.2f} MFLOP forward for one image\n", static_cast<double>(report.flops) / 1e6);
  text += fmt::format("kernels      {} launches of {} kernels, {}, batch {}\n", report.launches, report.kernels,
                      report.train ? "a training step" : "inference", report.batch);
  if (report.tiles && report.tiles->products > 0)
    text += fmt::format("tiles        {} of {} matrix products have a tile that was measured (netc tune)\n",
                        report.tiles->measured, report.tiles->products);
  if (report.streams > 1) text += fmt::format("streams      {}, {} waits of a launch for one of another\n", report.streams, report.waits);
  text += conversions_text(report.conversions);
  const PlannedBytes& m = report.memory;
  text += fmt::format("memory       {} = weights {} + buffers {}", byte_text(m.total()), byte_text(m.weights), byte_text(m.buffers));
  if (report.train) text += fmt::format(" + gradients {} + optimizer {}", byte_text(m.gradients), byte_text(m.optimizer));
  if (m.prepared > 0) text += fmt::format(" + prepared weights {}", byte_text(m.prepared));
  text += fmt::format(" + activations {} + workspace {}\n", byte_text(m.activations), byte_text(m.workspace));
  if (report.loss_scale) text += loss_scale_text(*report.loss_scale);
  text += recomputation_text(report) + "scaling      critical path of the tasks over the ideal:";
  for (size_t i = 0; i < report.scaling.size(); ++i)
    text += fmt::format("{} {:.2f} at {} threads", i > 0 ? "," : "", report.scaling[i].ratio(), report.scaling[i].threads);
  return text + "\n";
}

// The schedule of the training that the reference names; none where it names a network. THROWS RuntimeError E0924 where a
// drawing is asked for and cannot be made.
std::optional<ScheduleCurve> find_schedule(const ExplainCommand& options, Environment& environment, std::string& why_not) {
  DiagnosticSink ignored;  // a network is explained without a recipe
  const std::optional<Recipe> recipe = resolve_recipe(environment.project, options.network.reference, ignored);
  if (!recipe) {
    if (!options.svg.empty())
      throw RuntimeError("E0924", fmt::format("`{}` names no `train`, so there is no schedule", options.network.reference), "FILE.net:TRAIN");
    return std::nullopt;
  }
  if (options.samples > 0 && steps_per_epoch(*recipe, options.samples) == 0)
    throw RuntimeError("E0706", fmt::format("{} samples are less than one step", options.samples));
  if (options.samples > 0 || !counts_steps(recipe->schedule)) return schedule_curve(*recipe, options.samples);
  why_not = recipe_text(*recipe).at("schedule");
  if (!options.svg.empty())
    throw RuntimeError("E0924", "the schedule " + why_not + " counts steps, and how many an epoch has is not known", "--samples 50000");
  return std::nullopt;
}

std::string schedule_text(const ScheduleCurve& curve) {
  constexpr int kWidth = 60;
  return fmt::format("schedule     {}\n             {}  at most {:.4g}, at last {:.4g}\n", curve.text,
                     sparkline(curve.rates, kWidth), curve.highest, curve.last);
}

Json schedule_json(const ScheduleCurve& curve) {
  Json rates = Json::array();
  for (const auto& [epoch, rate] : curve.rates) rates.push_back({epoch, rate});
  return {{"text", curve.text}, {"highest", curve.highest}, {"last", curve.last}, {"rates", rates}};
}

}  // namespace

int run(const ExplainCommand& options, Environment& environment) {
  if (is_code(options.network.reference) && !std::filesystem::exists(options.network.reference)) return explain_code(options.network.reference, environment.output);
  const NetworkReport report =
      explain_network(environment.project, {options.network.reference, options.network.set, false}, options.batch,
                      options.train, settings_of(options.device));
  std::string in_steps;
  const std::optional<ScheduleCurve> schedule = find_schedule(options, environment, in_steps);
  if (schedule && !options.svg.empty()) write_file(options.svg, plot_curves({{"Learning rate", "epoch", {{schedule->text, schedule->rates}}}}));
  if (environment.output.json()) {
    Json json = to_json(report);
    if (schedule) json["schedule"] = schedule_json(*schedule);
    environment.output.result(json.dump(2) + "\n");
    return kExitOk;
  }
  std::string text = to_text(report);
  if (schedule) text += schedule_text(*schedule);
  if (!in_steps.empty()) text += fmt::format("schedule     {}; it counts steps, --samples N draws it\n", in_steps);
  environment.output.result(text);
  return kExitOk;
}

}  // namespace netc
