// Not a check: prints the speed of loop nests on one thread, in nanoseconds an output or input element.
// --gtest_also_run_disabled_tests --gtest_filter=*NestSpeed*
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/cpu/kernel_harness.h"

namespace netc {
namespace {

struct Case {
  const char* name;
  const char* op;
  Attrs attrs;
  std::vector<TensorType> inputs;
};

TEST(NestSpeed, DISABLED_Operators) {
  const Target target = host_target();
  const Shape image{64, 32, 28, 28}, half{64, 32, 14, 14};
  const TensorType x{DType::f32, image}, channels{DType::f32, {32}}, small{DType::f32, half};
  auto pool = [](int64_t window, int64_t stride, int64_t pad, bool more) {
    Attrs attrs{{"window_h", window}, {"window_w", window}, {"stride_h", stride}, {"stride_w", stride}, {"pad_h", pad}, {"pad_w", pad}};
    if (more) {
      attrs.set("height", int64_t{28});
      attrs.set("width", int64_t{28});
    }
    return attrs;
  };
  std::vector<Case> cases = {
      {"relu", "relu", {}, {x}},
      {"exp", "exp", {}, {x}},
      {"tanh", "tanh", {}, {x}},
      {"gelu", "gelu", {}, {x}},
      {"add of a channel's value", "add", {}, {x, {DType::f32, {1, 32, 1, 1}}}},
      {"channel sums", "reduce_sum", {{"axes", Ints{0, 2, 3}}, {"keep", false}}, {x}},
      {"column sums", "reduce_sum", {{"axes", Ints{0}}, {"keep", false}}, {{DType::f32, {128, 4096}}}},
      {"row maxima", "reduce_max", {{"axes", Ints{1}}, {"keep", true}}, {{DType::f32, {4096, 128}}}},
      {"transpose", "transpose", {{"permutation", Ints{0, 2, 3, 1}}}, {x}},
      {"2x2 max pool", "max_pool", pool(2, 2, 0, false), {x}},
      {"its gradient", "max_pool_gradient", pool(2, 2, 0, true), {small, {DType::i32, half}}},
      {"3x3 max pool, stride 2, pad 1", "max_pool", pool(3, 2, 1, false), {x}},
      {"its gradient", "max_pool_gradient", pool(3, 2, 1, true), {small, {DType::i32, half}}},
      {"3x3 max pool, stride 1, pad 1", "max_pool", pool(3, 1, 1, false), {x}},
      {"its gradient", "max_pool_gradient", pool(3, 1, 1, true), {x, {DType::i32, image}}},
      {"2x2 average pool", "average_pool", pool(2, 2, 0, false), {x}},
      {"dropout", "dropout", {{"p", 0.5}, {"path", std::string("d")}}, {x}},
      {"global mean", "reduce_mean", {{"axes", Ints{2, 3}}, {"keep", false}}, {x}},
  };
  const char* only = std::getenv("NETC_ONLY");
  for (const Case& c : cases) {
    if (only && std::string(c.name).find(only) == std::string::npos) continue;
    const OpDef& definition = op(c.op);
    const Attrs attrs = complete_attrs(definition, c.attrs);
    const std::vector<bool> present(c.inputs.size(), true);
    const std::vector<TensorType> outputs = definition.infer({attrs, c.inputs, present, {}});
    if (!definition.scalar) continue;
    const CompiledKernel kernel(body_of(definition, attrs, c.inputs, present, outputs), target);
    const int64_t elements = std::max(c.inputs[0].elements(), outputs[0].elements());
    const double seconds = kernel.measure(5);
    std::printf("%-34s %7.3f ns  (%ld tasks, %zu KB in %.0f ms)\n", c.name, seconds * 1e9 / static_cast<double>(elements),
                static_cast<long>(kernel.tasks()), kernel.object_bytes() >> 10, kernel.compile_seconds() * 1e3);
    if (std::getenv("NETC_ASM")) std::puts(emit_asm_text(body_of(definition, attrs, c.inputs, present, outputs), "k", target).c_str());
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace netc
