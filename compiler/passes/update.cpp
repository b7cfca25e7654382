#include "compiler/passes/update.h"

#include <algorithm>
#include <cmath>

#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"
#include "compiler/passes/loss_scale.h"

namespace netc {
namespace {

using namespace build;

class Update {
 public:
  Update(const OptimizerSpec& optimizer, const UpdateShape& shape)
      : spec_(optimizer), shape_(shape), type_{DType::f32, {shape.elements}} {
    b_.set_origin({"optimizer", {}, {}});
    parameter_state_ = b_.declare_state({kParameterSlab, type_, StateKind::parameter, {}});
    parameter_ = b_.read_state(parameter_state_);
    gradient_state_ = b_.declare_state({kGradientSlab, type_, StateKind::gradient, {}});
    gradient_ = b_.read_state(gradient_state_);
    step_ = scalar("step");
    rate_ = by_range(scalar("learning_rate"), &UpdateRange::rate);
    for (const std::string& name : moment_names(optimizer))
      moments_.push_back(b_.declare_state({"slab/" + name, type_, StateKind::moment, {}}));
  }

  Graph run() {
    if (spec_.accumulate > 1) gradient_ = mean_of_batches();
    if (spec_.loss_scale) {
      const ScaledGradients scaled = update_loss_scale(b_, *spec_.loss_scale, gradient_);
      clean_ = scaled.clean;
      step_ = sub(b_, step_, scaled.skipped);
    }
    gradient_ = clipped(gradient_);
    ValueId next{};
    switch (spec_.kind) {
      case OptimizerSpec::Kind::sgd: next = sgd(); break;
      case OptimizerSpec::Kind::adam: next = adam(parameter_, decayed_gradient()); break;
      case OptimizerSpec::Kind::adamw: {
        ValueId loss = mul(b_, rate_, decay());
        ValueId keep = sub(b_, number(b_, 1, loss), loss);
        next = adam(spec_.weight_decay == 0 ? parameter_ : mul(b_, parameter_, keep), gradient_);
        break;
      }
      case OptimizerSpec::Kind::rmsprop: next = rmsprop(); break;
    }
    leave(parameter_state_, next);
    if (spec_.ema > 0) follow(next);
    return b_.finish();
  }

 private:
  // What the step makes of a state, if it is not skipped.
  void leave(int32_t state, ValueId value) {
    b_.add_update(state, clean_.valid() ? select(b_, clean_, value, b_.read_state(state)) : value);
  }

  // A run-time scalar as f32[1], which broadcasts over a slab.
  ValueId scalar(const char* which) {
    return reshape(b_, b_.emit(op("runtime_scalar"), {}, {{"which", std::string(which)}}), {1});
  }

  // `value` [1] times each range's factor: [1] where they are all 1, else one number an element.
  ValueId by_range(ValueId value, double UpdateRange::*factor) {
    const std::vector<UpdateRange>& ranges = shape_.ranges;
    if (std::all_of(ranges.begin(), ranges.end(), [&](const UpdateRange& r) { return r.*factor == 1; })) return value;
    std::vector<ValueId> numbers;
    Ints begins;
    for (const UpdateRange& range : ranges) {
      numbers.push_back(mul(b_, value, range.*factor));
      if (numbers.size() > 1) begins.push_back(range.begin);
    }
    return b_.emit(op("piecewise"), std::move(numbers), {{"begins", begins}, {"size", shape_.elements}});
  }

  ValueId decay() { return by_range(number(b_, spec_.weight_decay, step_), &UpdateRange::decay); }

  ValueId decayed_gradient() {
    if (spec_.weight_decay == 0) return gradient_;
    return add(b_, gradient_, mul(b_, parameter_, decay()));
  }

  // Of the batches before this one and this one. The mean also replaces the last batch's gradient, for who looks at it.
  ValueId mean_of_batches() {
    const int32_t accumulated = b_.declare_state({kAccumulatedSlab, type_, StateKind::gradient, {}});
    const ValueId sum = add(b_, b_.read_state(accumulated), gradient_);
    const ValueId mean = mul(b_, sum, 1 / static_cast<double>(spec_.accumulate));
    b_.add_update(accumulated, b_.constant(0, type_));
    b_.add_update(gradient_state_, mean);
    return mean;
  }

  ValueId clipped(ValueId gradient) {
    if (spec_.clip_value > 0) {
      ValueId limit = number(b_, spec_.clip_value, gradient);
      return maximum(b_, minimum(b_, gradient, limit), neg(b_, limit));
    }
    if (spec_.clip_norm == 0) return gradient;
    ValueId norm = sqrt(b_, reduce_sum(b_, square(b_, gradient), {0}, true));
    ValueId factor = div(b_, number(b_, spec_.clip_norm, norm), add(b_, norm, 1e-6));
    return mul(b_, gradient, minimum(b_, factor, number(b_, 1, factor)));
  }

  // The moving averages of the weights, and of what evaluation needs beside them.
  void follow(ValueId parameter) {
    ValueId share = minimum(b_, div(b_, step_, add(b_, step_, 9)), number(b_, spec_.ema, step_));
    auto average = [&](int32_t state, ValueId value) {
      ValueId old = b_.read_state(state);
      leave(state, add(b_, value, mul(b_, sub(b_, old, value), share)));
    };
    average(moments_.back(), parameter);
    if (shape_.buffer_elements == 0) return;
    const TensorType type{DType::f32, {shape_.buffer_elements}};
    const ValueId buffers = b_.add_state({kBufferSlab, type, StateKind::buffer, {}});
    average(b_.declare_state({kBufferEmaSlab, type, StateKind::moment, {}}), buffers);
  }

  ValueId rmsprop() {
    ValueId gradient = decayed_gradient();
    ValueId variance = moving_average(moments_[0], square(b_, gradient), spec_.alpha);
    size_t next = 1;
    if (spec_.centered) {
      ValueId mean = moving_average(moments_[next++], gradient, spec_.alpha);
      variance = sub(b_, variance, square(b_, mean));
    }
    ValueId direction = div(b_, gradient, add(b_, sqrt(b_, variance), spec_.epsilon));
    if (spec_.momentum != 0) {
      direction = add(b_, mul(b_, b_.read_state(moments_[next]), spec_.momentum), direction);
      leave(moments_[next], direction);
    }
    return sub(b_, parameter_, mul(b_, direction, rate_));
  }

  ValueId sgd() {
    ValueId gradient = decayed_gradient();
    if (spec_.momentum == 0) return sub(b_, parameter_, mul(b_, gradient, rate_));
    ValueId old = b_.read_state(moments_[0]);
    ValueId added = spec_.dampening == 0 ? gradient : mul(b_, gradient, 1 - spec_.dampening);
    ValueId moment = add(b_, mul(b_, old, spec_.momentum), added);
    if (spec_.dampening != 0)  // PyTorch's first step takes the gradient itself
      moment = select(b_, greater(b_, step_, number(b_, 0, step_)), moment, gradient);
    leave(moments_[0], moment);
    ValueId direction = spec_.nesterov ? add(b_, gradient, mul(b_, moment, spec_.momentum)) : moment;
    return sub(b_, parameter_, mul(b_, direction, rate_));
  }

  ValueId adam(ValueId parameter, ValueId gradient) {
    ValueId mean = moving_average(moments_[0], gradient, spec_.beta1);
    ValueId variance = moving_average(moments_[1], square(b_, gradient), spec_.beta2);
    ValueId rate = div(b_, rate_, bias_correction(spec_.beta1));
    ValueId deviation = div(b_, sqrt(b_, variance), sqrt(b_, bias_correction(spec_.beta2)));
    return sub(b_, parameter, mul(b_, div(b_, mean, add(b_, deviation, spec_.epsilon)), rate));
  }

  ValueId moving_average(int32_t state, ValueId value, double beta) {
    ValueId average = add(b_, mul(b_, b_.read_state(state), beta), mul(b_, value, 1 - beta));
    leave(state, average);
    return average;
  }

  // 1 - beta^t with t = step + 1. The power is e^x, x = t log beta, and 1 - e^x = -2 h / (1 - h) with
  // h = tanh(x / 2), which keeps its digits in f32 where e^x is almost 1.
  ValueId bias_correction(double beta) {
    if (beta == 0) return number(b_, 1, step_);
    ValueId h = b_.emit(op("tanh"), {mul(b_, add(b_, step_, 1), std::log(beta) / 2)});
    return div(b_, mul(b_, h, -2), sub(b_, number(b_, 1, h), h));
  }

  const OptimizerSpec& spec_;
  const UpdateShape& shape_;
  TensorType type_;
  Builder b_;
  int32_t parameter_state_ = 0, gradient_state_ = 0;
  ValueId parameter_, gradient_, rate_, step_;  // step_: updates before this one
  ValueId clean_;                               // where gradients are scaled: 1 if they are all finite
  std::vector<int32_t> moments_;
};

}  // namespace

std::vector<std::string> moment_names(const OptimizerSpec& optimizer) {
  std::vector<std::string> names;
  switch (optimizer.kind) {
    case OptimizerSpec::Kind::sgd:
      if (optimizer.momentum != 0) names = {"momentum"};
      break;
    case OptimizerSpec::Kind::adam:
    case OptimizerSpec::Kind::adamw: names = {"exp_avg", "exp_avg_sq"}; break;
    case OptimizerSpec::Kind::rmsprop:
      names = {"square_avg"};
      if (optimizer.centered) names.push_back("grad_avg");
      if (optimizer.momentum != 0) names.push_back("momentum");
      break;
  }
  if (optimizer.ema > 0) names.push_back("ema");
  return names;
}

Graph make_update(const OptimizerSpec& optimizer, const UpdateShape& shape) { return Update(optimizer, shape).run(); }

Graph make_accumulation(int64_t elements) {
  Builder b;
  b.set_origin({"optimizer", {}, {}});
  const TensorType type{DType::f32, {elements}};
  const int32_t accumulated = b.declare_state({kAccumulatedSlab, type, StateKind::gradient, {}});
  const ValueId gradient = b.add_state({kGradientSlab, type, StateKind::gradient, {}});
  b.add_update(accumulated, add(b, b.read_state(accumulated), gradient));
  return b.finish();
}

}  // namespace netc
