#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "compiler/base/program.h"
#include "runtime/cuda/driver_functions.h"
#include "runtime/cuda_emulation/block_runner.h"
#include "tests/cuda_runtime/fake/fake_cuda.h"
#include "tests/cuda_runtime/fake/streams.h"

namespace netc {  // what the handles of driver_functions.h point to

struct CUfunc_st {
  std::string name;
  const netc_emulation::Kernel* kernel = nullptr;  // null: of a cubin
  int shared_bytes_allowed = 48 << 10;
};
struct CUmod_st {
  CUmod_st() = default;
  ~CUmod_st() {
    if (library) dlclose(library);
    if (file >= 0) close(file);
  }
  CUmod_st(const CUmod_st&) = delete;
  CUmod_st& operator=(const CUmod_st&) = delete;

  void* library = nullptr;  // null: a cubin
  int file = -1;
  std::string bytes;
  std::map<std::string, std::unique_ptr<CUfunc_st>> functions;
};
struct CUctx_st {};

}  // namespace netc

using namespace netc;

namespace {

constexpr CuResult kInvalidValue = 1, kInvalidDevice = 101, kInvalidImage = 200, kInvalidContext = 201,
                   kNotFound = 500, kIllegalAddress = 700;

struct Machine {
  FakeCudaMachine machine;
  FakeStreams streams;
  std::string log;
  std::map<std::string, std::pair<int, CuResult>> failures;
  std::map<CuAddress, size_t> device_memory;
  std::set<void*> host_memory;
  std::map<void*, std::function<void()>> handles;  // and how to destroy them
  size_t used = 0;
  int retained = 0;
  CUctx_st context;
  CuResult lost = 0;  // after a kernel has failed, every call does
} m;
thread_local std::vector<CuContext> current;

void note(const std::string& line) {
  m.log += line + "\n";
  if (const char* path = std::getenv("FAKE_CUDA_LOG")) std::ofstream(path, std::ios::app) << line << "\n";
}

// What a launch takes: FAKE_CUDA_CLOCK is "blocks" (a microsecond a block) or "shared" (one a KiB of a
// block's shared memory, and a tenth of one a block). Without it nobody counts.
const char* fake_clock() {
  return std::getenv("FAKE_CUDA_CLOCK");
}
double launch_microseconds(unsigned blocks, unsigned shared_bytes) {
  if (!fake_clock()) return 0;
  if (std::string(fake_clock()) == "blocks") return blocks;
  return shared_bytes / 1024.0 + 0.1 * blocks;
}

// 0, or how this call fails.
CuResult enter(const char* function, bool needs_context) {
  if (auto found = m.failures.find(function); found != m.failures.end() && --found->second.first == 0) {
    const CuResult result = found->second.second;
    m.failures.erase(found);
    return result;
  }
  if (m.lost != 0) return m.lost;
  return needs_context && current.empty() ? kInvalidContext : 0;
}

template <class T>
T* keep(T* handle) {
  m.handles[handle] = [handle] { delete handle; };
  return handle;
}
template <class T>
CuResult drop(T* handle) {
  const auto found = m.handles.find(handle);
  if (found == m.handles.end()) return kInvalidValue;
  found->second();
  m.handles.erase(found);
  return 0;
}

// The end of a context whose kernel failed: nothing in it could be freed one by one.
void free_all() {
  for (auto& [address, bytes] : m.device_memory) std::free(reinterpret_cast<void*>(address));
  for (void* memory : m.host_memory) std::free(memory);
  for (auto& [handle, destroy] : m.handles) destroy();
  m.device_memory.clear();
  m.host_memory.clear();
  m.handles.clear();
  m.used = 0;
  m.streams.reset(m.machine.order);
}

bool is_allocated(CuAddress address, size_t bytes) {
  auto after = m.device_memory.upper_bound(address);
  if (after == m.device_memory.begin()) return false;
  const auto& [begin, size] = *--after;
  return address + bytes <= begin + size;
}

CuResult allocate(CuAddress* address, size_t bytes) {
  if (bytes == 0) return kInvalidValue;
  if (m.used + bytes > m.machine.memory) return kCudaOutOfMemory;
  void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0xff, bytes);
  *address = reinterpret_cast<CuAddress>(memory);
  m.device_memory[*address] = bytes;
  m.used += bytes;
  return 0;
}

// From an address to the end of its allocation; 0 outside of all.
size_t bytes_from(CuAddress address) {
  auto after = m.device_memory.upper_bound(address);
  if (after == m.device_memory.begin()) return 0;
  const auto& [begin, size] = *--after;
  return address < begin + size ? begin + size - address : 0;
}

// Operands may be touched to the end of their allocation, which is what a GPU watches over.
CuResult run_kernel(const CUfunc_st& function, unsigned blocks, const std::vector<CuAddress>& arguments,
                    const std::vector<uint64_t>& extents) {
  if (!function.kernel) return 0;  // a cubin
  if (!is_allocated(arguments[0], sizeof(RuntimeScalars))) return kIllegalAddress;
  thread_local BlockRunner runner;
  netc_emulation::Kernel kernel = *function.kernel;
  kernel.extents = extents.data();
  std::vector<netc_emulation::Operand> operands;
  std::string fault;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const size_t bytes = bytes_from(arguments[i]);
    if (bytes == 0)
      fault = "operand " + std::to_string(i - 1) + " of " + kernel.name + " lies outside of allocations";
    operands.push_back(
        {reinterpret_cast<unsigned char*>(arguments[i]), static_cast<netc_emulation::Int>(bytes)});
  }
  EmulationCounts counts;
  for (unsigned block = 0; block < blocks && fault.empty(); ++block)
    fault = runner.run(kernel, reinterpret_cast<const void*>(arguments[0]), operands.data(), block, counts);
  if (fault.empty()) return 0;
  note("FAULT " + fault);
  return m.lost = kIllegalAddress;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default")))
#define ENTER_WITHOUT_CONTEXT() \
  if (const CuResult failure = enter(__func__, false); failure != 0) return failure
#define ENTER() \
  if (const CuResult failure = enter(__func__, true); failure != 0) return failure

API void fake_cuda_reset(const FakeCudaMachine* machine) {
  m.machine = *machine;
  m.streams.reset(machine->order);
  m.log.clear();
  m.failures.clear();
  m.lost = 0;
}
API void fake_cuda_fail(const char* function, int count, int result) {
  m.failures[function] = {count, result};
}
API const char* fake_cuda_log() {
  return m.log.c_str();
}
API int fake_cuda_alive() {
  return static_cast<int>(m.device_memory.size() + m.host_memory.size() + m.handles.size()) + m.retained;
}

API CuResult cuInit(unsigned) {
  ENTER_WITHOUT_CONTEXT();
  return 0;
}
API CuResult cuDriverGetVersion(int* version) {
  ENTER_WITHOUT_CONTEXT();
  *version = 13000;
  return 0;
}
API CuResult cuGetErrorName(CuResult result, const char** name) {
  *name = result == kCudaOutOfMemory  ? "CUDA_ERROR_OUT_OF_MEMORY"
          : result == kCudaNoDevice   ? "CUDA_ERROR_NO_DEVICE"
          : result == kIllegalAddress ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                                      : nullptr;
  return *name ? 0 : kInvalidValue;
}
API CuResult cuGetErrorString(CuResult result, const char** text) {
  *text = result == kCudaOutOfMemory ? "out of memory"
          : result == kCudaNoDevice  ? "no CUDA-capable device is detected"
                                     : "an illegal memory access was encountered";
  return 0;
}
API CuResult cuDeviceGetCount(int* count) {
  ENTER_WITHOUT_CONTEXT();
  *count = m.machine.devices;
  return 0;
}
API CuResult cuDeviceGet(CuDevice* device, int ordinal) {
  ENTER_WITHOUT_CONTEXT();
  *device = 7;
  return ordinal < m.machine.devices ? 0 : kInvalidDevice;
}
API CuResult cuDeviceGetName(char* name, int length, CuDevice) {
  ENTER_WITHOUT_CONTEXT();
  std::strncpy(name, "Fake GPU", static_cast<size_t>(length));
  return 0;
}
API CuResult cuDeviceTotalMem_v2(size_t* bytes, CuDevice) {
  ENTER_WITHOUT_CONTEXT();
  *bytes = m.machine.memory;
  return 0;
}
API CuResult cuDeviceGetAttribute(int* value, int attribute, CuDevice) {
  ENTER_WITHOUT_CONTEXT();
  *value = attribute == kMajorVersion              ? m.machine.major
           : attribute == kMinorVersion            ? m.machine.minor
           : attribute == kConcurrentManagedAccess ? m.machine.concurrent_managed_access
                                                   : -1;
  return *value < 0 ? kInvalidValue : 0;
}
API CuResult cuDevicePrimaryCtxRetain(CuContext* context, CuDevice device) {
  ENTER_WITHOUT_CONTEXT();
  note(__func__);
  ++m.retained;
  *context = &m.context;
  return device == 7 ? 0 : kInvalidDevice;
}
API CuResult cuDevicePrimaryCtxRelease_v2(CuDevice) {
  note(__func__);
  if (--m.retained == 0 && m.lost != 0) free_all();
  return 0;
}
API CuResult cuCtxPushCurrent_v2(CuContext context) {
  ENTER_WITHOUT_CONTEXT();
  if (context != &m.context) return kInvalidContext;
  current.push_back(context);
  return 0;
}
API CuResult cuCtxPopCurrent_v2(CuContext* context) {
  if (current.empty()) return kInvalidContext;
  *context = current.back();
  current.pop_back();
  return 0;
}
API CuResult cuModuleLoadData(CuModule* module, const void* image) {
  ENTER();
  note(__func__);
  const auto* bytes = static_cast<const char*>(image);
  if (std::memcmp(bytes, "\177ELF", 4) != 0) return kInvalidImage;
  uint16_t machine = 0;
  uint64_t sections = 0;
  uint16_t section_bytes = 0, section_count = 0;
  std::memcpy(&machine, bytes + 18, 2);
  std::memcpy(&sections, bytes + 40, 8);  // the section headers come last
  std::memcpy(&section_bytes, bytes + 58, 2);
  std::memcpy(&section_count, bytes + 60, 2);
  auto made = std::make_unique<CUmod_st>();
  made->bytes.assign(bytes, sections + uint64_t{section_bytes} * section_count);
  if (machine == 62) {
    made->file = memfd_create("kernels", MFD_CLOEXEC);
    if (write(made->file, made->bytes.data(), made->bytes.size()) != static_cast<ssize_t>(made->bytes.size()))
      return kInvalidImage;
    made->library = dlopen(("/proc/self/fd/" + std::to_string(made->file)).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!made->library) return kInvalidImage;
  } else if (machine != 190) {
    return kInvalidImage;
  }
  *module = keep(made.release());
  return 0;
}
API CuResult cuModuleUnload(CuModule module) {
  ENTER();
  return drop(module);
}
API CuResult cuModuleGetFunction(CuFunction* function, CuModule module, const char* name) {
  ENTER();
  auto made = std::make_unique<CUfunc_st>();
  made->name = name;
  if (module->library) {
    made->kernel = static_cast<const netc_emulation::Kernel*>(
        dlsym(module->library, (made->name + "_function").c_str()));
    if (!made->kernel) return kNotFound;
  } else if (module->bytes.find(std::string(".text.") + name) == std::string::npos) {
    return kNotFound;
  }
  std::unique_ptr<CUfunc_st>& slot = module->functions[name];
  if (!slot) slot = std::move(made);  // asked for again it is the same one, as the driver's is
  *function = slot.get();
  return 0;
}
API CuResult cuFuncSetAttribute(CuFunction function, int attribute, int value) {
  ENTER();
  if (attribute != kMaxDynamicSharedBytes || value > 227 << 10) return kInvalidValue;
  function->shared_bytes_allowed = value;
  return 0;
}
API CuResult cuMemGetInfo_v2(size_t* free, size_t* total) {
  ENTER();
  *total = m.machine.memory;
  *free = m.machine.memory - m.used;
  return 0;
}
API CuResult cuMemAlloc_v2(CuAddress* address, size_t bytes) {
  ENTER();
  note("cuMemAlloc " + std::to_string(bytes));
  return allocate(address, bytes);
}
API CuResult cuMemAllocManaged(CuAddress* address, size_t bytes, unsigned flags) {
  ENTER();
  note("cuMemAllocManaged " + std::to_string(bytes));
  return flags == kAttachGlobal ? allocate(address, bytes) : kInvalidValue;
}
API CuResult cuMemFree_v2(CuAddress address) {
  ENTER();
  const auto found = m.device_memory.find(address);
  if (found == m.device_memory.end()) return kInvalidValue;
  m.used -= found->second;
  m.device_memory.erase(found);
  std::free(reinterpret_cast<void*>(address));
  return 0;
}
API CuResult cuMemAllocHost_v2(void** memory, size_t bytes) {
  ENTER();
  if (bytes == 0) return kInvalidValue;
  *memory = std::malloc(bytes);
  m.host_memory.insert(*memory);
  std::memset(*memory, 0xff, bytes);
  return 0;
}
API CuResult cuMemFreeHost(void* memory) {
  ENTER();
  if (m.host_memory.erase(memory) == 0) return kInvalidValue;
  std::free(memory);
  return 0;
}
API CuResult cuMemsetD8_v2(CuAddress to, unsigned char value, size_t bytes) {
  ENTER();
  if (!is_allocated(to, bytes)) return kInvalidValue;
  std::memset(reinterpret_cast<void*>(to), value, bytes);
  return 0;
}
API CuResult cuMemcpyHtoDAsync_v2(CuAddress to, const void* from, size_t bytes, CuStream stream) {
  ENTER();
  note("cuMemcpyHtoDAsync " + std::to_string(bytes));
  if (!is_allocated(to, bytes)) return kInvalidValue;
  return m.streams.enqueue(stream, [=] { return std::memcpy(reinterpret_cast<void*>(to), from, bytes), 0; });
}
API CuResult cuMemcpyDtoHAsync_v2(void* to, CuAddress from, size_t bytes, CuStream stream) {
  ENTER();
  note("cuMemcpyDtoHAsync " + std::to_string(bytes));
  if (!is_allocated(from, bytes)) return kInvalidValue;
  return m.streams.enqueue(stream,
                           [=] { return std::memcpy(to, reinterpret_cast<const void*>(from), bytes), 0; });
}
API CuResult cuMemcpyDtoDAsync_v2(CuAddress to, CuAddress from, size_t bytes, CuStream stream) {
  ENTER();
  note("cuMemcpyDtoDAsync " + std::to_string(bytes));
  if (!is_allocated(from, bytes) || !is_allocated(to, bytes)) return kInvalidValue;
  return m.streams.enqueue(stream, [=] {
    return std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes), 0;
  });
}
API CuResult cuStreamCreate(CuStream* stream, unsigned) {
  ENTER();
  note(__func__);
  *stream = keep(new CUstream_st);
  m.streams.add(*stream);
  return 0;
}
API CuResult cuStreamDestroy_v2(CuStream stream) {
  ENTER();
  if (const CuResult busy = m.streams.remove(stream); busy != 0)
    return busy;  // it would use memory that may be gone
  return drop(stream);
}
API CuResult cuStreamSynchronize(CuStream stream) {
  ENTER();
  note(__func__);
  if (stream->capture) return 900;  // CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
  m.streams.finish(stream);
  m.lost = stream->failed;
  return stream->failed;
}
API CuResult cuStreamBeginCapture_v2(CuStream stream, int) {
  ENTER();
  note(__func__);
  return m.streams.begin_capture(stream);
}
API CuResult cuStreamEndCapture(CuStream stream, CuGraph* graph) {
  ENTER();
  note(__func__);
  std::unique_ptr<CUgraph_st> made;
  if (const CuResult result = m.streams.end_capture(stream, made); result != 0) return result;
  *graph = keep(made.release());
  return 0;
}
API CuResult cuGraphInstantiateWithFlags(CuGraphExec* executable, CuGraph graph, unsigned long long) {
  ENTER();
  note(__func__);
  *executable = keep(new CUgraphExec_st{graph->nodes});
  return 0;
}
API CuResult cuGraphDestroy(CuGraph graph) {
  ENTER();
  return drop(graph);
}
API CuResult cuGraphLaunch(CuGraphExec executable, CuStream stream) {
  ENTER();
  note(__func__);
  return m.streams.launch(*executable, stream);
}
API CuResult cuGraphExecDestroy(CuGraphExec executable) {
  ENTER();
  return drop(executable);
}
API CuResult cuLaunchKernel(CuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                            unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                            CuStream stream, void** parameters, void** extra) {
  ENTER();
  note("cuLaunchKernel " + function->name);
  if (grid_x == 0 || grid_y != 1 || grid_z != 1 || block_x == 0 || block_y != 1 || block_z != 1 || extra ||
      static_cast<int>(shared_bytes) > function->shared_bytes_allowed)
    return kInvalidValue;
  if (function->kernel && (static_cast<int>(block_x) != function->kernel->threads ||
                           static_cast<int>(shared_bytes) != function->kernel->shared_bytes))
    return kInvalidValue;
  if (!stream->capture) stream->microseconds += launch_microseconds(grid_x, shared_bytes);
  std::vector<CuAddress> arguments;  // copied now, as the driver does
  for (int i = 0; function->kernel && i <= function->kernel->operands; ++i)
    arguments.push_back(*static_cast<const CuAddress*>(parameters[i]));
  const auto extent_bytes = static_cast<size_t>(function->kernel ? function->kernel->extent_bytes : 0);
  std::vector<uint64_t> extents((extent_bytes + 7) / 8);
  if (extent_bytes > 0) std::memcpy(extents.data(), parameters[arguments.size()], extent_bytes);
  return m.streams.enqueue(stream, [=] { return run_kernel(*function, grid_x, arguments, extents); });
}
// Private interfaces, of which this driver has none; NVRTC asks for one.
API CuResult cuGetExportTable(const void** table, const void*) {
  *table = nullptr;
  return kNotFound;
}
API CuResult cuEventCreate(CuEvent* event, unsigned) {
  ENTER();
  *event = keep(new CUevent_st);
  return 0;
}
API CuResult cuEventDestroy_v2(CuEvent event) {
  ENTER();
  return drop(event);
}
API CuResult cuEventRecord(CuEvent event, CuStream stream) {
  ENTER();
  note(__func__);
  event->microseconds = stream->microseconds;
  return m.streams.record(event, stream);
}
API CuResult cuStreamWaitEvent(CuStream stream, CuEvent event, unsigned flags) {
  ENTER();
  note(__func__);
  return flags == 0 ? m.streams.wait(stream, event) : kInvalidValue;
}
API CuResult cuEventSynchronize(CuEvent event) {
  ENTER();
  note(__func__);
  if (event->capture) return kInvalidValue;
  if (event->record) m.streams.finish(*event->record);
  return m.lost;
}
API CuResult cuEventElapsedTime(float* milliseconds, CuEvent start, CuEvent end) {
  ENTER();
  *milliseconds = fake_clock() ? static_cast<float>(1e-3 * (end->microseconds - start->microseconds)) : 0.25f;
  return 0;
}
