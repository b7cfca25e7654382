#include "compiler/passes/update.h"

#include <cmath>

#include "compiler/ops/build.h"
#include "compiler/ops/registry.h"

namespace netc {
namespace {

using namespace build;

class Update {
 public:
  Update(const OptimizerSpec& optimizer, int64_t elements) : spec_(optimizer), type_{DType::f32, {elements}} {
    b_.set_origin({"optimizer", {}, {}});
    parameter_state_ = b_.declare_state({kParameterSlab, type_, StateKind::parameter, {}});
    parameter_ = b_.read_state(parameter_state_);
    gradient_ = b_.add_state({kGradientSlab, type_, StateKind::gradient, {}});
    rate_ = scalar("learning_rate");
    step_ = scalar("step");
    for (const std::string& name : moment_names(optimizer))
      moments_.push_back(b_.declare_state({"slab/" + name, type_, StateKind::moment, {}}));
  }

  Graph run() {
    ValueId next{};
    switch (spec_.kind) {
      case OptimizerSpec::Kind::sgd: next = sgd(); break;
      case OptimizerSpec::Kind::adam: next = adam(parameter_, decayed_gradient()); break;
      case OptimizerSpec::Kind::adamw: {
        ValueId keep = sub(b_, number(b_, 1, rate_), mul(b_, rate_, spec_.weight_decay));
        next = adam(spec_.weight_decay == 0 ? parameter_ : mul(b_, parameter_, keep), gradient_);
        break;
      }
    }
    b_.add_update(parameter_state_, next);
    return b_.finish();
  }

 private:
  // A run-time scalar as f32[1], which broadcasts over a slab.
  ValueId scalar(const char* which) {
    return reshape(b_, b_.emit(op("runtime_scalar"), {}, {{"which", std::string(which)}}), {1});
  }

  ValueId decayed_gradient() {
    if (spec_.weight_decay == 0) return gradient_;
    return add(b_, gradient_, mul(b_, parameter_, spec_.weight_decay));
  }

  ValueId sgd() {
    ValueId gradient = decayed_gradient();
    if (spec_.momentum == 0) return sub(b_, parameter_, mul(b_, gradient, rate_));
    ValueId old = b_.read_state(moments_[0]);
    ValueId added = spec_.dampening == 0 ? gradient : mul(b_, gradient, 1 - spec_.dampening);
    ValueId moment = add(b_, mul(b_, old, spec_.momentum), added);
    if (spec_.dampening != 0)  // PyTorch's first step takes the gradient itself
      moment = select(b_, greater(b_, step_, number(b_, 0, step_)), moment, gradient);
    b_.add_update(moments_[0], moment);
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
    b_.add_update(state, average);
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
  TensorType type_;
  Builder b_;
  int32_t parameter_state_ = 0;
  ValueId parameter_, gradient_, rate_, step_;
  std::vector<int32_t> moments_;
};

}  // namespace

std::vector<std::string> moment_names(const OptimizerSpec& optimizer) {
  switch (optimizer.kind) {
    case OptimizerSpec::Kind::sgd:
      return optimizer.momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum"};
    case OptimizerSpec::Kind::adam:
    case OptimizerSpec::Kind::adamw: return {"exp_avg", "exp_avg_sq"};
  }
  return {};
}

Graph make_update(const OptimizerSpec& optimizer, int64_t elements) { return Update(optimizer, elements).run(); }

}  // namespace netc
