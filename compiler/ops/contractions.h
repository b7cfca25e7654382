// The operators that are contractions, or a contraction and a bias.
//
//   convolution  = correlation + bias           correlation(x, weight) -> y
//   linear       = matmul + bias                convolution_data_gradient(weight, gradient of y) -> x
//   matmul                                      convolution_weight_gradient(x, gradient of y) -> weight
//
// The three at the right are one Contraction with another output, so each one's vjp is made of the
// other two: they can be differentiated any number of times.
#pragma once

#include "compiler/ir/op_def.h"

namespace netc {

const OpDef& convolution_op();
const OpDef& correlation_op();
const OpDef& convolution_data_gradient_op();
const OpDef& convolution_weight_gradient_op();
const OpDef& matmul_op();
const OpDef& linear_op();

}  // namespace netc
