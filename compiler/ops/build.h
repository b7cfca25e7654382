// Short constructors of nodes, for gradients, decompositions, passes and elaboration.
//
// Example, the gradient of y = tanh(x):
//   using namespace build;
//   mul(b, dy, sub(b, number(b, 1, y), square(b, y)))
#pragma once

#include "compiler/ir/graph.h"

namespace netc::build {

// A constant of rank and dtype of `like` with all extents 1, so that it broadcasts against it.
ValueId number(Builder& builder, double value, ValueId like);

// Element-wise, of equal rank; extents of 1 broadcast.
ValueId add(Builder& builder, ValueId a, ValueId b);
ValueId sub(Builder& builder, ValueId a, ValueId b);
ValueId mul(Builder& builder, ValueId a, ValueId b);
ValueId div(Builder& builder, ValueId a, ValueId b);
ValueId maximum(Builder& builder, ValueId a, ValueId b);
ValueId minimum(Builder& builder, ValueId a, ValueId b);
ValueId greater(Builder& builder, ValueId a, ValueId b);  // 1 where a > b, else 0
ValueId equal(Builder& builder, ValueId a, ValueId b);
ValueId select(Builder& builder, ValueId condition, ValueId a, ValueId b);  // condition != 0 ? a : b

// With a number on the right.
ValueId add(Builder& builder, ValueId a, double b);
ValueId sub(Builder& builder, ValueId a, double b);
ValueId mul(Builder& builder, ValueId a, double b);
ValueId div(Builder& builder, ValueId a, double b);

ValueId neg(Builder& builder, ValueId x);
ValueId exp(Builder& builder, ValueId x);
ValueId log(Builder& builder, ValueId x);
ValueId sqrt(Builder& builder, ValueId x);
ValueId rsqrt(Builder& builder, ValueId x);
ValueId square(Builder& builder, ValueId x);
ValueId relu(Builder& builder, ValueId x);
ValueId pow(Builder& builder, ValueId x, double exponent);
ValueId cast(Builder& builder, ValueId x, DType dtype);  // x itself if it has that dtype

ValueId reshape(Builder& builder, ValueId x, Shape shape);  // x itself if it has that shape
ValueId transpose(Builder& builder, ValueId x, Ints permutation);
ValueId broadcast(Builder& builder, ValueId x, Shape shape);  // x itself if it has that shape
ValueId slice(Builder& builder, ValueId x, Ints begins, Ints sizes, Ints steps);
ValueId pad(Builder& builder, ValueId x, Ints before, Ints after, double value);
ValueId concat(Builder& builder, std::vector<ValueId> values, int64_t axis);

ValueId reduce_sum(Builder& builder, ValueId x, Ints axes, bool keep = false);
ValueId reduce_mean(Builder& builder, ValueId x, Ints axes, bool keep = false);
ValueId reduce_max(Builder& builder, ValueId x, Ints axes, bool keep = false);

// The transpose of broadcasting: sums x over the axes in which `shape` has 1 and x has more.
ValueId sum_to(Builder& builder, ValueId x, Shape shape);

// Every axis of a rank but those in `except`: {0, 2, 3} for rank 4 and {1}.
Ints axes_except(size_t rank, const Ints& except);

}  // namespace netc::build
