// Convolutions over channel-blocked operands as kernel bodies, in every direction: what layouts make of a convolution.
//
//   x [N, Cb, H, W + halo, 16] (below 16 channels dense: [N, C, H, W + halo])   y [N, Kb, OH, OW + halo, 16]
//   w forward and weight gradient [Kb, Cb, KH, KW, 16 ci, 16 ki], data gradient [Cb, Kb, KH, KW, 16 ki, 16 ci]
// Padding lanes and halos of what is read hold zeros.
#pragma once

#include <random>
#include <string>

#include "compiler/interpret/interpret.h"
#include "compiler/lower/kernel.h"

namespace netc {

struct BlockedConvolution {
  int64_t n, c, h, w, k, window_h, window_w, stride = 1, pad = 0, dilation = 1, groups = 1;

  int64_t out_h() const { return (h + 2 * pad - dilation * (window_h - 1) - 1) / stride + 1; }
  int64_t out_w() const { return (w + 2 * pad - dilation * (window_w - 1) - 1) / stride + 1; }
  // Without the products with zeros that blocks and halos add.
  double multiply_adds() const;
};

enum class Direction { forward, data_gradient, weight_gradient };

// Operands: the two inputs in the contraction's order, then the output, which one store writes. `halo`: columns of
// zeros around the output (forward: as a consumer with a window of 3 wants them). `dtype`: of the inputs and, except for weight
// gradients, of the output.
KernelBody blocked_body(const BlockedConvolution& v, Direction direction, bool halo = false, DType dtype = DType::f32);

// Adds to the body's store: bias per channel, a residual operand, max(…, 0), a guard that keeps padding lanes zero;
// after it sums of the result and of its square per channel.
void add_epilogue(KernelBody& body, int64_t channels, bool with_residual = true);
void add_channel_sums(KernelBody& body, int64_t rows);

// The body that reads transformed weights (ir/winograd.h) as operand 1. REQUIRES: a forward body.
KernelBody with_winograd(KernelBody body, const Winograd& winograd);

// The same of a weight gradient, in parts of the images (ops/split_sums.h). REQUIRES: a weight gradient without groups.
KernelBody with_winograd_gradient(KernelBody body, const Winograd& winograd, int64_t parts);

// Values for an operand of the body, zero where the convolution has halos and padding lanes.
HostTensor blocked_tensor(const BlockedConvolution& v, const KernelBody& body, int operand, std::mt19937& random);

// What the body's stores and partial sums (as [kept], over all rows) hold, in double precision; by operand.
std::vector<HostTensor> reference(const KernelBody& body, const std::vector<const HostTensor*>& operands);

std::string name_of(const BlockedConvolution& v);
const char* name_of(Direction direction);

}  // namespace netc
