#include "compiler/backend/cuda/host_compiler.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "compiler/base/error.h"
#include "compiler/base/in_parallel.h"

extern char** environ;

namespace netc {
namespace {

constexpr size_t kFunctionsOfLibrary = 8;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    std::string pattern = (std::filesystem::temp_directory_path(error) / "netc-emulation-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
      throw RuntimeError("E0932",
                         "no temporary folder for emulated kernels: " + std::string(std::strerror(errno)),
                         "set TMPDIR");
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// The exit status; what it says goes to the file `messages`.
int run(const std::vector<std::string>& command, const std::string& messages) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw RuntimeError(
        "E0932", "the CUDA emulation needs a C++ compiler: `" + command[0] + "`: " + std::strerror(error),
        "install g++ or clang++, or name one by the environment variable CXX");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

std::vector<std::byte> compile_host_library(const std::string& source) {
  const TemporaryFolder folder;
  const std::string input = folder.file("kernels.cpp"), output = folder.file("kernels.so"),
                    messages = folder.file("messages");
  std::ofstream(input, std::ios::binary) << source;
  const char* compiler = std::getenv("CXX");
  const int status =
      run({compiler && *compiler ? compiler : "c++", "-std=c++17", "-O1", "-fPIC", "-shared", "-w",
           "-fno-strict-aliasing", "-ffp-contract=off", "-fno-stack-protector", "-o", output, input},
          messages);
  NETC_CHECK(status == 0, "emulated kernels do not compile:\n" + read_file(messages));
  const std::string bytes = read_file(output);
  const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
  return {first, first + bytes.size()};
}

std::vector<std::vector<std::byte>> compile_emulation(const std::vector<CudaKernel>& kernels,
                                                      const Target& target, int threads) {
  const std::vector<CudaSource> sources = emit_cuda(kernels, target, threads);
  const std::vector<std::vector<size_t>> functions = group_by_function(sources);
  const size_t count = (functions.size() + kFunctionsOfLibrary - 1) / kFunctionsOfLibrary;
  std::vector<std::vector<std::byte>> libraries(count);
  in_parallel(count, threads, [&](size_t library) {
    std::vector<CudaKernel> some;
    std::vector<CudaSource> code;
    const size_t first = library * kFunctionsOfLibrary,
                 last = std::min(first + kFunctionsOfLibrary, functions.size());
    for (size_t f = first; f < last; ++f)
      for (const size_t i : functions[f]) some.push_back(kernels[i]), code.push_back(sources[i]);
    libraries[library] = compile_host_library(emit_emulation(some, code));
  });
  return libraries;
}

}  // namespace netc
