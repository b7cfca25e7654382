// The rows of the registry, one function a family of operators, each in a file of its name.
//
// Adding an operator: write its row in its family's file; a new family is declared here and listed
// in registry.cpp. A row needs infer, exactly one definition, a gradient or the reason for none, and
// samples; tests/ops iterates over the registry and checks all of it.
#pragma once

#include <vector>

#include "compiler/ir/op_def.h"

namespace netc {

std::vector<OpDef> elementwise_ops();
std::vector<OpDef> activation_ops();
std::vector<OpDef> shape_ops();
std::vector<OpDef> reduce_ops();
std::vector<OpDef> max_pool_ops();
std::vector<OpDef> average_pool_ops();
std::vector<OpDef> batch_norm_ops();
std::vector<OpDef> normalize_ops();
std::vector<OpDef> loss_ops();
std::vector<OpDef> convolution_ops();  // contraction_convolution.cpp
std::vector<OpDef> matmul_ops();       // contraction_matmul.cpp
std::vector<OpDef> random_ops();
std::vector<OpDef> affine_sample_ops();
std::vector<OpDef> augment_ops();
std::vector<OpDef> target_loss_ops();
std::vector<OpDef> piecewise_ops();

}  // namespace netc
