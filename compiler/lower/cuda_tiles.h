// Which tile a matrix product has on a GPU: the cost model's (cuda_gemm_plan), unless one was measured to be
// faster (`netc tune`).
//
// Measured choices are a part of Target, as the text Target::features of a GPU, so that plans stay a pure
// function of body and target, and other choices are another target:
//
//   "tile:3f0a…=128x64;tile:91c2…=64x64;"     by the product's key
//   "every:2;"                                 the candidate 2 of every product, where there is one, to be
//                                              measured
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/base/target.h"
#include "compiler/lower/kernel.h"

namespace netc {

struct CudaTile {
  int m = 0, n = 0;
  bool operator==(const CudaTile&) const = default;
};
std::string to_string(const CudaTile& tile);                      // "128x64"
std::optional<CudaTile> tile_from_text(const std::string& text);  // nullopt: no tile

// Sixteen digits that name a product: its sums, where its operands' elements lie, and their types; not what
// an epilogue does with it. `swapped`: the first operand is the one along n.
std::string product_key(const KernelBody& body, bool swapped);

// The text of a choice; texts are joined by appending.
std::string tile_choice(const std::string& key, const CudaTile& tile);
std::string every_tile(int candidate);

// The choices of a text by key, the last one where a key has several. What is no choice is left out.
using TileChoices = std::map<std::string, CudaTile>;
TileChoices tile_choices(const std::string& text);
// In the order of the keys: equal choices are equal texts.
std::string to_string(const TileChoices& choices);

// What the target says of a product, if that is one of its candidates.
std::optional<CudaTile> chosen_tile(const Target& target, const std::string& key,
                                    const std::vector<CudaTile>& candidates);

}  // namespace netc
