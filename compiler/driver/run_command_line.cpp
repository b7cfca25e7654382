// From arguments to an exit code: the one place where exceptions end.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <sstream>

#include "compiler/base/error.h"
#include "compiler/driver/commands.h"

namespace netc {
namespace {

ExitCode exit_code_of(const std::string& code) {
  if (code == "E0901" || code == "E0922" || code == "E0923" || code == "E0924" || code == "E0927" ||
      code == "E0928") return kExitCommandLine;
  if (code == "E0604") return kExitRuntime;  // a file that the system does not let us write
  if (code.rfind("E06", 0) == 0 || code.rfind("E07", 0) == 0) return kExitData;
  if (code.rfind("E09", 0) == 0) return kExitRuntime;
  return kExitProgram;
}

// Lines of `message` after the first are notes.
Diagnostic as_diagnostic(const std::string& code, const std::string& message, const std::string& fix) {
  Diagnostic diagnostic;
  diagnostic.code = code;
  std::istringstream lines(message);
  std::getline(lines, diagnostic.message);
  for (std::string line; std::getline(lines, line);)
    diagnostic.notes.push_back(line.substr(std::min(line.find_first_not_of(' '), line.size())));
  if (!fix.empty()) diagnostic.fixes.push_back({fix, "", {}});
  return diagnostic;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `netc … | head` is no error of ours
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error like a full disk
  int exit_code = kExitOk;
  const std::optional<CommandLine> line = parse_command_line(argc, argv, exit_code);
  if (!line) return exit_code;

  Environment environment(line->output);
  Output& output = environment.output;
  const SourceMap& sources = environment.project.sources();
  try {
    return std::visit([&](const auto& options) { return run(options, environment); }, line->command);
  } catch (const CompileError& error) {
    output.diagnostics(error.diagnostics(), sources);
    return kExitProgram;
  } catch (const RuntimeError& error) {
    output.diagnostic(as_diagnostic(error.code(), error.what(), error.fix()), sources);
    return exit_code_of(error.code());
  } catch (const std::bad_alloc&) {
    output.diagnostic(as_diagnostic("E0911", "out of memory", ""), sources);
    return kExitRuntime;
  } catch (const std::exception& error) {
    output.diagnostic(as_diagnostic("E0999", std::string("this is a bug of netc: ") + error.what(), ""), sources);
    return kExitInternal;
  }
}

}  // namespace netc
