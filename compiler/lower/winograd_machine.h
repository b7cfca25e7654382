// What Winograd's convolutions cost on one core of a target: what their plans are ranked by.
#pragma once

#include <algorithm>

#include "compiler/ir/winograd.h"
#include "compiler/lower/direct_plan.h"

namespace netc {

// Rates of one core, in cycles and bytes a cycle. What all tasks share comes from memory once.
struct WinogradMachine {
  double multiply_adds = 2, loads = 2;  // vectors a cycle
  double latency = 4;
  double l3_bytes = 24, memory_bytes = 2.5;  // of memory as measured, requests unaided
  double overhead = 60;                 // of a register tile
  double pairing = 1.2;                 // weight gradients of bf16 over their dot products; measured: 1.1 to 1.3
  int vectors;                          // of a block of lanes
  int64_t registers;
  bool bf16_pairs;
  explicit WinogradMachine(const Target& target)
      : vectors(static_cast<int>(kLaneBlock) / target.vector_lanes), registers(target.vector_lanes == 16 ? 30 : 15),
        bf16_pairs(target.bf16_pairs) {}

  // Transforms of one tile and block of channels: loads and stores of every position, additions between them.
  double input_transform(const Winograd& w) const { return (w.tile == 2 ? 40 : 130) * vectors; }
  double output_transform(const Winograd& w) const { return (w.tile == 2 ? 40 : 120) * vectors; }
  // Of the gradient of one tile and block of its channels: fewer rows than a window has.
  double gradient_transform(const Winograd& w) const { return (w.tile == 2 ? 35 : 110) * vectors; }
  // Of a pair of blocks of channels, back from the positions: loads of every one, some dozen instructions and nine stores.
  double weight_gradient_transform(const Winograd& w) const {
    return (60 + 3 * static_cast<double>(w.positions())) * vectors * kLaneBlock;
  }
  // Of a pair of channels, a lane of a vector: the window's loads, some dozen instructions and a store for every position.
  double weight_transform(const Winograd& w) const { return (180 + 8 * static_cast<double>(w.positions())) * vectors / kLaneBlock; }

  // The product of rows x groups blocks over `steps`, in the best register tile.
  double product(int64_t rows, int64_t groups, int64_t steps) const {
    double best = 0;
    for (int64_t g = 1; g <= std::min<int64_t>(groups, 4); ++g) {
      const int64_t most = std::max<int64_t>(1, (registers - g * vectors - 1) / (g * vectors));
      double cycles = 0;
      for (const Pieces& gp : balanced_pieces(groups, g))
        for (const Pieces& rp : balanced_pieces(rows, most)) {
          const double wide = static_cast<double>(gp.width * vectors), high = static_cast<double>(rp.width);
          const double step = std::max({wide * high / multiply_adds, (wide + high) / loads, latency});
          cycles += static_cast<double>(gp.count * rp.count) * (step * static_cast<double>(steps) + overhead);
        }
      if (best == 0 || cycles < best) best = cycles;
    }
    return best;
  }

  // The same of operands of the type, in a direct contraction: two steps of bf16 at a time where there is an instruction for them.
  // Elsewhere 16 bits are widened as they are loaded, which takes nothing beside the multiply-adds of a wide tile.
  double direct_product(DType dtype, int64_t rows, int64_t groups, int64_t steps) const {
    return product(rows, groups, in_pairs(dtype) ? ceil_div(steps, 2) : steps);
  }
  // And in a direct weight gradient, where two pixels' rows are brought together through memory.
  double direct_gradient_product(DType dtype, int64_t rows, int64_t groups, int64_t steps) const {
    return direct_product(dtype, rows, groups, steps) * (in_pairs(dtype) ? pairing : 1);
  }
  bool in_pairs(DType dtype) const { return dtype == DType::bf16 && bf16_pairs; }
};

}  // namespace netc
