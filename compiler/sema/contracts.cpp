// What the layers of the prelude demand of their input, checked before their parameters are made, so
// that a message can say what was meant and what it would cost.
#include <algorithm>

#include "compiler/sema/elaborator.h"

namespace netc {
namespace {

// Whether an argument of the block is a size, and which.
SizeDatum size_of_argument(Scope& scope, const char* name, SizeDatum fallback) {
  const ScopeEntry* entry = scope.find(name);
  const SizeDatum* size = entry ? entry->datum.as<SizeDatum>() : nullptr;
  return size ? *size : fallback;
}

int64_t int_of_argument(Scope& scope, const char* name, int64_t fallback) {
  const ScopeEntry* entry = scope.find(name);
  const IntDatum* value = entry ? entry->datum.as<IntDatum>() : nullptr;
  return value ? value->value : fallback;
}

bool bool_of_argument(Scope& scope, const char* name) {
  const ScopeEntry* entry = scope.find(name);
  const bool* value = entry ? entry->datum.as<bool>() : nullptr;
  return value && *value;
}

constexpr int64_t kMaxExtent = int64_t{1} << 31;

}  // namespace

// Only training uses it, and a network is also checked without one.
void Elaborator::check_momentum(Scope& scope) {
  const ScopeEntry* entry = scope.find("momentum");
  const double* momentum = entry ? entry->datum.as<double>() : nullptr;
  if (!momentum || (*momentum >= 0 && *momentum <= 1)) return;
  Diagnostic d = error("E0207", frames_.back().span, "batch_norm: `momentum` must be from 0 to 1, this is " + real_text(*momentum));
  d.primary.span = argument_span("momentum", d.primary.span);
  fail(std::move(d));
}

void Elaborator::check_contract(const std::string& block, const CallSiteInfo& site, const Current& input, Scope& scope) {
  if (block == "batch_norm") check_momentum(scope);
  const bool conv = block == "conv";
  const bool max_pool = block == "max_pool", avg_pool = block == "avg_pool";
  const bool windowed = conv || max_pool || avg_pool;
  const bool linear = block == "linear";
  const bool image = windowed || block == "adaptive_avg_pool" || block == "global_avg_pool" || block == "upsample" ||
                     block == "local_response_norm" || block == "zero_pad";
  if (!image && !linear) return;
  const TensorDatum x = single(input, site.callee, "`" + block + "`");

  // The user's own word for the layer: `conv_bn` where that is what stands in the program.
  const CallRecord* record = visible_record();
  const std::string name = record && !record->text.empty() ? record->text.substr(0, record->text.find('(')) : block;
  const Span here = frames_.back().span;

  if (linear || conv) {
    const int64_t channels = int_of_argument(scope, "channels", 1);
    if (channels < 1 || channels >= kMaxExtent) {
      Diagnostic d = error("E0313", here, "`channels` of `" + name + "` is at least 1, this is " + std::to_string(channels));
      if (channels >= 1) d.message = "`channels` of `" + name + "` is too large, this is " + with_commas(channels);
      d.primary.span = argument_span("channels", d.primary.span);
      fail(std::move(d));
    }
  }
  if (linear && x.shape.size() != 1) {
    Diagnostic d = error("E0205", here, name + " takes [C], got " + to_string(x.shape));
    const int64_t channels = int_of_argument(scope, "channels", 0);
    const bool bias = bool_of_argument(scope, "bias");
    const auto cost = [&](int64_t inputs) { return with_commas((inputs + (bias ? 1 : 0)) * channels); };
    int64_t count = 1;
    for (int64_t extent : x.shape) count *= extent;
    if (count < kMaxExtent && x.shape.size() == 3)
      d.fixes.push_back({"global_avg_pool before it (" + cost(x.shape[0]) + " parameters), or flatten (" + cost(count) + ")",
                         "", {}});
    else
      d.fixes.push_back({"flatten before it", "", {}});
    fail(std::move(d));
  }
  if (image && x.shape.size() != 3) {
    Diagnostic d = error("E0205", here, name + " takes [C, H, W], got " + to_string(x.shape));
    if (x.shape.size() == 4) d.notes.push_back("the batch is never written: an input of images is [C, H, W]");
    fail(std::move(d));
  }
  if (!windowed) return;

  const auto require_at_least = [&](const char* argument, SizeDatum value, int64_t least) {
    if (value.height >= least && value.width >= least && value.height < kMaxExtent && value.width < kMaxExtent) return;
    const bool low = value.height < least || value.width < least;
    Diagnostic d = error("E0313", here, "`" + std::string(argument) + "` of `" + name + "` is " + (low ? "at least " : "below ") +
                                            (low ? std::to_string(least) : with_commas(kMaxExtent)) + ", this is " + to_text(value));
    d.primary.span = argument_span(argument, d.primary.span);
    fail(std::move(d));
  };
  const SizeDatum window = size_of_argument(scope, "window", {1, 1});
  const SizeDatum stride = size_of_argument(scope, "stride", window);
  const SizeDatum pad = size_of_argument(scope, "pad", {0, 0});
  const SizeDatum dilation = size_of_argument(scope, "dilation", {1, 1});
  require_at_least("window", window, 1);
  require_at_least("stride", stride, 1);
  require_at_least("pad", pad, 0);
  require_at_least("dilation", dilation, 1);
  if (conv) {
    const int64_t channels = int_of_argument(scope, "channels", 1), groups = int_of_argument(scope, "groups", 1);
    if (groups < 1 || x.shape[0] % groups != 0 || channels % groups != 0) {
      const std::string what = groups < 1 ? "`groups` is at least 1"
                               : x.shape[0] % groups != 0
                                   ? "groups = " + std::to_string(groups) + " does not divide " + std::to_string(x.shape[0]) + " input channels"
                                   : "groups = " + std::to_string(groups) + " does not divide " + std::to_string(channels) + " output channels";
      Diagnostic d = error("E0207", here, what);
      d.primary.span = argument_span("groups", d.primary.span);
      fail(std::move(d));
    }
  }
  const int64_t span_h = (window.height - 1) * dilation.height + 1, span_w = (window.width - 1) * dilation.width + 1;
  const bool fits = span_h <= x.shape[1] + 2 * pad.height && span_w <= x.shape[2] + 2 * pad.width;
  if (!fits) {
    std::string message = "window " + to_text(window) + " exceeds its input " + to_string(x.shape);
    if (dilation != SizeDatum{1, 1}) message += ", dilated it spans " + to_text(SizeDatum{span_h, span_w});
    Diagnostic d = error("E0203", here, message, shrink_history(x));
    d.primary.span = argument_span("window", d.primary.span);
    if (!conv) d.fixes.push_back({"remove this pool", "", {}});
    else if (window.height % 2 == 1 && window.width % 2 == 1)
      d.fixes.push_back({"pad = " + (window.height == window.width ? std::to_string(span_h / 2)
                                                                   : "size(" + std::to_string(span_h / 2) + ", " + std::to_string(span_w / 2) + ")"),
                         "", {}});
    fail(std::move(d));
  }
  if (!conv && (2 * pad.height > window.height || 2 * pad.width > window.width)) {
    Diagnostic d = error("E0207", here, "a pool's pad is at most half its window " + to_text(window) + ", this is " + to_text(pad));
    d.primary.span = argument_span("pad", d.primary.span);
    d.notes.push_back("beyond that a window would hold nothing but padding");
    fail(std::move(d));
  }
}

}  // namespace netc
