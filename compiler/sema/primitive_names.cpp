#include "compiler/sema/primitive_names.h"

#include <algorithm>
#include <map>

namespace netc {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string find(const std::map<std::string, std::string>& table, const std::string& key) {
  const auto found = table.find(key);
  return found == table.end() ? "" : found->second;
}

}  // namespace

const std::vector<std::string>& direct_operators() {
  static const std::vector<std::string> names = {
      "relu", "leaky_relu", "gelu", "sigmoid", "tanh", "silu", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "erf",
      "floor", "square", "pow", "add", "sub", "mul", "div", "maximum", "minimum", "greater", "equal", "select",
  };
  return names;
}

bool is_direct_operator(const std::string& name) { return contains(direct_operators(), name); }

bool is_broadcasting(const std::string& op_name) {
  static const std::vector<std::string> names = {"add", "sub", "mul", "div", "maximum", "minimum", "greater", "equal",
                                                 "select"};
  return contains(names, op_name);
}

const std::vector<std::string>& function_names() {
  static const std::vector<std::string> names = {
      "abs", "ceil", "div", "fill", "float", "floor", "int", "len", "max", "min", "mod", "product", "replace", "round",
      "same_pad", "size", "sqrt",
  };
  return names;
}

std::string usual_name_of_callee(const std::string& foreign) {
  static const std::map<std::string, std::string> table = {
      {"Conv2d", "conv"}, {"conv2d", "conv"}, {"Conv2D", "conv"}, {"convolution", "conv"},
      {"Linear", "linear"}, {"dense", "linear"}, {"Dense", "linear"}, {"fc", "linear"}, {"fully_connected", "linear"},
      {"BatchNorm2d", "batch_norm"}, {"batchnorm", "batch_norm"}, {"bn", "batch_norm"},
      {"BatchNormalization", "batch_norm"}, {"LayerNorm", "layer_norm"},
      {"MaxPool2d", "max_pool"}, {"maxpool", "max_pool"}, {"max_pool2d", "max_pool"}, {"MaxPooling2D", "max_pool"},
      {"AvgPool2d", "avg_pool"}, {"avgpool", "avg_pool"}, {"average_pool", "avg_pool"}, {"avg_pool2d", "avg_pool"},
      {"AdaptiveAvgPool2d", "adaptive_avg_pool"}, {"global_average_pool", "global_avg_pool"},
      {"GlobalAveragePooling2D", "global_avg_pool"}, {"ReLU", "relu"}, {"Dropout", "dropout"}, {"Flatten", "flatten"},
      {"cat", "concat"}, {"concatenate", "concat"}, {"Sigmoid", "sigmoid"}, {"Tanh", "tanh"}, {"GELU", "gelu"},
      {"swish", "silu"}, {"Softmax", "softmax"}, {"multiply", "mul"}, {"subtract", "sub"}, {"upsample_nearest", "upsample"},
      {"Upsample", "upsample"}, {"interpolate", "upsample"}, {"lrn", "local_response_norm"}, {"permute", "transpose"},
      {"view", "reshape"}, {"mean", "reduce_mean"}, {"LeakyReLU", "leaky_relu"},
      {"SiLU", "silu"}, {"Dropout2d", "dropout"}, {"LocalResponseNorm", "local_response_norm"},
  };
  return find(table, foreign);
}

std::string usual_name_of_argument(const std::string& foreign) {
  static const std::map<std::string, std::string> table = {
      {"padding", "pad"}, {"kernel_size", "window"}, {"kernel", "window"}, {"filters", "channels"},
      {"out_channels", "channels"}, {"out_features", "channels"}, {"features", "channels"}, {"strides", "stride"},
      {"epsilon", "eps"}, {"ceil_mode", "ceil"}, {"use_bias", "bias"}, {"p", "rate"}, {"probability", "rate"},
      {"output_size", "to"}, {"scale_factor", "factor"}, {"dim", "axis"}, {"keepdim", "keep"},
      {"keep_dims", "keep"}, {"initializer", "init"}, {"initialiser", "init"}, {"negative_slope", "slope"},
      {"dilations", "dilation"}, {"group", "groups"}, {"units", "channels"}, {"num_classes", "classes"},
  };
  return find(table, foreign);
}

std::string usual_name_of_value(const std::string& foreign) {
  static const std::map<std::string, std::string> table = {
      {"True", "true"}, {"TRUE", "true"}, {"False", "false"}, {"FALSE", "false"}};
  return find(table, foreign);
}

std::string instead_of_callee(const std::string& foreign) {
  static const char* kActivations = "activations are relu, leaky_relu, gelu, silu, sigmoid and tanh";
  static const std::map<std::string, std::string> table = [] {
    std::map<std::string, std::string> notes = {
        {"sum", "`x -> add(y)` adds two values, `reduce_sum(axes = [...])` the elements along axes"},
        {"conv1d", "there is no operator of one dimension; windows have two, and an extent of 1 is one of them: `conv(8, 3x1)`"},
        {"conv3d", "windows have two dimensions"},
        {"group_norm", "normalisations are batch_norm, layer_norm and local_response_norm"},
        {"instance_norm", "normalisations are batch_norm, layer_norm and local_response_norm"},
        {"rms_norm", "normalisations are batch_norm, layer_norm and local_response_norm"},
        {"adaptive_max_pool", "there is `adaptive_avg_pool(to)`, and `max_pool` with a window and a stride"},
    };
    for (const char* name : {"elu", "selu", "celu", "prelu", "relu6", "rrelu", "softplus", "hard_swish", "hardswish", "hard_sigmoid",
                             "mish", "softsign", "swiglu", "glu", "ELU", "SELU", "CELU", "PReLU", "ReLU6", "Softplus", "Hardswish", "Mish"})
      notes.emplace(name, kActivations);
    for (const char* name : {"Conv1d", "Conv1D"}) notes.emplace(name, notes.at("conv1d"));
    for (const char* name : {"Conv3d", "Conv3D"}) notes.emplace(name, notes.at("conv3d"));
    for (const char* name : {"GroupNorm", "InstanceNorm2d", "RMSNorm"}) notes.emplace(name, notes.at("group_norm"));
    notes.emplace("AdaptiveMaxPool2d", notes.at("adaptive_max_pool"));
    return notes;
  }();
  return find(table, foreign);
}

std::string instead_of_value(const std::string& foreign) {
  static const char* kNothing = "there is no such value: what is left out has its default";
  static const char* kPad = "a pad is a number; without one `conv` keeps the extent of a window that is odd, and `pad = 0` pads nothing";
  static const std::map<std::string, std::string> table = {
      {"None", kNothing}, {"none", kNothing}, {"null", kNothing}, {"nil", kNothing}, {"same", kPad}, {"SAME", kPad},
      {"valid", kPad},    {"VALID", kPad}};
  return find(table, foreign);
}

}  // namespace netc
