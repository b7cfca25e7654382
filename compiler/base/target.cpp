#include "compiler/base/target.h"

#include "compiler/base/digest.h"

namespace netc {
namespace {
constexpr const char* kFeatures = ", features ";  // listed for the machine at hand only; names imply theirs
}

// A field that is added to Target belongs into its identity.
static_assert(sizeof(Target) == 2 * sizeof(std::string) + 8 + 2 * sizeof(int64_t));

std::string identity(const Target& target) {
  return target.cpu + ", " + std::to_string(target.vector_lanes) + " lanes" + (target.fma ? ", fma" : "") +
         (target.bf16_pairs ? ", bf16 pairs" : "") + ", L1 " +
         std::to_string(target.l1_bytes) + ", L2 " + std::to_string(target.l2_bytes) +
         (target.features.empty() ? "" : kFeatures + digest(target.features).hex(16));
}

std::string cpu_of_identity(const std::string& text) {
  return text.find(kFeatures) == std::string::npos ? text.substr(0, text.find(',')) : "host";
}

}  // namespace netc
