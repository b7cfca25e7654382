// Which layouts a contraction wants its tensors in: channels in blocks, so that 16 of them are one vector; images with
// as many columns of zeros as its window reaches beyond their edges; weights in the order in which it reads them.
//
//   forward          x [n, c/16, h, w-1+1, c%16]   w [k/16, c/16, kh, kw, c%16, k%16]   y [n, k/16, h, w, k%16]
//   data gradient    y [n, k/16, h, w-1+1, k%16]   w [c/16, k/16, kh, kw, k%16, c%16]   x [n, c/16, h, w, c%16]
//   weight gradient  x and w as forward, y without halo
//   Winograd         x and y as forward, w transformed [positions, k/16, c/16, c%16, k%16]
// Few input channels, those of a picture, are not split: x [n, c, h, w-3+3], w [k/16, c, kh, kw, k%16].
//
// A GPU's kernels want channels last, in every direction, so that a piece of 16 bytes is 8 channels of a pixel or of a tap:
//   x [n, h, w, c]   w [k, kh, kw, c]   y [n, oh, ow, k]
// and what has few channels dense.
#pragma once

#include <array>
#include <optional>

#include "compiler/base/layout.h"
#include "compiler/ir/contraction.h"

namespace netc {

// How the images of contractions lie.
enum class ImageLayout : uint8_t {
  dense,          // NCHW; tests compare the others with it
  blocks,         // nChw16c: for a CPU's vectors
  channels_last,  // NHWC: for a GPU
};

struct LayoutOptions {
  ImageLayout images = ImageLayout::blocks;
  // Blocks: a dimension is split where its extent is at least this part of the lanes that its blocks have. 0: always.
  double least_fill = 0.65;
};

constexpr int64_t kChannelBlock = 16;

// NHWC, of images; of weights [k, kh, kw, c].
Layout channels_last_layout();

// Whether blocks pay for a dimension.
bool fills_blocks(int64_t extent, const LayoutOptions& options);

// Per tensor; the output's is without halo. nullopt: it is better off, or only possible, with dense ones.
std::optional<std::array<Layout, 3>> wanted_layouts(const Contraction& contraction, const LayoutOptions& options);

}  // namespace netc
