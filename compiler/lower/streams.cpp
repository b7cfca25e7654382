#include "compiler/lower/streams.h"

#include <algorithm>

namespace netc {
namespace {

// What a launch touches of one operand, in bytes of its space.
struct Access {
  Space space = Space::arena;
  bool written = false;
  int64_t begin = 0, end = 0;
  int64_t element = 1;
  Shape shape, strides;  // in bytes; empty: all between begin and end
};

Access access_of(const KernelOperand& operand, const BufferRef& at) {
  Access a{at.space, operand.written, at.offset, at.offset, size_of(operand.dtype), {}, {}};
  const auto last = [&](const Shape& shape) {
    int64_t offset = 0;
    for (size_t d = 0; d < shape.size(); ++d) offset += (shape[d] - 1) * operand.strides[d];
    return offset;
  };
  a.end += (last(operand.shape) + 1) * a.element;
  const std::vector<HaloMargin> margins = halo_margins(operand);
  for (const HaloMargin& m : margins) {
    a.begin = std::min(a.begin, at.offset + m.offset * a.element);
    a.end = std::max(a.end, at.offset + (m.offset + last(m.shape) + 1) * a.element);
  }
  if (!margins.empty()) return a;
  a.shape = operand.shape;
  for (int64_t stride : operand.strides) a.strides.push_back(stride * a.element);
  return a;
}

// Whether an access lies within the bytes first..first+length-1 of each row of `pitch` bytes.
bool lies_in_columns(const Access& a, int64_t pitch, int64_t& first, int64_t& length) {
  first = a.begin % pitch;
  length = a.element;
  for (size_t d = 0; d < a.shape.size(); ++d)
    if (a.strides[d] % pitch != 0) length += (a.shape[d] - 1) * a.strides[d];
  return first + length <= pitch;
}

// Slices of one tensor beside each other, as the branches of a concat write them.
bool in_other_columns(const Access& a, const Access& b) {
  if (a.shape.empty() || b.shape.empty()) return false;
  for (int64_t pitch : a.strides) {
    int64_t first_a = 0, length_a = 0, first_b = 0, length_b = 0;
    if (pitch <= 0 || !lies_in_columns(a, pitch, first_a, length_a) || !lies_in_columns(b, pitch, first_b, length_b)) continue;
    if (first_a + length_a <= first_b || first_b + length_b <= first_a) return true;
  }
  return false;
}

bool conflict(const Access& a, const Access& b) {
  return (a.written || b.written) && a.space == b.space && a.begin < b.end && b.begin < a.end && !in_other_columns(a, b);
}

class Planner {
 public:
  Planner(EntryPoint& entry, const std::vector<KernelBody>& bodies) : launches_(entry.launches) {
    for (const Launch& l : launches_) {
      const std::vector<KernelOperand>& operands = bodies[static_cast<size_t>(l.kernel)].operands;
      std::vector<Access>& accesses = accesses_.emplace_back();
      for (size_t i = 0; i < operands.size(); ++i) accesses.push_back(access_of(operands[i], l.operands[i]));
    }
  }

  void run() {
    tails_.assign(kStreams, -1);
    for (size_t i = 0; i < launches_.size(); ++i) {
      const std::vector<bool> needed = needed_by(i);
      const int32_t stream = choose(i, needed);
      launches_[i].stream = stream;
      launches_[i].waits.clear();
      std::vector<bool>& before = before_.emplace_back(launches_.size(), false);
      if (tails_[static_cast<size_t>(stream)] >= 0) add(before, static_cast<size_t>(tails_[static_cast<size_t>(stream)]));
      for (size_t j = i; j-- > 0;) {  // the last first: it has others before it
        if (!needed[j] || before[j]) continue;
        launches_[i].waits.push_back(static_cast<int32_t>(j));
        add(before, j);
      }
      tails_[static_cast<size_t>(stream)] = static_cast<int32_t>(i);
    }
  }

 private:
  // The launches that must end before this one begins, and all before those.
  std::vector<bool> needed_by(size_t i) const {
    std::vector<bool> needed(launches_.size(), false);
    for (size_t j = i; j-- > 0;)
      if (!needed[j] && conflict(i, j)) add(needed, j);
    return needed;
  }

  bool conflict(size_t i, size_t j) const {
    return std::any_of(accesses_[i].begin(), accesses_[i].end(), [&](const Access& a) {
      return std::any_of(accesses_[j].begin(), accesses_[j].end(), [&](const Access& b) { return netc::conflict(a, b); });
    });
  }

  void add(std::vector<bool>& set, size_t launch) const {
    set[launch] = true;
    for (size_t k = 0; k < launch; ++k)
      if (before_[launch][k]) set[k] = true;
  }

  bool fills(size_t launch) const { return launches_[launch].tasks >= kBlocksAtATime; }

  int32_t choose(size_t i, const std::vector<bool>& needed) const {
    const auto may_follow = [&](int32_t stream) {
      const int32_t tail = tails_[static_cast<size_t>(stream)];
      return tail < 0 || needed[static_cast<size_t>(tail)];
    };
    if (may_follow(0) || (fills(i) && fills(static_cast<size_t>(tails_[0])))) return 0;
    int32_t best = 0;  // where all are busy with something else
    for (int32_t stream = 1; stream < kStreams; ++stream)  // rather behind what it needs than on a stream that was not used
      if (may_follow(stream) && (best == 0 || tails_[static_cast<size_t>(stream)] > tails_[static_cast<size_t>(best)])) best = stream;
    return best;
  }

  std::vector<Launch>& launches_;
  std::vector<std::vector<Access>> accesses_;  // of each launch
  std::vector<std::vector<bool>> before_;      // of each launch, those that streams and waits put before it
  std::vector<int32_t> tails_;                 // of each stream, its last launch; -1: none
};

}  // namespace

void plan_streams(EntryPoint& entry, const std::vector<KernelBody>& bodies) { Planner(entry, bodies).run(); }

}  // namespace netc
