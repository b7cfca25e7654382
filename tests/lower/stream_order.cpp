#include "tests/lower/stream_order.h"

#include <algorithm>
#include <array>
#include <map>

namespace netc {
namespace {

constexpr int64_t kStateGranule = 4;

// By streams and waits alone: before[i][j] says that launch j has ended when i begins.
std::vector<std::vector<bool>> orders(const EntryPoint& entry) {
  std::vector<std::vector<bool>> before;
  std::map<int32_t, size_t> last;
  for (size_t i = 0; i < entry.launches.size(); ++i) {
    std::vector<bool>& mine = before.emplace_back(entry.launches.size(), false);
    const auto after = [&](size_t j) {
      mine[j] = true;
      for (size_t k = 0; k < j; ++k)
        if (before[j][k]) mine[k] = true;
    };
    const Launch& l = entry.launches[i];
    if (last.count(l.stream)) after(last[l.stream]);
    for (int32_t wait : l.waits) after(static_cast<size_t>(wait));
    last[l.stream] = i;
  }
  return before;
}

// Calls visit(first byte, behind the last) for stretches that hold all elements of an operand and nothing else.
template <class Visit>
void each_stretch(const Shape& shape, const Shape& strides, int64_t first, int64_t element, const Visit& visit) {
  std::vector<std::array<int64_t, 2>> axes;  // stride in bytes, extent
  for (size_t d = 0; d < shape.size(); ++d)
    if (shape[d] > 1 && strides[d] != 0) axes.push_back({strides[d] * element, shape[d]});
  std::sort(axes.begin(), axes.end());
  int64_t length = element;
  while (!axes.empty() && axes.front()[0] == length) {
    length *= axes.front()[1];
    axes.erase(axes.begin());
  }
  std::vector<int64_t> index(axes.size(), 0);
  for (bool more = true; more;) {
    int64_t at = first;
    for (size_t d = 0; d < axes.size(); ++d) at += index[d] * axes[d][0];
    visit(at, at + length);
    more = false;
    for (size_t d = 0; d < axes.size() && !more; ++d) {
      more = ++index[d] < axes[d][1];
      if (!more) index[d] = 0;
    }
  }
}

struct Reader {
  int32_t launch, next;
};
struct Memory {
  Memory(int64_t bytes, int64_t place)
      : granule(place), writer(static_cast<size_t>(bytes / place + 1), -1), readers(static_cast<size_t>(bytes / place + 1), -1) {}
  int64_t granule;
  std::vector<int32_t> writer, readers;  // of each granule; a list of those since the last writer
};

}  // namespace

std::string find_race(const EntryPoint& entry, int64_t state_bytes, const std::vector<KernelBody>& bodies, int64_t granule) {
  const std::vector<std::vector<bool>> before = orders(entry);
  Memory state(state_bytes, kStateGranule), arena(entry.arena_bytes, granule);
  std::vector<Reader> pool;
  std::string race;
  for (size_t i = 0; i < entry.launches.size() && race.empty(); ++i) {
    const Launch& l = entry.launches[i];
    const auto me = static_cast<int32_t>(i);
    const auto require = [&](int32_t other, const KernelOperand& operand) {
      if (other < 0 || other == me || before[i][static_cast<size_t>(other)] || !race.empty()) return;
      race = l.label + " and " + entry.launches[static_cast<size_t>(other)].label + " are in no order at " + operand.name;
    };
    const std::vector<KernelOperand>& operands = bodies[static_cast<size_t>(l.kernel)].operands;
    for (bool writes : {false, true})  // a launch reads before it writes
      for (size_t o = 0; o < operands.size(); ++o) {
        const KernelOperand& operand = operands[o];
        if (operand.written != writes) continue;
        Memory& memory = operand.space == Space::state ? state : arena;
        const int64_t element = size_of(operand.dtype);
        const auto visit = [&](int64_t begin, int64_t end) {
          for (auto g = static_cast<size_t>(begin / memory.granule); static_cast<int64_t>(g) * memory.granule < end; ++g) {
            require(memory.writer[g], operand);
            if (!writes) {
              if (memory.readers[g] >= 0 && pool[static_cast<size_t>(memory.readers[g])].launch == me) continue;
              pool.push_back({me, memory.readers[g]});
              memory.readers[g] = static_cast<int32_t>(pool.size() - 1);
              continue;
            }
            for (int32_t r = memory.readers[g]; r >= 0; r = pool[static_cast<size_t>(r)].next) require(pool[static_cast<size_t>(r)].launch, operand);
            memory.readers[g] = -1;
            memory.writer[g] = me;
          }
        };
        each_stretch(operand.shape, operand.strides, l.operands[o].offset, element, visit);
        for (const HaloMargin& m : halo_margins(operand))
          each_stretch(m.shape, operand.strides, l.operands[o].offset + m.offset * element, element, visit);
      }
  }
  return race;
}

}  // namespace netc
