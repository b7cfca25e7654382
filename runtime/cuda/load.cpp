#include "runtime/cuda/load.h"

#include <optional>
#include <utility>

#include "runtime/cuda/cuda_context.h"
#include "runtime/cuda/memory_plan.h"

namespace netc {
namespace {

constexpr int kSharedBytesWithoutAsking = 48 << 10;

class CudaExecutable final : public Executable {
 public:
  CudaExecutable(Program program, const std::vector<DeviceKernel>& kernels,
                 std::shared_ptr<CudaDevice> device)
      : program_(std::move(program)), device_(std::move(device)) {
    NETC_CHECK(kernels.size() == program_.kernels.size(), "a function for each kernel");
    const CudaDevice::Current current(*device_);
    modules_.resize(program_.objects.size());
    for (size_t i = 0; i < kernels.size(); ++i) {
      const auto object = static_cast<size_t>(kernels[i].object);
      const KernelInfo& info = program_.kernels[i];
      std::optional<Module>& module = modules_.at(object);
      if (!module) module.emplace(device_, program_.objects[object], info.symbol);
      functions_.push_back({module->function(kernels[i].function, info), static_cast<unsigned>(info.threads),
                            static_cast<unsigned>(info.shared_bytes), kernels[i].extents});
    }
  }

  const Program& program() const override { return program_; }

  std::shared_ptr<State> make_state() const override {
    return with_memory_plan(program_, *device_, [&] {
      auto memory = std::make_shared<DeviceBuffer>(device_, CudaDevice::Kind::managed, program_.state_bytes,
                                                   "the network's state");
      std::byte* data = memory->data();
      return std::make_shared<State>(program_, MemoryBlock(data, program_.state_bytes, std::move(memory)));
    });
  }

  std::unique_ptr<DeviceContext> make_context(std::shared_ptr<State> state) const override {
    NETC_CHECK(state->memory().owner(), "a state that the GPU does not see");
    return with_memory_plan(program_, *device_, [&] {
      return make_cuda_context(device_, program_, functions_, std::move(state));
    });
  }

 private:
  class Module {
   public:
    Module(std::shared_ptr<CudaDevice> device, const std::vector<std::byte>& cubin, const std::string& symbol)
        : device_(std::move(device)) {
      load_check(device_->driver().cuModuleLoadData(&module_, cubin.data()), symbol);
    }
    ~Module() {
      if (!module_) return;
      try {
        const CudaDevice::Current current(*device_);
        device_->driver().cuModuleUnload(module_);
      } catch (const RuntimeError&) {  // the context is lost, and its modules with it
      }
    }
    Module(Module&& other) noexcept
        : device_(std::move(other.device_)), module_(std::exchange(other.module_, nullptr)) {}
    Module& operator=(Module&&) = delete;

    CuFunction function(const std::string& name, const KernelInfo& kernel) const {
      CuFunction function = nullptr;
      load_check(device_->driver().cuModuleGetFunction(&function, module_, name.c_str()), kernel.symbol);
      if (kernel.shared_bytes > kSharedBytesWithoutAsking)
        load_check(
            device_->driver().cuFuncSetAttribute(function, kMaxDynamicSharedBytes, kernel.shared_bytes),
            kernel.symbol + " with " + std::to_string(kernel.shared_bytes) + " bytes of shared memory");
      return function;
    }

   private:
    void load_check(CuResult result, const std::string& symbol) const {
      if (result != 0)
        throw RuntimeError("E0902", "cannot load the kernel " + symbol + " on " + device_->info().name +
                                        ": " + device_->driver().describe(result));
    }

    std::shared_ptr<CudaDevice> device_;
    CuModule module_ = nullptr;
  };

  Program program_;
  std::shared_ptr<CudaDevice> device_;
  std::vector<std::optional<Module>> modules_;  // of each object
  std::vector<CudaFunction> functions_;
};

}  // namespace

std::unique_ptr<Executable> load_on_cuda(Program program, const std::vector<DeviceKernel>& kernels,
                                         std::shared_ptr<CudaDevice> device) {
  return std::make_unique<CudaExecutable>(std::move(program), kernels, std::move(device));
}

}  // namespace netc
