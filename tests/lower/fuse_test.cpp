// What fusion decides, seen in the Schedule: which kernels there are, and why.
#include <gtest/gtest.h>

#include "compiler/lower/memory_plan.h"
#include "compiler/lower/schedule.h"
#include "compiler/ops/registry.h"
#include "tests/lower/networks.h"
#include "tests/lower/run_schedule.h"

namespace netc {
namespace {

// Schedules the graph as it is, and checks that it computes what the graph says.
Schedule schedule_of(const std::string& text) {
  Graph graph = parse_graph(text, find_op);
  Schedule schedule = make_schedule(graph, Target{});
  InterpretInputs inputs = random_inputs(graph, 1);
  InterpretResult expected = interpret(graph, inputs);
  InterpretResult actual = run_schedule(schedule, plan_memory(schedule), inputs);
  for (auto maps : {&InterpretResult::outputs, &InterpretResult::states})
    for (const auto& [name, tensor] : expected.*maps)
      for (size_t i = 0; i < tensor.data.size(); ++i)
        EXPECT_NEAR((actual.*maps).at(name).data[i], tensor.data[i], 1e-12) << name;
  return schedule;
}

std::vector<std::string> reasons(const Schedule& schedule) {
  std::vector<std::string> all;
  for (const ScheduledKernel& kernel : schedule.kernels) {
    std::string line;
    for (const std::string& reason : kernel.reasons) line += (line.empty() ? "" : " | ") + reason;
    all.push_back(line);
  }
  return all;
}

using Lines = std::vector<std::string>;

TEST(Fuse, MapsTakeSumsOfWhatTheyCompute) {
  Schedule schedule = schedule_of(R"(
%0: f32[4, 64, 8, 8] = input() {name = "x"}
%1: f32[4, 64, 8, 8] = sigmoid(%0)
%2: f32[64] = reduce_sum(%1) {axes = [0, 2, 3], keep = false}
%3: f32[4] = reduce_sum(%1) {axes = [1, 2, 3], keep = false}
output "y" %1
output "of_channels" %2
output "of_images" %3
)");
  EXPECT_EQ(reasons(schedule), (Lines{"sigmoid: a kernel of its own: reads only inputs and states; it is a result",
                                      "reduce_sum: sums taken by sigmoid", "reduce_sum: a reduction has a kernel of its own"}))
      << "all partial sums of a kernel keep the same axes";
  ASSERT_EQ(schedule.kernels[0].body.partials.size(), 1u);
}

TEST(Fuse, WholeTextOfAnEpilogue) {
  Schedule schedule = schedule_of(R"(
state 0: f32[4, 3] parameter "w" constant(0, 0)
state 1: f32[1, 4] parameter "b" constant(0, 0)
%0: f32[2, 3] = input() {name = "x"}
%1: f32[2, 4] = input() {name = "skip"}
%2: f32[4, 3] = state() {index = 0}
%3: f32[1, 4] = state() {index = 1}
%4: f32[2, 4] = matmul(%0, %2) {transpose_a = false, transpose_b = true}
%5: f32[2, 4] = add(%4, %3)
%6: f32[2, 4] = add(%5, %1)
%7: f32[2, 4] = relu(%6)
output "y" %7
)");
  EXPECT_EQ(to_string(schedule, true), R"(buffer b0: 24 bytes x
buffer b1: 32 bytes skip
buffer b2: 48 bytes state w
buffer b3: 16 bytes state b
buffer b4: 32 bytes relu
input x: f32[2, 3] in b0 x
input skip: f32[2, 4] in b1 skip
kernel 0: matmul  7.2e-05 MFLOP, 0.000152 MB
  matmul: a contraction has a kernel of its own
  add: joins its producer; its operand is in a register
  add: joins its producer; its operand is in a register
  relu: joins its producer; its operand is in a register
  reads b0 x, b2 w, b3 b, b1 skip
  writes b4 relu
in0: x arena f32[2,3] strides [3,1]
in1: w state f32[4,3] strides [3,1]
in2: b state f32[1,4] strides [4,1]
in3: skip arena f32[2,4] strides [4,1]
in4: relu out arena f32[2,4] strides [4,1]
for [2,4] parallel 2
reduced0 = contraction of in0 and in1: t2[m, n] += t0[m, k] * t1[n, k]
  m: 2 M, n: 4 N, k: 3 K
  t0: [2, 3], t1: [4, 3], t2: [2, 4]
in4 = max(((reduced0 +. in2[0, a1]) +. in3[a0, a1]), 0)
output y: f32[2, 4] in b4 relu
)");
}

TEST(Fuse, CheapMapsAreRepeatedExpensiveOnesAreNot) {
  EXPECT_EQ(reasons(schedule_of(R"(
%0: f32[4, 5] = input() {name = "x"}
%1: f32[4, 5] = relu(%0)
%2: f32[4] = reduce_sum(%1) {axes = [1], keep = false}
%3: f32[5] = reduce_sum(%1) {axes = [0], keep = false}
output "rows" %2
output "columns" %3
)")),
            (Lines{"reduce_sum: a reduction has a kernel of its own", "reduce_sum: a reduction has a kernel of its own"}));
  EXPECT_EQ(reasons(schedule_of(R"(
%0: f32[4, 5] = input() {name = "x"}
%1: f32[4, 5] = exp(%0)
%2: f32[4] = reduce_sum(%1) {axes = [1], keep = false}
%3: f32[5] = reduce_sum(%1) {axes = [0], keep = false}
output "rows" %2
output "columns" %3
)")),
            (Lines{"exp: a kernel of its own: reads only inputs and states; too much work to repeat (2 times)",
                   "reduce_sum: a reduction has a kernel of its own", "reduce_sum: a reduction has a kernel of its own"}));
}

TEST(Fuse, ReductionsOfOneOperandShareAKernel) {
  Schedule schedule = schedule_of(R"(
%0: f32[4, 5] = input() {name = "x"}
%1: f32[4, 5] = square(%0)
%2: f32[4] = reduce_sum(%0) {axes = [1], keep = false}
%3: f32[4] = reduce_sum(%1) {axes = [1], keep = false}
%4: f32[4] = reduce_sum(%0) {axes = [1], keep = false}
%5: f32[4] = mul(%3, %4)
output "sum" %2
output "product" %5
)");
  EXPECT_EQ(reasons(schedule),
            (Lines{"reduce_sum: a reduction has a kernel of its own | reduce_sum: joins a reduction that reads the same "
                   "operand | reduce_sum: joins a reduction that reads the same operand | mul: joins its producer; its "
                   "operand is in a register"}));
  EXPECT_EQ(schedule.kernels[0].body.nest.reductions.size(), 2u) << "equal sums are taken once";
}

TEST(Fuse, ReshapesAreViewsAndConcatIsWhereItsInputsAreWritten) {
  Schedule schedule = schedule_of(R"(
state 0: f32[4, 6] parameter "w" constant(0, 0)
%0: f32[2, 6] = input() {name = "x"}
%1: f32[4, 6] = state() {index = 0}
%2: f32[2, 4] = matmul(%0, %1) {transpose_a = false, transpose_b = true}
%3: f32[2, 6] = relu(%0)
%4: f32[2, 10] = concat(%2, %3) {axis = 1}
%5: f32[4, 5] = reshape(%4) {shape = [4, 5]}
%6: f32[4, 3] = slice(%5) {begins = [0, 1], sizes = [4, 3], steps = [1, 1]}
%7: f32[4, 4] = matmul(%6, %6) {transpose_a = false, transpose_b = true}
output "y" %7
)");
  EXPECT_EQ(reasons(schedule), (Lines{"matmul: a contraction has a kernel of its own",
                                      "relu: a kernel of its own: reads only inputs and states; a user needs it in memory",
                                      "matmul: a contraction has a kernel of its own"}));
  EXPECT_EQ(schedule.kernels[0].operands.back(), (BufferView{schedule.kernels[1].operands.back().buffer, 0}));
  EXPECT_EQ(schedule.kernels[1].operands.back().offset, 16);
  EXPECT_EQ(schedule.kernels[1].body.operands.back().strides, (Shape{10, 1}));
  EXPECT_EQ(schedule.kernels[2].operands[0].offset, 4);
  EXPECT_EQ(schedule.kernels[2].body.operands[0].strides, (Shape{5, 1}));
}

TEST(Fuse, AStateIsUpdatedInPlaceOnlyAfterItsLastReader) {
  Schedule in_place = schedule_of(R"(
state 0: f32[4] buffer "s" constant(0, 0)
%0: f32[4] = input() {name = "x"}
%1: f32[4] = state() {index = 0}
%2: f32[4] = add(%1, %0)
update 0 %2
)");
  EXPECT_EQ(in_place.kernels.size(), 1u);
  Schedule read_later = schedule_of(R"(
state 0: f32[4] buffer "s" constant(0, 0)
%0: f32[4] = input() {name = "x"}
%1: f32[4] = state() {index = 0}
%2: f32[4] = add(%1, %0)
%3: f32[] = reduce_sum(%2) {axes = [0], keep = false}
%4: f32[1] = reshape(%3) {shape = [1]}
%5: f32[4] = mul(%1, %4)
output "y" %5
update 0 %2
)");
  EXPECT_EQ(reasons(read_later).back(), "add: copied to a state variable");
  schedule_of(R"(
state 0: f32[2, 2] buffer "s" constant(0, 0)
state 1: f32[4] buffer "zero" constant(0, 0)
state 2: f32[4] buffer "old" constant(0, 0)
%0: f32[2, 2] = state() {index = 0}
%1: f32[2, 2] = transpose(%0) {permutation = [1, 0]}
%2: f32[4] = constant() {value = 0.0}
%3: f32[4] = state() {index = 2}
output "old" %3
output "zero" %2
update 0 %1
update 1 %2
)");
}

TEST(MemoryPlan, ChainsRunInPlace) {
  Schedule schedule = schedule_of(R"(
%0: f32[64] = input() {name = "x"}
%1: f32[64] = exp(%0)
%2: f32[] = reduce_sum(%1) {axes = [0], keep = false}
%3: f32[1] = reshape(%2) {shape = [1]}
%4: f32[64] = div(%1, %3)
%5: f32[] = reduce_max(%4) {axes = [0], keep = false}
%6: f32[1] = reshape(%5) {shape = [1]}
%7: f32[64] = sub(%4, %6)
output "y" %7
)");
  MemoryPlan plan = plan_memory(schedule);
  EXPECT_EQ(plan.in_place, 2) << "exp over x, y over exp; the division is cheap and repeated";
  EXPECT_EQ(plan.arena_bytes, 256 + 64 + 64);
  EXPECT_EQ(plan.arena_bytes, plan.lower_bound);
}

}  // namespace
}  // namespace netc
