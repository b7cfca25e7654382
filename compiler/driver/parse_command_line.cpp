// Binds flags to the fields of options.h.
#include <CLI/CLI.hpp>
#include <charconv>
#include <functional>
#include <iostream>
#include <memory>
#include <utility>

#include "compiler/api/convert_weights.h"
#include "compiler/driver/options.h"
#include "compiler/support/diagnostic.h"

namespace netc {
namespace {

constexpr const char* kDescription =
    R"(netc compiles and trains neural networks written in .net files.

Examples:
  netc check mnist.net                                  look for errors
  netc explain std.resnet:resnet50 --set classes=10     shapes, parameters, memory
  netc train mnist.net --epochs 5                       train, with checkpoints
  netc eval mnist.net --weights runs/mnist/best.safetensors
  netc predict mnist.net --weights best.safetensors --input shoe.png
  netc graph mnist.net --output mnist.svg               draw it

A network is named FILE.net, FILE.net:NAME or std.MODULE:NAME.
)";

constexpr const char* kFooter = R"(
Exit codes: 0 success, 1 the .net program is wrong, 2 the command line is, 3 data, weights
or a checkpoint are, 4 the system refused (memory, threads, files, device), 5 a bug of netc,
130 interrupted (training has saved). NO_COLOR turns colours off.
)";

// A unit left out, `--budget 5`, is a slip.
CLI::Validator budget_size() {
  return CLI::Validator(
      [](const std::string& bytes) {
        int64_t value = 0;
        std::from_chars(bytes.data(), bytes.data() + bytes.size(), value);
        return value >= 1024 ? std::string() : "expects a size such as 2GiB, got " + bytes + " bytes";
      },
      "");
}

struct Binder {
  CLI::App& app;
  CommandLine& line;

  // A subcommand whose options live in `line.command` once it is chosen.
  template <class Options>
  std::pair<CLI::App*, std::shared_ptr<Options>> add(const std::string& name, const std::string& summary, const std::string& examples, bool has_json = true) {
    CLI::App* sub = app.add_subcommand(name, summary + "\n\nExamples:\n" + examples);
    auto options = std::make_shared<Options>();
    sub->parse_complete_callback([this, options] { line.command = *options; });
    sub->add_flag("-q,--quiet", line.output.quiet, "Print results and errors only");
    if (has_json) sub->add_flag("--json", line.output.json, "Print the result as JSON");
    sub->add_option("--error-format", error_format, "How errors are printed: text or json")
        ->check(CLI::IsMember({"text", "json"}));
    return {sub, options};
  }

  static void set(CLI::App* sub, std::map<std::string, std::string>& values) {
    pairs(sub, "--set", "KEY=VALUE", "Argument of the network: --set classes=10",
          [&values](std::string key, std::string value) { values[std::move(key)] = std::move(value); });
  }
  static void network(CLI::App* sub, NetworkOptions& options, const std::string& what = "FILE.net[:NAME] or std.MODULE:NAME") {
    sub->add_option("network", options.reference, what)->required();
    set(sub, options.set);
  }
  static void device(CLI::App* sub, DeviceOptions& options, bool runs = true) {
    sub->add_option("--device", options.device, "cpu, cuda[:sm_80|:sm_90] or cuda-emulation")->capture_default_str();
    sub->add_option("--precision", options.precision, "f32, tf32, bf16 or f16; default: the recipe's, else f32");
    sub->add_option("--cpu", options.cpu, "Code for host, x86-64, x86-64-v3, x86-64-v4, znver5, …")->capture_default_str();
    sub->add_option("--budget", options.budget, "Most memory to plan: 2GiB. Training recomputes what is cheap to stay below it")
        ->transform(CLI::AsSizeValue(true))
        ->check(budget_size())
        ->type_name("BYTES");
    sub->add_flag("!--no-winograd", options.winograd, "Compute 3x3 convolutions directly, with smaller rounding errors");
    if (!runs) return;
    sub->add_option("--threads", options.threads, "0: one per processor")->check(CLI::Range(0, 1024))->capture_default_str();
    cache_dir(sub, options.cache_dir);
    sub->add_flag("!--no-cache", options.cache, "Neither look for compiled kernels nor keep them");
  }
  static void cache_dir(CLI::App* sub, std::string& folder) {
    sub->add_option("--cache-dir", folder, "Where compiled kernels are kept; default NETC_CACHE_DIR, else ~/.cache/netc")
        ->type_name("DIR");
  }
  static void data(CLI::App* sub, std::map<std::string, std::string>& values) {
    pairs(sub, "--data", "ROLE=PATH", "Where a data set lies: --data train=PATH",
          [&values](std::string key, std::string value) { values[std::move(key)] = std::move(value); });
  }
  static void pairs(CLI::App* sub, const std::string& flag, const std::string& form, const std::string& doc,
                    std::function<void(std::string key, std::string value)> store) {
    sub->add_option_function<std::vector<std::string>>(
           flag,
           [store = std::move(store), flag, form](const std::vector<std::string>& texts) {
             for (const std::string& text : texts) {
               const size_t equals = text.find('=');
               if (equals == std::string::npos || equals == 0)
                 throw CLI::ValidationError(flag, "expects " + form + ", got `" + text + "`");
               store(text.substr(0, equals), text.substr(equals + 1));
             }
           },
           doc)
        ->type_name(form)
        ->take_all()
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }

  std::string error_format = "text";
};

bool is_svg_name(const std::string& path) { return path.ends_with(".svg"); }
CLI::Validator svg_name() {
  return CLI::Validator([](const std::string& path) { return is_svg_name(path) ? "" : "expects .svg, got " + path; }, "");
}
CLI::Validator svg_or_dot_name() {
  return CLI::Validator([](const std::string& path) { return is_svg_name(path) || path.ends_with(".dot") ? "" : "expects .svg or .dot, got " + path; }, "");
}
// CLI11's Range says of `abc` that it is not in a range.
CLI::Validator whole_number(int64_t low, int64_t high) {
  return CLI::Validator(
      [=](const std::string& text) {
        int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool good = error == std::errc() && end == text.data() + text.size() && value >= low && value <= high;
        return good ? std::string() : "expects a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", got " + text;
      },
      "");
}
CLI::Validator positive() { return whole_number(1, int64_t{1} << 40); }
CLI::Validator batch_range() { return whole_number(1, int64_t{1} << 20); }
CLI::Validator seed_number() { return whole_number(0, INT64_MAX); }
// What the options and commands are called, for near misses.
std::string similar_option(const CLI::App& command, const std::string& written) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  const std::optional<std::string> close = nearest(written.substr(0, written.find('=')), names);
  return close ? "--" + *close : "";
}

// One line of what is wrong, and the repair where it is known; nothing where CLI11 says it well.
std::string explain_failure(const CLI::App& app, int argc, char** argv) {
  if (argc < 2) return "";
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  if (chosen.empty()) {
    const std::string written = argv[1];
    if (written.starts_with("-")) return "";
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
    const std::optional<std::string> close = nearest(written, names);
    return "there is no command `" + written + "`\n" + (close ? "fix: netc " + *close + "\n" : "");
  }
  const std::vector<std::string> rest = chosen.front()->remaining();
  if (rest.empty()) return "";
  const std::string command = "netc " + chosen.front()->get_name(), written = rest.front();
  if (!written.starts_with("--")) {
    const bool takes_input = chosen.front()->get_option_no_throw("--input") != nullptr;
    return "`" + command + "` does not expect `" + written + "`\n" + (takes_input ? "fix: --input " + written + "\n" : "");
  }
  const std::string close = similar_option(*chosen.front(), written.substr(2));
  return "`" + command + "` has no option `" + written + "`\n" + (close.empty() ? "" : "fix: " + close + "\n");
}

void bind_running_commands(Binder& bind) {
  {
    auto [sub, o] = bind.add<TrainCommand>("train", "Trains a network as a `train` declaration says.",
                                           "  netc train mnist.net --seed 1 --epochs 5 --log run.jsonl\n"
                                           "  netc train mnist.net:big --data train=/data/mnist --threads 2\n"
                                           "  netc train mnist.net --resume                go on where it stopped\n"
                                           "  netc train mnist.net --budget 2GiB           in that much memory\n");
    Binder::network(sub, o->network, "FILE.net[:TRAIN]");
    Binder::device(sub, o->device);
    Binder::data(sub, o->data);
    sub->add_option("--seed", o->seed, "Seed of weights, order, augmentation and dropout")->check(seed_number());
    sub->add_option("--epochs", o->epochs, "Instead of the recipe's")->check(positive());
    sub->add_option("--batch", o->batch, "Instead of the recipe's")->check(batch_range());
    sub->add_option("--log", o->log, "JSON lines, one an event")->type_name("FILE");
    sub->add_option("--output", o->output, "Folder of best.safetensors and last.safetensors; default runs/NAME")->type_name("DIR");
    sub->add_option("--resume", o->checkpoint, "Go on from a checkpoint; default: last.safetensors of the folder")
        ->expected(0, 1)
        ->type_name("[FILE]");
    sub->add_option("--save-every", o->save_every, "Also save after so many steps")->check(positive());
    sub->add_option("--keep", o->keep, "Checkpoints to keep, the last one included; beside it as step-N.safetensors")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str();
    sub->add_flag("--watch", o->watch, "Also write tables, curves and TensorBoard events into the folder");
    sub->add_flag("--check", o->check, "End at the first layer, gradient or weight that is not finite");
    sub->add_option("--stop-after", o->stop_after, "Save and stop after so many steps")->check(positive());
    sub->parse_complete_callback([sub = sub, o = o, &line = bind.line] {
      o->resume = sub->count("--resume") > 0;
      line.command = *o;
    });
  }
  {
    auto [sub, o] = bind.add<EvalCommand>("eval", "Loss, top-1 and top-5 on the test set.",
                                          "  netc eval mnist.net --weights runs/mnist/best.safetensors\n"
                                          "  netc eval mnist.net --weights w.safetensors --data test=/data/mnist --json\n"
                                          "  netc eval mnist.net --weights w.safetensors --report --svg confusion.svg\n"
                                          "  netc eval mnist.net --weights w.safetensors --precisions --noise 0.05,0.1\n");
    Binder::network(sub, o->network, "FILE.net[:TRAIN]");
    Binder::device(sub, o->device);
    Binder::data(sub, o->data);
    sub->add_option("--weights", o->weights, "safetensors, .pt, .npz or a checkpoint; default: those that an ensemble's members name")->type_name("FILE");
    sub->add_option("--names", o->names, "A map of names: std.names:torchvision_resnet");
    sub->add_option("--batch", o->batch, "Results do not depend on it")->check(batch_range())->capture_default_str();
    auto* views = sub->add_option("--views", o->views, "Average the probabilities of so many augmented views of each sample")
                      ->check(CLI::Range(0, 1000))
                      ->capture_default_str();
    auto* report = sub->add_flag("--report", o->report, "Also precision, recall and F1 of each class, the calibration error and the confusion matrix");
    auto* svg = sub->add_option("--svg", o->svg, "Draw the confusion matrix")->type_name("FILE.svg")->check(svg_name());
    sub->add_flag("--precisions", o->precisions, "A table: the result in f32, bf16 and f16")->excludes(views)->excludes(report)->excludes(svg);
    sub->add_option("--noise", o->noise, "A table: each weight off by so much of itself, normally distributed: --noise 0.01,0.1")
        ->check(CLI::Range(0.0, 10.0))
        ->delimiter(',')
        ->excludes(views)
        ->excludes(report)
        ->excludes(svg);
    sub->add_option("--seed", o->seed, "Of the noise")->check(seed_number())->capture_default_str();
  }
  {
    auto [sub, o] = bind.add<LookCommand>("look", "Draws what a network looks for and sees: its first filters, and its layers' activations.",
                                          "  netc look mnist.net --weights best.safetensors               samples of the test data\n"
                                          "  netc look r.net --weights w.safetensors --input cat.png --layers 'stage.0.**' --output cat\n");
    Binder::network(sub, o->network);
    Binder::device(sub, o->device);
    auto* weights = sub->add_option("--weights", o->weights, "safetensors or a checkpoint")->required()->type_name("FILE");
    sub->add_option("--names", o->names, "A map of names: std.names:torchvision_resnet")->needs(weights);
    auto* input = sub->add_option("--input", o->inputs, "PNG or JPEG")->type_name("FILE...");
    sub->add_option("--count", o->count, "Samples of the test data")->check(CLI::Range(1, 64))->capture_default_str()->excludes(input);
    Binder::data(sub, o->data);
    sub->add_option("--layers", o->layers, "Paths, with * and **; default: the last layer of each size")->type_name("GLOB...");
    sub->add_option("--channels", o->channels, "Of each layer, the first ones")->check(CLI::Range(1, 256))->capture_default_str();
    sub->add_option("--output", o->output, "A folder of PNG files")->type_name("DIR")->capture_default_str();
  }
  {
    auto [sub, o] = bind.add<AugmentCommand>("augment", "Draws what the network will see: samples and augmented views of them.",
                                             "  netc augment cifar.net                         writes augment.png\n"
                                             "  netc augment cifar.net --samples 10 --views 15 --output sheet.png\n", false);
    Binder::network(sub, o->network, "FILE.net[:TRAIN]");
    Binder::device(sub, o->device);
    Binder::data(sub, o->data);
    sub->add_option("--seed", o->seed, "Instead of the recipe's")->check(seed_number());
    sub->add_option("--samples", o->samples, "Rows")->check(CLI::Range(1, 100))->capture_default_str();
    sub->add_option("--views", o->views, "Columns beside the sample itself")->check(CLI::Range(1, 100))->capture_default_str();
    sub->add_option("--output", o->output, "A PNG file")->type_name("FILE")->capture_default_str();
  }
  {
    auto [sub, o] = bind.add<PredictCommand>("predict", "Runs a network on images or raw tensors.",
                                             "  netc predict mnist.net --weights best.safetensors --input shoe.png\n"
                                             "  netc predict r.net --weights w.safetensors --input x.npy --output y.npy\n"
                                             "  netc predict std.resnet:resnet18 --random-weights --seed 1 --random-input\n");
    Binder::network(sub, o->network);
    Binder::device(sub, o->device);
    auto* weights = sub->add_option("--weights", o->weights, "safetensors, .pt, .npz or a checkpoint")->type_name("FILE");
    sub->add_option("--names", o->names, "A map of names: std.names:torchvision_resnet")->needs(weights);
    auto* input = sub->add_option("--input", o->inputs, "PNG, JPEG or .npy [N, ...]")->type_name("FILE...");
    sub->add_option("--output", o->output, "Raw outputs of all inputs as .npy")->type_name("FILE.npy");
    sub->add_flag("--random-weights", o->random_weights, "Initialise from --seed")->excludes(weights);
    auto* random = sub->add_flag("--random-input", o->random_input, "Uniform values from --seed")->excludes(input);
    sub->add_option("--seed", o->seed, "Of random weights and input")->check(seed_number())->capture_default_str();
    sub->add_option("--batch", o->batch, "Images at a time")->check(batch_range())->capture_default_str();
    sub->add_option("--top", o->top, "Classes to print")->check(positive())->capture_default_str();
    sub->add_option("--sample", o->data_role, "Predict samples of the data set: --sample test")
        ->check(CLI::IsMember({"train", "test"}))
        ->excludes(input)
        ->excludes(random);
    sub->add_option("--count", o->count, "How many samples")->check(positive())->capture_default_str();
    Binder::data(sub, o->data);
  }
  {
    auto [sub, o] = bind.add<BenchCommand>("bench", "Measures the time of a step.",
                                           "  netc bench std.resnet:resnet18 --batch 8 --threads 2\n"
                                           "  netc bench std.resnet:resnet50 --batch 8 --train --json\n"
                                           "  echo 0.5 | netc bench net.net --on-demand     for scripts that alternate\n");
    Binder::network(sub, o->network);
    Binder::device(sub, o->device);
    sub->add_option("--batch", o->batch, "Images a step")->check(batch_range())->capture_default_str();
    sub->add_flag("--train", o->train, "A training step: forward, backward and update");
    sub->add_flag("--profile", o->profile, "Time of each kernel");
    sub->add_option("--seconds", o->seconds, "How long to measure")->check(CLI::Range(0.0, 3600.0))->capture_default_str();
    sub->add_flag("--on-demand", o->on_demand, "Measure for each line of the standard input, a number of seconds; JSON lines");
  }
  {
    auto [sub, o] = bind.add<TuneCommand>(
        "tune", "Measures a GPU's kernels and keeps the fastest tiles in the cache.",
        "  netc tune std.resnet:resnet50 --batch 256 --train --precision bf16\n"
        "  netc cache list                               tiles are beside the kernels\n");
    Binder::network(sub, o->network);
    o->device.device = "cuda";
    Binder::device(sub, o->device);
    sub->add_option("--batch", o->batch, "Images a step")->check(batch_range())->capture_default_str();
    sub->add_flag("--train", o->train, "The kernels of a training step");
    sub->add_option("--runs", o->runs, "Of each candidate; the fastest counts")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str();
  }
}

void bind_reading_commands(Binder& bind) {
  {
    auto [sub, o] = bind.add<CheckCommand>("check", "Looks for errors, and gives advice.",
                                           "  netc check mnist.net\n"
                                           "  netc check mnist.net --error-format=json      for editors\n");
    sub->add_option("network", o->references, "FILE.net[:NAME] or std.MODULE:NAME")->required();
    Binder::set(sub, o->set);
    sub->add_flag("!--no-advice", o->advice, "Errors only");
  }
  {
    auto [sub, o] = bind.add<EmitCommand>("emit", "Prints a stage of the compilation.",
                                          "  netc emit mnist.net --stage=graph\n"
                                          "  netc emit mnist.net --stage=schedule --train\n"
                                          "  netc emit mnist.net --stage=asm --output mnist.s\n"
                                          "  netc emit mnist.net --stage=cuda --device cuda:sm_90\n", false);
    Binder::network(sub, o->network);
    Binder::device(sub, o->device, false);
    sub->add_option("--stage", o->stage, "ast, graph, grad, schedule, kernels, llvm, asm, or cuda (with --device cuda)")
        ->required()
        ->check(CLI::IsMember({"ast", "graph", "grad", "schedule", "kernels", "llvm", "asm", "cuda"}));
    sub->add_flag("--train", o->train, "The training step instead of inference");
    sub->add_option("--batch", o->batch, "Images a step")->check(batch_range())->capture_default_str();
    sub->add_option("--output", o->output, "Instead of the standard output")->type_name("FILE");
  }
  {
    auto [sub, o] = bind.add<ExplainCommand>("explain", "Explains a network layer by layer, or a message's code.",
                                             "  netc explain std.resnet:resnet50\n"
                                             "  netc explain mnist.net --train --batch 128 --json\n"
                                             "  netc explain mnist.net --svg schedule.svg\n"
                                             "  netc explain E0201\n");
    Binder::network(sub, o->network, "FILE.net[:NAME], std.MODULE:NAME or a code");
    Binder::device(sub, o->device, false);
    sub->add_option("--batch", o->batch, "Images a step")->check(batch_range())->capture_default_str();
    sub->add_flag("--train", o->train, "Kernels and memory of the training step");
    sub->add_option("--svg", o->svg, "Draw the training's schedule of learning rates")->type_name("FILE.svg")->check(svg_name());
    sub->add_option("--samples", o->samples, "Of the training data, for a schedule that counts steps")->check(positive());
  }
  {
    auto [sub, o] = bind.add<GraphCommand>("graph", "Draws a network, with boxes for residual and inception.",
                                           "  netc graph mnist.net                          writes mnist.svg\n"
                                           "  netc graph std.googlenet:googlenet --output g.svg\n"
                                           "  netc graph mnist.net --output mnist.dot\n", false);
    Binder::network(sub, o->network);
    sub->add_option("--output", o->output, "FILE.svg or FILE.dot")->type_name("FILE")->check(svg_or_dot_name());
  }
  {
    auto [sub, o] = bind.add<OpsCommand>("ops", "Lists the primitive operators, or describes one.",
                                         "  netc ops\n  netc ops convolution\n");
    sub->add_option("name", o->name, "Of an operator");
  }
  bind.add<DevicesCommand>("devices", "What this machine can run on.", "  netc devices\n");
  {
    auto [sub, o] = bind.add<InspectCommand>("inspect", "Shows what a checkpoint, a weights file or a data file holds.",
                                             "  netc inspect runs/mnist/best.safetensors\n"
                                             "  netc inspect train-images-idx3-ubyte.gz\n");
    sub->add_option("file", o->path, "safetensors, .pt, .npz, .npy, IDX, a picture")->required();
  }
  {
    auto [sub, o] = bind.add<ConvertCommand>("convert", "Writes weights in another format, or with other names.",
                                             "  netc convert best.safetensors best.npz\n"
                                             "  netc convert w.pt w.safetensors --rename 'module.**=**' --rename 'layer{s}.**=stage.{s-1}.**'\n"
                                             "  netc convert resnet18.pt r18.safetensors --names std.names:torchvision_resnet \\\n"
                                             "      --network std.resnet:resnet18         the network's paths, with a report\n"
                                             "  netc convert r18.safetensors out.pt --names std.names:torchvision_resnet\n");
    sub->add_option("input", o->input, "safetensors, .npz, or PyTorch's .pt")->required()->type_name("FILE");
    sub->add_option("output", o->output, "FILE.safetensors, FILE.npz, FILE.pt or FILE.pth")
        ->required()
        ->type_name("FILE")
        ->check(CLI::Validator([](const std::string& path) { return is_weights_name(path) ? "" : "expects .safetensors, .npz, .pt or .pth, got " + path; }, ""));
    Binder::pairs(sub, "--rename", "OLD=NEW", "Patterns of names, as in a `names` map; the first that matches counts",
                  [o = o](std::string from, std::string to) { o->rename.emplace_back(std::move(from), std::move(to)); });
    sub->add_option("--names", o->names, "A map between a network's paths and a library's names: std.names:torchvision_resnet");
    auto* network = sub->add_option("--network", o->network.reference, "Takes and checks what this network needs, under its paths");
    Binder::set(sub, o->network.set);
    sub->add_flag("--partial", o->partial, "Report what is missing or of another shape, and go on")->needs(network);
  }
  {
    auto [sub, o] = bind.add<CacheCommand>("cache", "Shows or empties the cache of compiled kernels.",
                                           "  netc cache                                   how full it is\n"
                                           "  netc cache list\n"
                                           "  netc cache prune --max-size 256MiB\n");
    sub->add_option("action", o->action, "path, stats, list, clear, verify or prune")
        ->check(CLI::IsMember({"path", "stats", "list", "clear", "verify", "prune"}))
        ->capture_default_str();
    sub->add_option("--max-size", o->max_size, "Of prune: 512MiB, 2G; default NETC_CACHE_SIZE, else 1 GiB")->type_name("SIZE");
    Binder::cache_dir(sub, o->cache_dir);
  }
}

}  // namespace

std::optional<CommandLine> parse_command_line(int argc, char** argv, int& exit_code) {
  CommandLine line;
  CLI::App app(kDescription, "netc");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("netc ") + NETC_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  Binder bind{app, line, "text"};
  bind_reading_commands(bind);
  bind_running_commands(bind);
  // `netc help train`, as other tools have it.
  std::vector<char*> words(argv, argv + argc);
  static char help[] = "--help";
  if (argc > 1 && std::string(argv[1]) == "help") {
    words.erase(words.begin() + 1);
    words.push_back(help);
  }
  try {
    app.parse(static_cast<int>(words.size()), words.data());
  } catch (const CLI::ParseError& error) {
    // CLI11 would say that a subcommand is required, and not that this one is none.
    const std::string text = error.get_exit_code() == 0 ? "" : explain_failure(app, argc, argv);
    if (!text.empty()) {
      std::cerr << text << "Run with --help for more information.\n";
      exit_code = kExitCommandLine;
      return std::nullopt;
    }
    exit_code = app.exit(error) == 0 ? kExitOk : kExitCommandLine;
    return std::nullopt;
  }
  line.output.json_errors = bind.error_format == "json";
  return line;
}

}  // namespace netc
