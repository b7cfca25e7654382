#include "compiler/base/target.h"

#include "compiler/base/digest.h"

namespace netc {
namespace {
constexpr const char* kFeatures = ", features ";  // listed for the machine at hand only; names imply theirs
constexpr const char *kCuda = "cuda:", *kEmulation = "cuda-emulation:";  // as in --device
constexpr const char* kTiles = ", tiles ";  // measured on a machine: no flag asks for them
}

// A field that is added to Target belongs into its identity.
static_assert(sizeof(Target) == 2 * sizeof(std::string) + 16 + 2 * sizeof(int64_t));

std::string identity(const Target& target) {
  if (target.kind != TargetKind::cpu)
    return (target.kind == TargetKind::cuda ? kCuda : kEmulation) + target.cpu +
           (target.features.empty() ? "" : kTiles + digest(target.features).hex(16));
  return target.cpu + ", " + std::to_string(target.vector_lanes) + " lanes" + (target.fma ? ", fma" : "") +
         (target.bf16_pairs ? ", bf16 pairs" : "") + ", L1 " +
         std::to_string(target.l1_bytes) + ", L2 " + std::to_string(target.l2_bytes) +
         (target.features.empty() ? "" : kFeatures + digest(target.features).hex(16));
}

std::string flag_of_identity(const std::string& text) {
  if (text.find(kTiles) != std::string::npos) return "";
  if (text.rfind(kCuda, 0) == 0 || text.rfind(kEmulation, 0) == 0) return "--device " + text;
  return text.find(kFeatures) == std::string::npos ? "--cpu " + text.substr(0, text.find(',')) : "";
}

}  // namespace netc
