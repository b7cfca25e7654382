// How a state variable starts: a distribution with its numbers already computed from the shape.
#pragma once

namespace netc {

struct InitSpec {
  enum class Kind { constant, normal, uniform, truncated_normal };
  Kind kind = Kind::constant;
  double a = 0;  // constant: the value; normal: the mean; uniform: the lower bound
  double b = 0;  // normal: the standard deviation; uniform: the upper bound
  bool operator==(const InitSpec&) const = default;
};

}  // namespace netc
