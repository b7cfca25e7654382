// Loop nests, a block of points at a time.
//
// The points of an index space are visited in row-major order in blocks of kBlock. A Dag becomes a
// tape: one instruction a node, each of which computes a register of kBlock values, so that the
// interpreter's overhead is shared by a block and the loops vectorise. Affine indices are evaluated by runs along the innermost
// axis; a load whose index is the point itself is no copy but a view of its operand.
//
// A nest is evaluated in two passes: the reductions over all axes, into one array each over the
// parallel axes; then the stores over the parallel axes, which load those arrays.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "compiler/base/error.h"
#include "compiler/base/random.h"
#include "compiler/interpret/evaluate.h"

namespace netc {
namespace {

constexpr int64_t kBlock = 256;

// constant + sum of coefficient * axis.
struct Linear {
  int64_t constant = 0;
  std::vector<int64_t> coefficients;  // per axis
};

// A block as runs along the innermost axis.
struct Run {
  int64_t first, count;  // within the block
  std::vector<int64_t> at;  // coordinates of its first point
};
struct Block {
  int64_t start = 0, count = 0;
  std::vector<Run> runs;
  size_t run_count = 0;
};

int64_t at_run(const Linear& linear, const Run& run) {
  int64_t value = linear.constant;
  for (size_t a = 0; a < run.at.size(); ++a) value += linear.coefficients[a] * run.at[a];
  return value;
}

class IndexSpace {
 public:
  explicit IndexSpace(Shape extents) : extents_(std::move(extents)) {
    inner_ = extents_.size();
    while (inner_ > 0 && extents_[inner_ - 1] == 1) --inner_;  // trailing axes of extent 1 do not move
    coordinates_.assign(extents_.size(), 0);
  }
  int64_t points() const { return element_count(extents_); }
  const Shape& extents() const { return extents_; }
  // Of the innermost axis that moves.
  int64_t step(const Linear& linear) const { return inner_ == 0 ? 0 : linear.coefficients[inner_ - 1]; }

  // The block that follows the last one.
  void advance(Block& block) {
    block.start += block.count;
    block.count = std::min(kBlock, points() - block.start);
    block.run_count = 0;
    for (int64_t done = 0; done < block.count;) {
      if (block.runs.size() == block.run_count) block.runs.emplace_back();
      Run& run = block.runs[block.run_count++];
      run.first = done;
      run.at.assign(coordinates_.begin(), coordinates_.end());
      int64_t rest = inner_ == 0 ? 1 : extents_[inner_ - 1] - coordinates_[inner_ - 1];
      run.count = std::min(rest, block.count - done);
      done += run.count;
      if (inner_ == 0) continue;
      coordinates_[inner_ - 1] += run.count;
      for (size_t a = inner_ - 1; a > 0 && coordinates_[a] == extents_[a]; --a) {
        coordinates_[a] = 0;
        ++coordinates_[a - 1];
      }
    }
  }

 private:
  Shape extents_;
  size_t inner_ = 0;
  std::vector<int64_t> coordinates_;
};

struct Load {
  const HostTensor* operand = nullptr;
  Linear address;  // from the indices that are affine and always within their dimension
  struct Index {
    ExprId value;
    int64_t stride, extent;
  };
  std::vector<Index> indices;  // the others, checked at every point
  bool is_view = false;        // address == constant + the point's own number
};

// What the registers of a node's values are; only one is used.
struct Register {
  std::vector<double> real;
  std::vector<int64_t> index;
  std::vector<uint8_t> boolean;
  const double* view = nullptr;  // the real values: `real`, or a view of an operand
};

double value_of(RealScalar which, const RunScalars& run) {
  switch (which) {
    case RealScalar::learning_rate: return run.learning_rate;
    case RealScalar::loss_scale: return run.scalars.loss_scale;
  }
  throw InternalError("unknown real scalar");
}

int64_t value_of(IndexScalar which, const RuntimeScalars& scalars) {
  switch (which) {
    case IndexScalar::step: return scalars.step;
    case IndexScalar::valid_count: return scalars.valid_count;
    case IndexScalar::first_sample: return scalars.first_sample;
  }
  throw InternalError("unknown index scalar");
}

class Tape {
 public:
  Tape(const Dag& dag, const std::vector<ExprId>& roots, IndexSpace& space, const std::vector<const HostTensor*>& operands,
       const std::vector<std::vector<double>>& reduced, const RunScalars& run)
      : dag_(dag), space_(space), operands_(operands), reduced_(reduced), run_(run),
        registers_(static_cast<size_t>(dag.size())), loads_(static_cast<size_t>(dag.size())),
        linears_(static_cast<size_t>(dag.size())) {
    visit_postorder(dag, roots, [&](ExprId id) { prepare(id); });
    schedule(roots);
  }

  // Computes the nodes over a block. Elements past block.count are unspecified.
  void run(const Block& block) {
    for (ExprId id : order_) execute(id, block);
  }
  const double* real(ExprId id) const { return registers_[static_cast<size_t>(id)].view; }

 private:
  Register& reg(ExprId id) { return registers_[static_cast<size_t>(id)]; }
  const int64_t* index(ExprId id) const { return registers_[static_cast<size_t>(id)].index.data(); }
  const uint8_t* boolean(ExprId id) const { return registers_[static_cast<size_t>(id)].boolean.data(); }

  bool linear(ExprId id, Linear& out) const {
    AffineIndex affine;
    if (!as_affine(dag_, id, affine)) return false;
    out.constant = affine.constant;
    out.coefficients.assign(space_.extents().size(), 0);
    for (auto [axis, coefficient] : affine.coefficients) {
      NETC_CHECK(axis < static_cast<int>(space_.extents().size()), "an axis beyond the index space");
      out.coefficients[static_cast<size_t>(axis)] = coefficient;
    }
    return true;
  }

  bool stays_within(const Linear& linear, int64_t extent) const {
    int64_t low = linear.constant, high = linear.constant;
    for (size_t a = 0; a < linear.coefficients.size(); ++a) {
      int64_t reach = linear.coefficients[a] * (space_.extents()[a] - 1);
      (reach < 0 ? low : high) += reach;
    }
    return low >= 0 && high < extent;
  }

  // Makes the register, resolves loads and fills constants.
  void prepare(ExprId id);
  void schedule(const std::vector<ExprId>& roots);
  void prepare_load(ExprId id);
  void execute(ExprId id, const Block& block);
  void execute_linear(ExprId id, const Block& block);
  template <class T>
  void execute_load(ExprId id, const Block& block, T* out);

  const Dag& dag_;
  IndexSpace& space_;
  const std::vector<const HostTensor*>& operands_;
  const std::vector<std::vector<double>>& reduced_;
  const RunScalars& run_;
  std::vector<Register> registers_;
  std::vector<std::unique_ptr<Load>> loads_;
  std::vector<std::unique_ptr<Linear>> linears_;
  std::vector<ExprId> order_;
};

void Tape::prepare(ExprId id) {
  const Expr& e = dag_[id];
  Register& r = reg(id);
  switch (e.type) {
    case ExprType::real:
      r.real.assign(kBlock, 0);
      r.view = r.real.data();
      break;
    case ExprType::index: r.index.assign(kBlock, 0); break;
    case ExprType::boolean: r.boolean.assign(kBlock, 0); break;
  }
  if (e.kind == ExprKind::real_constant) r.real.assign(kBlock, e.real);
  if (e.kind == ExprKind::index_constant) r.index.assign(kBlock, e.integer);
  if (e.kind == ExprKind::real_scalar) r.real.assign(kBlock, value_of(static_cast<RealScalar>(e.integer), run_));
  if (e.kind == ExprKind::index_scalar) r.index.assign(kBlock, value_of(static_cast<IndexScalar>(e.integer), run_.scalars));
  if (e.kind == ExprKind::load || e.kind == ExprKind::index_load) prepare_load(id);
  if (Linear l; e.type == ExprType::index && linear(id, l)) linears_[static_cast<size_t>(id)] = std::make_unique<Linear>(l);
}

// The nodes that are computed per block: not constants, nor indices that only loads at known addresses use.
void Tape::schedule(const std::vector<ExprId>& roots) {
  std::vector<bool> needed(static_cast<size_t>(dag_.size()), false);
  auto need = [&](ExprId id) {
    if (id != kNoExpr) needed[static_cast<size_t>(id)] = true;
  };
  for (ExprId root : roots) need(root);
  for (ExprId id = dag_.size(); id-- > 0;) {
    if (!needed[static_cast<size_t>(id)]) continue;
    const Expr& e = dag_[id];
    if (e.kind == ExprKind::real_constant || e.kind == ExprKind::index_constant || e.kind == ExprKind::real_scalar ||
        e.kind == ExprKind::index_scalar)
      continue;
    order_.push_back(id);
    if (linears_[static_cast<size_t>(id)]) continue;
    for (ExprId arg : e.args) need(arg);
    if (const Load* load = loads_[static_cast<size_t>(id)].get())
      for (const Load::Index& index : load->indices) need(index.value);
  }
  std::reverse(order_.begin(), order_.end());
}

void Tape::prepare_load(ExprId id) {
  const Expr& e = dag_[id];
  auto load = std::make_unique<Load>();
  NETC_CHECK(e.integer >= 0 && static_cast<size_t>(e.integer) < operands_.size() && operands_[static_cast<size_t>(e.integer)],
             fmt::format("a load from absent operand {}", e.integer));
  load->operand = operands_[static_cast<size_t>(e.integer)];
  const Shape& shape = load->operand->shape;
  NETC_CHECK(shape.size() == e.indices.size(), fmt::format("{} indices for {}", e.indices.size(), to_string(shape)));
  Shape strides = row_major_strides(shape);
  load->address.coefficients.assign(space_.extents().size(), 0);
  for (size_t d = 0; d < shape.size(); ++d) {
    Linear index;
    if (!linear(e.indices[d], index) || !stays_within(index, shape[d])) {
      load->indices.push_back({e.indices[d], strides[d], shape[d]});
      continue;
    }
    load->address.constant += index.constant * strides[d];
    for (size_t a = 0; a < index.coefficients.size(); ++a)
      load->address.coefficients[a] += index.coefficients[a] * strides[d];
  }
  Shape own = row_major_strides(space_.extents());
  load->is_view = e.kind == ExprKind::load && load->indices.empty() && e.args[0] == kNoExpr;
  for (size_t a = 0; a < own.size(); ++a)
    load->is_view &= space_.extents()[a] == 1 || load->address.coefficients[a] == own[a];
  loads_[static_cast<size_t>(id)] = std::move(load);
}

void Tape::execute_linear(ExprId id, const Block& block) {
  const Linear& linear = *linears_[static_cast<size_t>(id)];
  int64_t step = space_.step(linear);
  int64_t* out = reg(id).index.data();
  for (size_t r = 0; r < block.run_count; ++r) {
    const Run& run = block.runs[r];
    int64_t value = at_run(linear, run);
    for (int64_t i = run.first; i < run.first + run.count; ++i, value += step) out[i] = value;
  }
}

template <class T>
void Tape::execute_load(ExprId id, const Block& block, T* out) {
  const Load& load = *loads_[static_cast<size_t>(id)];
  const double* data = load.operand->data.data();
  int64_t step = space_.step(load.address);
  ExprId guard = dag_[id].args[0];
  if (load.indices.empty() && guard == kNoExpr) {
    for (size_t r = 0; r < block.run_count; ++r) {
      const Run& run = block.runs[r];
      const double* from = data + at_run(load.address, run);
      for (int64_t i = 0; i < run.count; ++i) out[run.first + i] = static_cast<T>(from[i * step]);
    }
    return;
  }
  int64_t address[kBlock];
  for (size_t r = 0; r < block.run_count; ++r) {
    const Run& run = block.runs[r];
    int64_t value = at_run(load.address, run);
    for (int64_t i = run.first; i < run.first + run.count; ++i, value += step) address[i] = value;
  }
  const uint8_t* allowed = guard == kNoExpr ? nullptr : boolean(guard);
  uint8_t outside[kBlock] = {};
  for (const Load::Index& index : load.indices) {
    const int64_t* value = this->index(index.value);
    for (int64_t i = 0; i < block.count; ++i) {
      outside[i] |= static_cast<uint64_t>(value[i]) >= static_cast<uint64_t>(index.extent);
      address[i] += outside[i] ? 0 : value[i] * index.stride;
    }
  }
  for (int64_t i = 0; i < block.count; ++i) {
    if (allowed && !allowed[i]) {
      out[i] = 0;
      continue;
    }
    if (outside[i])
      throw InternalError(fmt::format("{} is outside of {} at point {}", dag_.to_string(id), to_string(load.operand->shape),
                                      block.start + i));
    out[i] = static_cast<T>(data[address[i]]);
  }
}

// Loops over whole registers have a constant trip count: they vectorise.
template <class T, class A, class F>
void map1(T* __restrict out, const A* a, F f) {
  for (int64_t i = 0; i < kBlock; ++i) out[i] = f(a[i]);
}
template <class T, class A, class B, class F>
void map2(T* __restrict out, const A* a, const B* b, F f) {
  for (int64_t i = 0; i < kBlock; ++i) out[i] = f(a[i], b[i]);
}

void Tape::execute(ExprId id, const Block& block) {
  const Expr& e = dag_[id];
  if (linears_[static_cast<size_t>(id)]) return execute_linear(id, block);
  Register& out = reg(id);
  double* real_out = out.real.data();
  int64_t* index_out = out.index.data();
  uint8_t* boolean_out = out.boolean.data();
  ExprId a = e.args[0], b = e.args[1], c = e.args[2];
  auto I = [&](ExprId arg) { return index(arg); };
  auto R = [&](ExprId arg) { return real(arg); };
  auto B = [&](ExprId arg) { return boolean(arg); };
  switch (e.kind) {
    case ExprKind::axis:
    case ExprKind::index_constant:
    case ExprKind::index_scalar:
    case ExprKind::real_constant:
    case ExprKind::real_scalar: throw InternalError("prepared before");
    case ExprKind::index_add: return map2(index_out, I(a), I(b), [](int64_t x, int64_t y) { return x + y; });
    case ExprKind::index_sub: return map2(index_out, I(a), I(b), [](int64_t x, int64_t y) { return x - y; });
    case ExprKind::index_mul: return map2(index_out, I(a), I(b), [](int64_t x, int64_t y) { return x * y; });
    case ExprKind::index_floor_div: return map1(index_out, I(a), [&](int64_t x) { return floor_div(x, e.integer); });
    case ExprKind::index_floor_mod: return map1(index_out, I(a), [&](int64_t x) { return floor_mod(x, e.integer); });
    case ExprKind::index_min: return map2(index_out, I(a), I(b), [](int64_t x, int64_t y) { return x < y ? x : y; });
    case ExprKind::index_max: return map2(index_out, I(a), I(b), [](int64_t x, int64_t y) { return x > y ? x : y; });
    case ExprKind::index_load: return execute_load(id, block, index_out);
    case ExprKind::index_floor:
      return map1(index_out, R(a), [](double x) {
        double floor = std::floor(x);
        if (!(floor >= -0x1p63)) return std::numeric_limits<int64_t>::min();  // NaN too
        return floor >= 0x1p63 ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(floor);
      });
    case ExprKind::index_select:
      for (int64_t i = 0; i < kBlock; ++i) index_out[i] = B(a)[i] ? I(b)[i] : I(c)[i];
      return;
    case ExprKind::index_less: return map2(boolean_out, I(a), I(b), [](int64_t x, int64_t y) { return x < y; });
    case ExprKind::index_equal: return map2(boolean_out, I(a), I(b), [](int64_t x, int64_t y) { return x == y; });
    case ExprKind::real_less: return map2(boolean_out, R(a), R(b), [](double x, double y) { return x < y; });
    case ExprKind::real_less_equal: return map2(boolean_out, R(a), R(b), [](double x, double y) { return x <= y; });
    case ExprKind::real_equal: return map2(boolean_out, R(a), R(b), [](double x, double y) { return x == y; });
    case ExprKind::logical_and: return map2(boolean_out, B(a), B(b), [](uint8_t x, uint8_t y) { return x & y; });
    case ExprKind::logical_or: return map2(boolean_out, B(a), B(b), [](uint8_t x, uint8_t y) { return x | y; });
    case ExprKind::logical_not: return map1(boolean_out, B(a), [](uint8_t x) { return x ^ 1; });
    case ExprKind::load: {
      const Load& load = *loads_[static_cast<size_t>(id)];
      if (load.is_view && block.count == kBlock) {
        out.view = load.operand->data.data() + load.address.constant + block.start;
        return;
      }
      out.view = real_out;
      return execute_load(id, block, real_out);
    }
    case ExprKind::reduced: {
      const std::vector<double>& values = reduced_.at(static_cast<size_t>(e.integer));
      std::copy_n(values.begin() + block.start, block.count, real_out);
      return;
    }
    case ExprKind::from_index: return map1(real_out, I(a), [](int64_t x) { return static_cast<double>(x); });
    case ExprKind::add: return map2(real_out, R(a), R(b), [](double x, double y) { return x + y; });
    case ExprKind::sub: return map2(real_out, R(a), R(b), [](double x, double y) { return x - y; });
    case ExprKind::mul: return map2(real_out, R(a), R(b), [](double x, double y) { return x * y; });
    case ExprKind::div: return map2(real_out, R(a), R(b), [](double x, double y) { return x / y; });
    case ExprKind::min: return map2(real_out, R(a), R(b), [](double x, double y) { return x < y || x != x ? x : y; });
    case ExprKind::max: return map2(real_out, R(a), R(b), [](double x, double y) { return x > y || x != x ? x : y; });
    case ExprKind::neg: return map1(real_out, R(a), [](double x) { return -x; });
    case ExprKind::abs: return map1(real_out, R(a), [](double x) { return std::abs(x); });
    case ExprKind::sqrt: return map1(real_out, R(a), [](double x) { return std::sqrt(x); });
    case ExprKind::exp:
    case ExprKind::log:
    case ExprKind::tanh:
    case ExprKind::erf:
    case ExprKind::floor:
    case ExprKind::round_tf32:
      for (int64_t i = 0; i < block.count; ++i) real_out[i] = evaluate(e.kind, R(a)[i]);
      return;
    case ExprKind::select:
      for (int64_t i = 0; i < kBlock; ++i) real_out[i] = B(a)[i] ? R(b)[i] : R(c)[i];
      return;
    case ExprKind::cast:
      for (int64_t i = 0; i < block.count; ++i) real_out[i] = round_to(R(a)[i], e.dtype);
      return;
    case ExprKind::uniform:
      for (int64_t i = 0; i < block.count; ++i)
        real_out[i] = uniform_from_bits(random_bits(static_cast<uint64_t>(run_.scalars.seed), static_cast<uint32_t>(e.integer),
                                                    static_cast<uint64_t>(run_.scalars.step), static_cast<uint64_t>(I(a)[i]),
                                                    static_cast<uint64_t>(I(b)[i])));
      return;
  }
  throw InternalError("unknown expression kind");
}

// Folds `count` values into one result. `position`: of the first value among the reduction's points.
struct Fold {
  double value = 0;
  int64_t position = 0;  // argmax

  void start(ReduceKind kind) {
    position = 0;
    switch (kind) {
      case ReduceKind::sum: value = 0; return;
      case ReduceKind::max:
      case ReduceKind::argmax: value = -std::numeric_limits<double>::infinity(); return;
      case ReduceKind::min: value = std::numeric_limits<double>::infinity(); return;
    }
  }
  void add(ReduceKind kind, const double* values, int64_t count, int64_t first) {
    switch (kind) {
      case ReduceKind::sum:
        for (int64_t i = 0; i < count; ++i) value += values[i];
        return;
      case ReduceKind::max:
        for (int64_t i = 0; i < count; ++i) value = evaluate(ExprKind::max, value, values[i]);
        return;
      case ReduceKind::min:
        for (int64_t i = 0; i < count; ++i) value = evaluate(ExprKind::min, value, values[i]);
        return;
      case ReduceKind::argmax:
        for (int64_t i = 0; i < count; ++i)
          if (values[i] > value || (std::isnan(values[i]) && !std::isnan(value))) {
            value = values[i];
            position = first + i;
          }
        return;
    }
  }
  double result(ReduceKind kind) const { return kind == ReduceKind::argmax ? static_cast<double>(position) : value; }
};

std::vector<std::vector<double>> reduce(const LoopNest& nest, const std::vector<const HostTensor*>& operands,
                                        const RunScalars& run) {
  if (nest.reductions.empty()) return {};
  int64_t results = nest.parallel_count(), depth = nest.reduction_count();
  std::vector<std::vector<double>> reduced(nest.reductions.size(), std::vector<double>(static_cast<size_t>(results)));
  std::vector<ExprId> roots;
  for (const Reduction& reduction : nest.reductions) roots.push_back(reduction.body);
  IndexSpace space(nest.extents);
  const std::vector<std::vector<double>> none;
  Tape tape(nest.dag, roots, space, operands, none, run);
  std::vector<Fold> folds(nest.reductions.size());
  Block block;
  int64_t result = 0, position = 0, total = space.points();
  for (space.advance(block); block.start < total; space.advance(block)) {
    tape.run(block);
    for (int64_t done = 0; done < block.count;) {
      int64_t count = std::min(block.count - done, depth - position);
      for (size_t i = 0; i < folds.size(); ++i) {
        ReduceKind kind = nest.reductions[i].kind;
        if (position == 0) folds[i].start(kind);
        folds[i].add(kind, tape.real(roots[i]) + done, count, position);
        if (position + count == depth) reduced[i][static_cast<size_t>(result)] = folds[i].result(kind);
      }
      done += count;
      position += count;
      if (position == depth) {
        position = 0;
        ++result;
      }
    }
  }
  return reduced;
}

}  // namespace

std::vector<HostTensor> evaluate_nest(const LoopNest& nest, const std::vector<const HostTensor*>& operands,
                                      const std::vector<TensorType>& outputs, const RunScalars& run) {
  std::vector<std::vector<double>> reduced = reduce(nest, operands, run);
  std::vector<HostTensor> results;
  for (const TensorType& type : outputs) results.push_back({type.shape, std::vector<double>(static_cast<size_t>(type.elements()))});

  IndexSpace space(nest.parallel_extents());
  int64_t total = space.points();
  std::vector<ExprId> roots;
  for (const Store& store : nest.stores) {
    NETC_CHECK(store.output >= 0 && static_cast<size_t>(store.output) < outputs.size(), "a store to no output");
    NETC_CHECK(outputs[static_cast<size_t>(store.output)].elements() == total, "a store to an output of another size");
    roots.push_back(store.value);
  }
  Tape tape(nest.dag, roots, space, operands, reduced, run);
  Block block;
  for (space.advance(block); block.start < total; space.advance(block)) {
    tape.run(block);
    for (const Store& store : nest.stores) {
      const double* from = tape.real(store.value);
      double* to = results[static_cast<size_t>(store.output)].data.data() + block.start;
      DType dtype = outputs[static_cast<size_t>(store.output)].dtype;
      if (dtype == DType::f32) {
        std::copy_n(from, block.count, to);
      } else {
        for (int64_t i = 0; i < block.count; ++i) to[i] = round_to(from[i], dtype);
      }
    }
  }
  return results;
}

}  // namespace netc
