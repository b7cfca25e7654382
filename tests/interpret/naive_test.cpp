// Every scalar operator on every sample: the interpreter's blocks and runs against an evaluation point
// by point that follows the definitions in dag.h and loop_nest.h word for word.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "compiler/base/random.h"
#include "compiler/interpret/evaluate.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

class Point {
 public:
  Point(const Dag& dag, const std::vector<const HostTensor*>& operands, const RunScalars& run) : dag_(dag), operands_(operands), run_(run) {}

  std::vector<int64_t> axes;
  std::vector<double> reduced;

  int64_t index(ExprId id) const {
    const Expr& e = dag_[id];
    auto arg = [&](size_t i) { return index(e.args[i]); };
    switch (e.kind) {
      case ExprKind::axis: return axes.at(static_cast<size_t>(e.integer));
      case ExprKind::index_constant: return e.integer;
      case ExprKind::index_add: return arg(0) + arg(1);
      case ExprKind::index_sub: return arg(0) - arg(1);
      case ExprKind::index_mul: return arg(0) * arg(1);
      case ExprKind::index_floor_div: return floor_div(arg(0), e.integer);
      case ExprKind::index_floor_mod: return floor_mod(arg(0), e.integer);
      case ExprKind::index_min: return std::min(arg(0), arg(1));
      case ExprKind::index_max: return std::max(arg(0), arg(1));
      case ExprKind::index_scalar:
        return e.integer == 0 ? run_.scalars.step : e.integer == 1 ? run_.scalars.valid_count : run_.scalars.first_sample;
      case ExprKind::index_load: return static_cast<int64_t>(element(e));
      case ExprKind::index_floor: return static_cast<int64_t>(std::floor(real(e.args[0])));
      case ExprKind::index_select: return boolean(e.args[0]) ? arg(1) : arg(2);
      default: throw std::logic_error("no index");
    }
  }

  bool boolean(ExprId id) const {
    const Expr& e = dag_[id];
    switch (e.kind) {
      case ExprKind::index_less: return index(e.args[0]) < index(e.args[1]);
      case ExprKind::index_equal: return index(e.args[0]) == index(e.args[1]);
      case ExprKind::real_less: return real(e.args[0]) < real(e.args[1]);
      case ExprKind::real_less_equal: return real(e.args[0]) <= real(e.args[1]);
      case ExprKind::real_equal: return real(e.args[0]) == real(e.args[1]);
      case ExprKind::logical_and: return boolean(e.args[0]) && boolean(e.args[1]);
      case ExprKind::logical_or: return boolean(e.args[0]) || boolean(e.args[1]);
      case ExprKind::logical_not: return !boolean(e.args[0]);
      default: throw std::logic_error("no boolean");
    }
  }

  double real(ExprId id) const {
    const Expr& e = dag_[id];
    switch (e.kind) {
      case ExprKind::real_constant: return e.real;
      case ExprKind::real_scalar: return e.integer == 0 ? run_.learning_rate : run_.scalars.loss_scale;
      case ExprKind::load: return e.args[0] != kNoExpr && !boolean(e.args[0]) ? 0 : element(e);
      case ExprKind::reduced: return reduced.at(static_cast<size_t>(e.integer));
      case ExprKind::from_index: return static_cast<double>(index(e.args[0]));
      case ExprKind::select: return boolean(e.args[0]) ? real(e.args[1]) : real(e.args[2]);
      case ExprKind::cast: return round_to(real(e.args[0]), e.dtype);
      case ExprKind::uniform:
        return uniform_from_bits(random_bits(static_cast<uint64_t>(run_.scalars.seed), static_cast<uint32_t>(e.integer),
                                             static_cast<uint64_t>(run_.scalars.step), static_cast<uint64_t>(index(e.args[0])),
                                             static_cast<uint64_t>(index(e.args[1]))));
      default: return evaluate(e.kind, real(e.args[0]), e.args[1] == kNoExpr ? 0 : real(e.args[1]));
    }
  }

 private:
  double element(const Expr& e) const {
    const HostTensor& operand = *operands_.at(static_cast<size_t>(e.integer));
    int64_t address = 0;
    for (size_t d = 0; d < operand.shape.size(); ++d) {
      int64_t i = index(e.indices.at(d));
      if (i < 0 || i >= operand.shape[d]) throw std::out_of_range("a load outside of its operand");
      address = address * operand.shape[d] + i;
    }
    return operand.data[static_cast<size_t>(address)];
  }

  const Dag& dag_;
  const std::vector<const HostTensor*>& operands_;
  const RunScalars& run_;
};

void set_axes(std::vector<int64_t>& axes, const Shape& extents, int64_t position) {
  axes.assign(extents.size(), 0);
  for (size_t a = extents.size(); a-- > 0; position /= extents[a]) axes[a] = position % extents[a];
}

double reduce(const Reduction& reduction, Point& point, const LoopNest& nest, int64_t parallel) {
  double result = reduction.kind == ReduceKind::sum ? 0 : -std::numeric_limits<double>::infinity(), position = 0;
  if (reduction.kind == ReduceKind::min) result = -result;
  for (int64_t r = 0; r < nest.reduction_count(); ++r) {
    set_axes(point.axes, nest.extents, parallel * nest.reduction_count() + r);
    double value = point.real(reduction.body);
    switch (reduction.kind) {
      case ReduceKind::sum: result += value; break;
      case ReduceKind::max: result = evaluate(ExprKind::max, result, value); break;
      case ReduceKind::min: result = evaluate(ExprKind::min, result, value); break;
      case ReduceKind::argmax:
        if (value > result || (std::isnan(value) && !std::isnan(result))) {
          result = value;
          position = static_cast<double>(r);
        }
        break;
    }
  }
  return reduction.kind == ReduceKind::argmax ? position : result;
}

std::vector<HostTensor> evaluate_naively(const LoopNest& nest, const std::vector<const HostTensor*>& operands,
                                         const std::vector<TensorType>& outputs, const RunScalars& run) {
  std::vector<HostTensor> results;
  for (const TensorType& type : outputs) results.push_back({type.shape, std::vector<double>(static_cast<size_t>(type.elements()))});
  Point point(nest.dag, operands, run);
  for (int64_t p = 0; p < nest.parallel_count(); ++p) {
    std::vector<double> reduced;
    for (const Reduction& reduction : nest.reductions) reduced.push_back(reduce(reduction, point, nest, p));
    point.reduced = reduced;
    set_axes(point.axes, nest.parallel_extents(), p);
    for (const Store& store : nest.stores) {
      size_t o = static_cast<size_t>(store.output);
      double value = point.real(store.value);
      results[o].data[static_cast<size_t>(p)] = outputs[o].dtype == DType::f32 ? value : round_to(value, outputs[o].dtype);
    }
  }
  return results;
}

TEST(Nest, EveryScalarOperatorPointByPoint) {
  std::mt19937 random(11);
  RunScalars run;
  run.scalars.seed = 5;
  run.scalars.step = 2;
  run.scalars.valid_count = 1;
  run.scalars.first_sample = 3;
  run.learning_rate = 0.25;
  int checked = 0;
  for (const OpDef* op : all_ops()) {
    if (!op->scalar) continue;
    for (const OpSample& sample : op->samples()) {
      Builder builder;
      std::vector<HostTensor> tensors(sample.inputs.size());
      std::vector<const HostTensor*> operands;
      std::vector<ValueId> inputs;
      for (size_t i = 0; i < sample.inputs.size(); ++i) {
        const SampleInput& input = sample.inputs[i];
        bool absent = input.type.shape == Shape{-1};
        inputs.push_back(absent ? ValueId{} : builder.add_input("in" + std::to_string(i), input.type));
        operands.push_back(absent ? nullptr : &tensors[i]);
        if (absent) continue;
        std::uniform_real_distribution<double> draw(input.low, input.high);
        tensors[i] = {input.type.shape, std::vector<double>(static_cast<size_t>(input.type.elements()))};
        for (double& value : tensors[i].data) value = is_floating(input.type.dtype) ? draw(random) : std::round(draw(random));
      }
      std::vector<ValueId> outputs = builder.emit_all(*op, inputs, sample.attrs);
      OpCall call = make_call(builder.graph(), builder.graph().nodes.back());
      LoopNest nest = op->scalar(call);
      std::vector<HostTensor> expected = evaluate_naively(nest, operands, call.outputs, run);
      std::vector<HostTensor> got = evaluate_nest(nest, operands, call.outputs, run);
      ASSERT_EQ(got.size(), expected.size());
      for (size_t o = 0; o < got.size(); ++o)
        for (size_t i = 0; i < got[o].data.size(); ++i)
          ASSERT_TRUE(got[o].data[i] == expected[o].data[i] || (std::isnan(got[o].data[i]) && std::isnan(expected[o].data[i])))
              << op->name << ", " << sample.name << ", output " << o << "[" << i << "]: " << got[o].data[i] << " for "
              << expected[o].data[i] << "\n" << to_string(nest);
      ++checked;
    }
  }
  EXPECT_GT(checked, 100);
}

}  // namespace
}  // namespace netc
