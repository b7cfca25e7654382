// What the command line said, as plain data: one struct a subcommand. Defaults are written here once;
// parse_command_line.cpp binds flags to the fields and is the only file that knows CLI11.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace netc {

// Documented in `netc --help`.
enum ExitCode : int {
  kExitOk = 0,
  kExitProgram = 1,       // the .net program is wrong
  kExitCommandLine = 2,   // unknown flag, missing argument, a name that does not exist
  kExitData = 3,          // data, weights or a checkpoint are missing, malformed or do not fit
  kExitRuntime = 4,       // the system: memory, threads, files, a device
  kExitInternal = 5,      // a bug of netc
  kExitInterrupted = 130  // Ctrl-C; training has saved
};

struct OutputOptions {
  bool quiet = false;
  bool json = false;
  bool json_errors = false;
};

// Which network: "file.net", "file.net:name", "std.resnet:resnet50", with arguments.
struct NetworkOptions {
  std::string reference;
  std::map<std::string, std::string> set;
};

struct DeviceOptions {
  std::string device = "cpu";
  std::string precision;  // empty: as the recipe says, f32 without one
  std::string cpu = "host";
  int threads = 0;
  int64_t budget = 0;  // bytes of planned memory; 0: no limit
  bool winograd = true;
  bool cache = true;
  std::string cache_dir;  // empty: the default
};

struct CheckCommand {
  std::vector<std::string> references;
  std::map<std::string, std::string> set;
  bool advice = true;
};

struct TrainCommand {
  NetworkOptions network;
  DeviceOptions device;
  std::map<std::string, std::string> data;  // role to path
  std::optional<uint64_t> seed;
  std::optional<int64_t> epochs, batch;
  std::string log;
  std::string output;      // folder of checkpoints; empty: "runs/NAME"
  bool resume = false;
  std::string checkpoint;  // of --resume; empty: last.safetensors of the folder
  int64_t save_every = 0;  // steps; 0: at every epoch's end only
  int64_t keep = 1;        // checkpoints, the last one included
  bool watch = false;      // tables, curves and events into the folder
  bool check = false;      // every layer of every step
  int64_t stop_after = 0;  // steps; 0: train to the end
};

struct EvalCommand {
  NetworkOptions network;
  DeviceOptions device;
  std::map<std::string, std::string> data;
  std::string weights, names;
  int64_t batch = 100;
  int64_t views = 0;  // augmented views of each sample whose probabilities are averaged; 0: the sample as it is
  bool report = false;        // class by class
  std::string svg;            // of the confusion matrix
  bool precisions = false;    // a table of f32, bf16 and f16
  std::vector<double> noise;  // a table of these, relative to each weight
  uint64_t seed = 0;          // of the noise
};

struct PredictCommand {
  NetworkOptions network;
  DeviceOptions device;
  std::string weights, names;
  std::vector<std::string> inputs;  // .npy, PNG or JPEG
  std::string output;               // .npy
  bool random_weights = false, random_input = false;
  uint64_t seed = 0;
  int64_t batch = 1, top = 5;
  std::string data_role;            // predict samples of the recipe's data set: "test"
  std::map<std::string, std::string> data;
  int64_t count = 5;
};

struct BenchCommand {
  NetworkOptions network;
  DeviceOptions device;
  int64_t batch = 1;
  bool train = false;
  bool profile = false;
  bool on_demand = false;  // a measurement for each line of the standard input
  double seconds = 3;
};

struct TuneCommand {
  NetworkOptions network;
  DeviceOptions device;
  int64_t batch = 1;
  bool train = false;
  int runs = 10;
};

struct EmitCommand {
  NetworkOptions network;
  DeviceOptions device;
  std::string stage;
  bool train = false;
  int64_t batch = 1;
  std::string output;
};

struct ExplainCommand {
  NetworkOptions network;  // or a code, "E0201"
  DeviceOptions device;
  int64_t batch = 1;
  bool train = false;
  std::string svg;      // of the schedule
  int64_t samples = 0;  // of the training data, for schedules in steps; 0: not known
};

struct LookCommand {
  NetworkOptions network;
  DeviceOptions device;
  std::string weights, names;
  std::vector<std::string> inputs;  // PNG or JPEG
  std::map<std::string, std::string> data;
  int64_t count = 4;     // samples of the test data, without inputs
  int64_t channels = 8;  // of each layer
  std::vector<std::string> layers;  // globs; empty: the last layer of each size
  std::string output = "look";
};

struct AugmentCommand {
  NetworkOptions network;
  DeviceOptions device;
  std::map<std::string, std::string> data;
  std::optional<uint64_t> seed;
  int64_t samples = 6, views = 7;
  std::string output = "augment.png";
};

struct GraphCommand {
  NetworkOptions network;
  std::string output;      // .svg or .dot; empty: NAME.svg
};

struct OpsCommand {
  std::string name;
};

struct DevicesCommand {};

struct InspectCommand {
  std::string path;
};

struct ConvertCommand {
  std::string input, output;
  std::vector<std::pair<std::string, std::string>> rename;  // patterns of the file's names, in order
  std::string names;
  NetworkOptions network;  // no reference: every tensor of the file
  bool partial = false;
};

struct CacheCommand {
  std::string action = "stats";  // path, stats, list, clear, verify, prune
  std::string cache_dir;
  std::string max_size;          // of prune; empty: the limit that always holds
};

using Command =
    std::variant<CheckCommand, TrainCommand, EvalCommand, PredictCommand, BenchCommand, TuneCommand,
                 EmitCommand, ExplainCommand, LookCommand, AugmentCommand, GraphCommand, OpsCommand,
                 DevicesCommand, InspectCommand, ConvertCommand, CacheCommand>;

struct CommandLine {
  OutputOptions output;
  Command command;
};

// nullopt: help, the version or a command-line error has been printed; `exit_code` says which.
std::optional<CommandLine> parse_command_line(int argc, char** argv, int& exit_code);

}  // namespace netc
