// Wrong programs with the whole text that the user sees, one file a case (tests/golden/golden.h);
// and the pages of `netc explain`: each wrong program there must give its code, each right one none.
#include <algorithm>

#include <unistd.h>

#include "compiler/passes/differentiate.h"
#include "compiler/sema/sema.h"
#include "tests/golden/golden.h"

namespace netc {
namespace {

// The case's files in a folder of their own, which is the current one while this lives: messages
// show paths as the user named them.
class Folder {
 public:
  explicit Folder(const std::vector<std::pair<std::string, std::string>>& files)
      : before_(std::filesystem::current_path()) {
    std::string name = (std::filesystem::temp_directory_path() / "netc_errors_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder for the case");
    path_ = name;
    for (const auto& [file, text] : files) {
      std::filesystem::create_directories((path_ / file).parent_path());
      std::ofstream(path_ / file, std::ios::binary) << text;
    }
    std::filesystem::current_path(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::current_path(before_, ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

 private:
  std::filesystem::path before_, path_;
};

struct CheckCommand {
  std::string reference;  // "main.net", "main.net:small"
  bool json = false;
  ElaborateConfig config;
};

// `netc check [--error-format=json] [--no-advice] [--set NAME=VALUE] REFERENCE`
CheckCommand parse_command(const std::string& command) {
  CheckCommand result;
  std::istringstream in(command);
  std::string word;
  in >> word >> word;  // netc check
  while (in >> word) {
    if (word == "--error-format=json") {
      result.json = true;
    } else if (word == "--no-advice") {
      result.config.advice = false;
    } else if (word == "--set") {
      in >> word;
      const size_t equals = word.find('=');
      result.config.set[word.substr(0, equals)] = word.substr(equals + 1);
    } else {
      result.reference = word;
    }
  }
  return result;
}

std::string check_case(const golden::Case& c) {
  const CheckCommand command = parse_command(c.command);
  const Folder folder(c.files);
  Project project;
  DiagnosticSink sink;
  const bool good = check(project, command.reference, command.config, sink);
  EXPECT_EQ(good, !sink.has_errors());
  std::string out;
  for (const Diagnostic& diagnostic : sink.all()) {
    if (command.json) {
      out += render_json(diagnostic, project.sources()) + "\n";
    } else {
      out += (out.empty() ? "" : "\n") + render_text(diagnostic, project.sources());
    }
  }
  return out;
}

// The program under `Wrong:` or `Right:` on a page; empty if there is none.
std::string program_of(const std::string& page, const std::string& heading) {
  const size_t at = page.find("\n" + heading + ":\n\n");
  if (at == std::string::npos) return {};
  std::istringstream in(page.substr(at + heading.size() + 4));
  std::string program;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && !line.starts_with("    ")) break;
    program += (line.empty() ? line : line.substr(4)) + "\n";
  }
  return program;
}

// The files of an example: lines `// NAME.net` begin them, and what has no such line is main.net.
std::vector<std::pair<std::string, std::string>> files_of(const std::string& program) {
  std::vector<std::pair<std::string, std::string>> files;
  std::istringstream in(program);
  for (std::string line; std::getline(in, line);) {
    const bool begins = line.starts_with("// ") && line.ends_with(".net") && line.find(' ', 3) == std::string::npos;
    if (begins) files.emplace_back(line.substr(3), "");
    else if (files.empty()) files.emplace_back("main.net", line + "\n");
    else files.back().second += line + "\n";
  }
  return files;
}

// The codes of `netc check`, and of what only a training's gradients find. An example may be that command itself.
std::vector<std::string> codes_of(const std::string& example) {
  const bool is_command = example.starts_with("netc check ");
  const Folder folder(is_command ? std::vector<std::pair<std::string, std::string>>{} : files_of(example));
  const std::string reference = is_command ? example.substr(11, example.find('\n') - 11) : "main.net";
  Project project;
  DiagnosticSink sink;
  check(project, reference, {.advice = true}, sink);
  std::vector<std::string> codes;
  for (const Diagnostic& diagnostic : sink.all()) codes.push_back(diagnostic.code);
  if (!codes.empty() || is_command) return codes;
  const Listing declared = list_declarations(project, reference, sink).value();
  for (const std::string& train : declared.trains) {
    ElaborateConfig config;
    config.purpose = Purpose::train;
    const std::optional<ElaboratedNetwork> network = elaborate(project, reference + ":" + train, config, sink);
    try {
      if (network) differentiate(network->graph, "loss");
    } catch (const CompileError& error) {
      for (const Diagnostic& diagnostic : error.diagnostics()) codes.push_back(diagnostic.code);
    }
  }
  return codes;
}

TEST(Explanations, ShowAProgramThatGivesTheCodeAndOneThatGivesNone) {
  for (const std::string& code : all_codes()) {
    const std::string page = *explanation_of(code);
    const std::string wrong = program_of(page, "Wrong"), right = program_of(page, "Right");
    // Pages of data, weights and runs show commands.
    if (wrong.empty() || code.starts_with("E06") || code.starts_with("E07") || code.starts_with("E09")) continue;
    const std::vector<std::string> codes = codes_of(wrong);
    EXPECT_NE(std::find(codes.begin(), codes.end(), code), codes.end()) << code << " is not given by\n" << wrong;
    EXPECT_EQ(codes_of(right), std::vector<std::string>()) << code << ": this should be right\n" << right;
  }
}

TEST(Explanations, ExistForEveryCodeOfTheCases) {
  const std::string folder = std::string(NETC_TEST_DIR) + "/errors/cases";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::istringstream in(golden::read_case(entry.path().string()).expected);
    for (std::string line; std::getline(in, line);) {
      const bool is_code = line.size() > 6 && (line[0] == 'E' || line[0] == 'A') && line[5] == ' ' &&
                           line.find_first_not_of("0123456789", 1) == 5;
      EXPECT_TRUE(!is_code || explanation_of(line.substr(0, 5))) << line;
    }
  }
}

}  // namespace
}  // namespace netc

int main(int argc, char** argv) {
  return netc::golden::run_all(argc, argv, "Errors", std::string(NETC_TEST_DIR) + "/errors/cases", netc::check_case);
}
