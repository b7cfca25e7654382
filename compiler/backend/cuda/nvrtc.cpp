#include "compiler/backend/cuda/nvrtc.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <type_traits>

#include "compiler/backend/cuda/nvrtc_functions.h"
#include "compiler/base/error.h"
#include "compiler/base/in_parallel.h"

namespace netc {

struct Nvrtc::Functions {
#define NETC_DECLARE(name, ...) std::add_pointer_t<std::remove_pointer_t<__VA_ARGS__>> name = nullptr;
  NETC_NVRTC_FUNCTIONS(NETC_DECLARE)
#undef NETC_DECLARE
};

namespace {

// Newest first: a version's soname is its major number.
constexpr std::array<const char*, 4> kNames = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2",
                                               "libnvrtc.so"};

constexpr std::array<const char*, 4> kOptions = {"--std=c++17", "--ftz=true", "--ptxas-options=-v",
                                                 "--ptxas-options=-warn-spills"};

void* open_library(std::string& tried) {
  std::vector<std::string> folders = {""};
  if (const char* home = std::getenv("CUDA_HOME"); home && *home)
    folders.push_back(std::string(home) + "/lib64/");
  folders.push_back("/usr/local/cuda/lib64/");
  for (const std::string& folder : folders)
    for (const char* name : kNames)
      if (void* library = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  tried = std::string("no ") + kNames.back() + " on the loader's path";
  for (size_t i = 1; i < folders.size(); ++i) tried += ", nor in " + folders[i];
  return nullptr;
}

}  // namespace

std::string Nvrtc::load(Nvrtc& nvrtc) {
  std::string reason;
  void* library = open_library(reason);
  if (!library) return reason;
  static Functions functions;  // of the one library of this process, which stays loaded
#define NETC_FIND(name, ...)                                                          \
  functions.name = reinterpret_cast<decltype(functions.name)>(dlsym(library, #name)); \
  if (!functions.name) return std::string("libnvrtc is too old: it has no ") + #name;
  NETC_NVRTC_FUNCTIONS(NETC_FIND)
#undef NETC_FIND
  if (functions.nvrtcVersion(&nvrtc.version_.major, &nvrtc.version_.minor) != 0)
    return "libnvrtc does not say its version";
  nvrtc.functions_ = &functions;
  return {};
}

const Nvrtc* Nvrtc::find(std::string& reason) {
  static Nvrtc nvrtc;
  static std::string problem;
  static std::once_flag once;
  std::call_once(once, [] { problem = load(nvrtc); });
  reason = problem;
  return problem.empty() ? &nvrtc : nullptr;
}

std::string Nvrtc::id() const {
  std::string text = "NVRTC " + std::to_string(version_.major) + "." + std::to_string(version_.minor);
  for (const char* option : kOptions) text += std::string(" ") + option;
  return text;
}

Nvrtc::Compiled Nvrtc::compile(const std::string& source, const std::string& name,
                               const Target& target) const {
  const std::string text = cuda_prelude() + source;
  NvrtcProgram program = nullptr;
  const auto check = [&](NvrtcResult result, const std::string& log) {
    NETC_CHECK(result == 0, name + ": " + functions_->nvrtcGetErrorString(result) + "\n" + log);
  };
  check(functions_->nvrtcCreateProgram(&program, text.c_str(), (name + ".cu").c_str(), 0, nullptr, nullptr),
        "");
  struct Guard {
    const Functions& functions;
    NvrtcProgram& program;
    ~Guard() { functions.nvrtcDestroyProgram(&program); }
  } guard{*functions_, program};

  const std::string architecture = "--gpu-architecture=" + target.cpu;
  std::vector<const char*> options(kOptions.begin(), kOptions.end());
  options.push_back(architecture.c_str());
  const NvrtcResult result =
      functions_->nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
  Compiled compiled;
  size_t size = 0;
  check(functions_->nvrtcGetProgramLogSize(program, &size), "");
  compiled.log.resize(size);
  check(functions_->nvrtcGetProgramLog(program, compiled.log.data()), "");
  while (!compiled.log.empty() && compiled.log.back() == '\0') compiled.log.pop_back();
  check(result, compiled.log);
  check(functions_->nvrtcGetCUBINSize(program, &size), "");
  compiled.cubin.resize(size);
  check(functions_->nvrtcGetCUBIN(program, reinterpret_cast<char*>(compiled.cubin.data())), "");
  return compiled;
}

std::vector<CompiledCuda> compile_cuda(const Nvrtc& nvrtc, const std::vector<CudaKernel>& kernels,
                                       const Target& target, int threads) {
  std::vector<CudaSource> sources = emit_cuda(kernels, target, threads);
  std::vector<std::vector<size_t>> functions = group_by_function(sources);
  std::vector<CompiledCuda> compiled(functions.size());
  in_parallel(functions.size(), threads, [&](size_t i) {
    CudaSource& source = sources[functions[i].front()];
    Nvrtc::Compiled code = nvrtc.compile(source.code, source.function, target);
    compiled[i] = {std::move(functions[i]), std::move(source), std::move(code)};
  });
  return compiled;
}

}  // namespace netc
