#include "runtime/cuda_emulation/load.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "compiler/base/error.h"

namespace netc {
namespace {

using netc_emulation::Kernel;
using netc_emulation::Operand;

// A shared library that was never a file. Its descriptor stays open, because the loader knows a library by
// its path.
class Library {
 public:
  explicit Library(const std::vector<std::byte>& bytes)
      : file_(memfd_create("netc emulated kernels", MFD_CLOEXEC)) {
    size_t done = 0;
    while (file_ >= 0 && done < bytes.size()) {
      const ssize_t written = write(file_, bytes.data() + done, bytes.size() - done);
      if (written <= 0) break;
      done += static_cast<size_t>(written);
    }
    const bool complete = file_ >= 0 && done == bytes.size();
    const std::string problem = complete ? "" : std::strerror(errno);
    if (complete) handle_ = dlopen(("/proc/self/fd/" + std::to_string(file_)).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_) return;
    if (file_ >= 0) close(file_);
    throw RuntimeError("E0902",
                       "cannot load the emulated kernels: " + (complete ? std::string(dlerror()) : problem));
  }
  ~Library() {
    if (handle_) dlclose(handle_);
    if (handle_) close(file_);
  }
  Library(Library&& other) noexcept : file_(other.file_), handle_(std::exchange(other.handle_, nullptr)) {}
  Library& operator=(Library&&) = delete;

  template <class T>
  T* find(const std::string& symbol) const {
    return reinterpret_cast<T*>(dlsym(handle_, symbol.c_str()));
  }

 private:
  int file_;
  void* handle_ = nullptr;
};

class LoadedEmulation final : public EmulatedExecutable {
 public:
  explicit LoadedEmulation(Program program) : program_(std::move(program)) {
    host_.owner = this;
    for (const std::vector<std::byte>& object : program_.objects) {
      libraries_.emplace_back(object);
      auto** host = libraries_.back().find<const netc_emulation::Host*>("netc_emulation_host");
      if (!host) throw RuntimeError("E0902", "an object holds no emulated kernels");
      *host = &host_.host;
    }
    for (const KernelInfo& kernel : program_.kernels) {
      KernelFunction address = nullptr;
      for (const Library& library : libraries_)
        if (auto* found = library.find<std::remove_pointer_t<KernelFunction>>(kernel.symbol + "_blocks"))
          address = found;
      if (!address) throw RuntimeError("E0902", "no emulated kernel " + kernel.symbol);
      functions_.push_back(address);
    }
  }

  const Program& program() const override { return program_; }
  KernelFunction function(int32_t kernel) const override {
    return functions_.at(static_cast<size_t>(kernel));
  }

  std::string take_fault() const override {
    const std::lock_guard lock(mutex_);
    return std::exchange(fault_, {});
  }
  EmulationCounts counts(int32_t kernel) const override {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(program_.kernels.at(static_cast<size_t>(kernel)).symbol);
    return found == counts_.end() ? EmulationCounts{} : found->second;
  }

  void count_unique_bytes() override { counts_unique_ = true; }

 private:
  struct HostData {
    netc_emulation::Host host{&LoadedEmulation::run_blocks};
    LoadedEmulation* owner = nullptr;
  };

  static void run_blocks(const netc_emulation::Host* host, const Kernel* kernel, unsigned char* state,
                         unsigned char* arena, const void* args, netc_emulation::Int first,
                         netc_emulation::Int last) {
    static_assert(offsetof(HostData, host) == 0);
    reinterpret_cast<const HostData*>(host)->owner->run(*kernel, state, arena,
                                                        *static_cast<const KernelArgs*>(args), first, last);
  }

  void run(const Kernel& kernel, unsigned char* state, unsigned char* arena, const KernelArgs& args,
           int64_t first, int64_t last) {
    thread_local std::unique_ptr<BlockRunner> runner;
    EmulationCounts counts;
    std::string fault;
    try {
      if (!runner) runner = std::make_unique<BlockRunner>();
      if (counts_unique_ && first == 0) unique_.clear();  // a launch begins
      std::vector<Operand> operands;
      for (int i = 0; i < kernel.operands; ++i)
        operands.push_back({(kernel.in_state[i] ? state : arena) + args.offsets[i], kernel.bytes[i]});
      for (int64_t block = first; block < last && fault.empty(); ++block)
        fault = runner->run(kernel, args.scalars, operands.data(), static_cast<unsigned>(block), counts,
                            counts_unique_ ? &unique_ : nullptr);
    } catch (const std::exception& error) {
      fault = error.what();
    }
    const std::lock_guard lock(mutex_);
    EmulationCounts& total = counts_[kernel.name];
    total.blocks += counts.blocks;
    total.threads += counts.threads;
    total.read_bytes += counts.read_bytes;
    total.written_bytes += counts.written_bytes;
    total.unique_read_bytes += counts.unique_read_bytes;
    total.unique_written_bytes += counts.unique_written_bytes;
    if (fault_.empty()) fault_ = fault;
  }

  Program program_;
  HostData host_;
  std::vector<Library> libraries_;
  std::vector<KernelFunction> functions_;
  mutable std::mutex mutex_;
  mutable std::string fault_;
  bool counts_unique_ = false;
  UniqueBytes unique_;  // of the current launch
  std::map<std::string, EmulationCounts> counts_;
};

}  // namespace

std::unique_ptr<EmulatedExecutable> load_cuda_emulation(Program program) {
  return std::make_unique<LoadedEmulation>(std::move(program));
}

}  // namespace netc
