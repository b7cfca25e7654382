// netc devices: what this machine can run on, and what it cannot and why.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "compiler/backend/cpu/cpu_backend.h"
#include "compiler/backend/cuda/nvrtc.h"
#include "compiler/driver/commands.h"
#include "runtime/cuda/device.h"
#include "runtime/thread_pool.h"

namespace netc {

int run(const DevicesCommand&, Environment& environment) {
  const Target target = host_target();
  const int threads = available_processors();
  std::vector<std::string> levels;  // that this machine runs
  for (const char* level : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"})
    if (missing_features(target_named(level)).empty()) levels.push_back(level);
  std::string no_gpu;
  const std::shared_ptr<CudaDevice> gpu = find_cuda_device(no_gpu);
  std::string no_nvrtc;
  const Nvrtc* nvrtc = Nvrtc::find(no_nvrtc);
  const std::string compiler = nvrtc ? fmt::format("NVRTC {}.{}", nvrtc->version().major, nvrtc->version().minor) : no_nvrtc;
  if (environment.output.json()) {
    nlohmann::ordered_json json = {
        {"cpu",
         {{"available", true}, {"name", target.cpu}, {"threads", threads}, {"f32_lanes", target.vector_lanes},
          {"fma", target.fma}, {"l1_bytes", target.l1_bytes}, {"l2_bytes", target.l2_bytes}, {"features", target.features},
          {"levels", levels}, {"precisions", {"f32", "tf32", "bf16", "f16"}}}},
        {"cuda", {{"available", gpu && nvrtc}, {"nvrtc", nvrtc != nullptr}, {"compiler", compiler}}},
        {"cuda-emulation", {{"available", true}, {"precisions", {"f32", "tf32", "bf16", "f16"}}}}};
    if (gpu)
      json["cuda"].update({{"name", gpu->info().name}, {"architecture", gpu->info().architecture()},
                           {"memory_bytes", gpu->info().memory}, {"driver", gpu->info().driver_version}});
    else
      json["cuda"]["reason"] = no_gpu;
    environment.output.result(json.dump(2) + "\n");
    return kExitOk;
  }
  std::string gpu_text = "not available: " + no_gpu;
  if (gpu)
    gpu_text = fmt::format("{}{}, {}.{}, {}; the driver knows CUDA {}.{}; code for {}", nvrtc ? "" : "not available without a compiler: ",
                           gpu->info().name, gpu->info().major, gpu->info().minor, byte_text(gpu->info().memory),
                           gpu->info().driver_version / 1000, gpu->info().driver_version % 1000 / 10, gpu->info().architecture());
  environment.output.result(fmt::format(
      "cpu   {}, {} threads, {} f32 lanes{}, L1 {}, L2 {}; precisions f32, tf32, bf16, f16\n"
      "      runs code for {} (--cpu)\n"
      "      {}\n"
      "cuda  {}\n"
      "      compiler: {}\n"
      "cuda-emulation  runs CUDA kernels on the CPU, slowly, with every access checked\n",
      target.cpu, threads, target.vector_lanes, target.fma ? " with FMA" : "", byte_text(target.l1_bytes),
      byte_text(target.l2_bytes), fmt::join(levels, ", "), target.features, gpu_text, compiler));
  return kExitOk;
}

}  // namespace netc
