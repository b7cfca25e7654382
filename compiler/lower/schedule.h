// The Schedule: what a Graph becomes by fusion. Kernels in launch order, and the buffers they work on.
//
// A buffer is a stretch of the arena or a state variable; the memory plan gives arena buffers their
// offsets. A kernel's operands are views into buffers: an offset here, strides in the KernelBody. So a
// reshape is no copy, and `concat` is where its producers write.
//
// Example, y = relu(linear(x)) with bias:
//   buffer 0: input x, 1: state weight, 2: state bias, 3: y
//   kernel 0: matmul + add + relu  reads 0, 1, 2  writes 3
//     add: joins matmul, its operand stays in a register
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/base/layout.h"
#include "compiler/base/target.h"
#include "compiler/ir/graph.h"
#include "compiler/lower/kernel.h"
#include "compiler/support/source.h"

namespace netc {

struct Buffer {
  std::string name;    // for dumps: the value's path
  int64_t bytes = 0;
  int32_t state = -1;  // the state variable (of Schedule::states) that it is, or -1: it is in the arena
  Layout layout{};     // of the tensor that it holds; views of it may look at it otherwise
};

struct BufferView {
  int32_t buffer = -1;
  int64_t offset = 0;  // bytes
  bool operator==(const BufferView&) const = default;
};

struct ScheduledKernel {
  KernelBody body;
  std::vector<BufferView> operands;  // of body.operands
  std::vector<NodeId> nodes;         // of the graph, in order
  std::string label;                 // "stage.0.conv0 + bn0 + relu0 (resnet.net:12)"
  std::vector<std::string> reasons;  // for `netc explain`: per node, why it is here; a conversion's is one
  int64_t flops = 0, bytes = 0;      // without padding lanes; with them
  bool converts = false;             // it only brings a value into another layout
  bool adds_parts = false;           // of the contraction in the kernel before it (split_contraction.h)
};

struct ScheduleSlot {
  std::string name;
  TensorType type;  // row-major in the view
  BufferView view;
};

struct Schedule {
  std::vector<Buffer> buffers;
  std::vector<ScheduledKernel> kernels;
  std::vector<ScheduleSlot> inputs, outputs;
  std::vector<StateVariable> states;
};

struct FuseOptions;
using StateLayouts = std::map<std::string, Layout>;  // by path of a state variable; absent: dense

// REQUIRES: `graph` after the passes of pipeline.h (no composite operators). `sources` may be null; with
// it, labels name source lines. The kernels' task counts depend on `target` and shapes only.
Schedule make_schedule(const Graph& graph, const Target& target, const SourceMap* sources = nullptr);
// With states in the layouts that the graph wants (choose_layouts.h).
Schedule make_schedule(const Graph& graph, const Target& target, const SourceMap* sources, const FuseOptions& options);
// With states in given layouts: those that all graphs over one State agree on.
Schedule make_schedule(const Graph& graph, const Target& target, const SourceMap* sources, const FuseOptions& options,
                       const StateLayouts& states);

// THROWS InternalError with the first broken invariant: operands within their buffers, no arena buffer
// read before it is written, bodies as verify(KernelBody) wants them.
void verify(const Schedule& schedule);

// For `netc emit --stage=schedule`; with_bodies: --stage=kernels.
std::string to_string(const Schedule& schedule, bool with_bodies = false);

}  // namespace netc
