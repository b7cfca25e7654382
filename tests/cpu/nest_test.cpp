// Random loop nests: odd extents, broadcasts, transposes, strided and reversed reads, guards, quasi-affine
// indices, several stores and reductions, partial sums, slices and operands in place, all against the
// interpreter's evaluation and bitwise equal for any split into tasks.
#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/interpret/evaluate.h"
#include "compiler/lower/physical_space.h"
#include "tests/cpu/kernel_harness.h"
#include "tests/tolerance.h"

namespace netc {
namespace {

class RandomNest {
 public:
  explicit RandomNest(uint32_t seed) : random_(seed) {}

  KernelBody make() {
    LoopNest& nest = body_.nest;
    const int rank = pick(1, 4);
    for (int a = 0; a < rank; ++a) nest.extents.push_back(pick(1, 3) == 1 ? pick(1, 5) : pick(2, rank > 2 ? 19 : 70));
    nest.parallel = pick(0, 3) == 0 ? rank : pick(1, rank);
    if (nest.parallel < rank) {
      const int count = pick(1, 2);
      for (int r = 0; r < count; ++r) {
        const ReduceKind kind = static_cast<ReduceKind>(pick(0, 3));
        // Computed values may be equal in f32 and different in f64, where the first maximum is another.
        nest.reductions.push_back({kind, kind == ReduceKind::argmax ? load(rank) : real(3, rank)});
      }
    }
    // Inputs exist now; outputs follow them.
    std::vector<ExprId> values;
    const int stores = pick(1, 2);
    for (int s = 0; s < stores; ++s) {
      ExprId value = real(3, nest.parallel);
      for (size_t r = 0; r < nest.reductions.size(); ++r)
        if (pick(0, 2) > 0 || s == 0) value = nest.dag.add(value, nest.dag.reduced(static_cast<int>(r)));
      values.push_back(value);
    }
    inputs = body_.operands.size();
    for (ExprId value : values) {
      KernelOperand out = dense_operand("y", {DType::f32, nest.parallel_extents()}, true);
      if (pick(0, 2) == 0 && !out.strides.empty()) out.strides[0] += pick(0, 9);  // rows of a larger buffer
      nest.stores.push_back({static_cast<int>(body_.operands.size()), value});
      body_.operands.push_back(out);
    }
    return body_;
  }

  size_t inputs = 0;

 private:
  int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  Dag& dag() { return body_.nest.dag; }
  int64_t extent(int axis) { return body_.nest.extents[static_cast<size_t>(axis)]; }

  // A load over some of the first `axes` axes, inside of a new operand that is just large enough, or guarded.
  ExprId load(int axes) {
    KernelOperand o = dense_operand("x", {DType::f32, {}}, false);
    std::vector<ExprId> indices;
    ExprId guard = kNoExpr;
    for (int a = 0; a < axes; ++a) {
      ExprId index = dag().axis(a);
      int64_t size = extent(a);
      switch (pick(0, 7)) {
        case 0: continue;  // broadcast
        case 1:
          index = dag().index_add(dag().index_mul(index, int64_t{2}), dag().index(1));
          size = 2 * size;
          break;
        case 2: index = dag().index_sub(dag().index(size - 1), index); break;
        case 3: {
          index = dag().index_add(index, dag().index(-1));
          guard = dag().logical_and(guard, dag().in_range(index, size));
          break;
        }
        case 4: {
          const int64_t k = pick(2, 5);
          indices.push_back(dag().index_floor_div(index, k));
          o.shape.push_back(ceil_div(size, k));
          index = dag().index_floor_mod(index, k);
          size = k;
          break;
        }
        default: break;
      }
      indices.push_back(index);
      o.shape.push_back(size);
    }
    if (o.shape.size() > 1 && pick(0, 3) == 0) {
      std::swap(o.shape.front(), o.shape.back());
      std::swap(indices.front(), indices.back());
    }
    o.strides = row_major_strides(o.shape);
    if (pick(0, 5) == 0) {
      o.dtype = DType::u8;
    }
    body_.operands.push_back(o);
    return dag().load(static_cast<int>(body_.operands.size()) - 1, indices, guard);
  }

  ExprId real(int depth, int axes) {
    if (depth == 0) return pick(0, 3) == 0 ? dag().real(pick(-2, 2) * 0.5) : load(axes);
    auto arg = [&] { return real(depth - 1, axes); };
    switch (pick(0, 11)) {
      case 0: return dag().add(arg(), arg());
      case 1: return dag().sub(arg(), arg());
      case 2: return dag().mul(arg(), arg());
      case 3: return dag().max(arg(), arg());
      case 4: return dag().min(arg(), arg());
      case 5: return dag().unary(ExprKind::neg, arg());
      case 6: return dag().unary(ExprKind::tanh, arg());
      case 7: return dag().unary(ExprKind::abs, arg());
      case 8: return dag().select(dag().index_less(dag().axis(pick(0, axes - 1)), dag().index(pick(1, 9))), arg(), arg());
      case 9: return dag().from_index(dag().index_add(dag().axis(pick(0, axes - 1)), dag().scalar(IndexScalar::valid_count)));
      default: return load(axes);
    }
  }

  std::mt19937 random_;
  KernelBody body_;
};

std::vector<HostTensor> reference(const KernelBody& body, size_t inputs, const std::vector<const HostTensor*>& operands,
                                  const RuntimeScalars& scalars) {
  LoopNest nest = body.nest;
  for (Store& s : nest.stores) s.output -= static_cast<int>(inputs);
  std::vector<TensorType> types(body.operands.size() - inputs, TensorType{DType::f32, nest.parallel_extents()});
  RunScalars run;
  run.scalars = scalars;
  return evaluate_nest(nest, operands, types, run);
}

class Nests : public testing::TestWithParam<const char*> {};

TEST_P(Nests, RandomNestsMatchTheInterpreter) {
  const Target target = target_named(GetParam());
  RuntimeScalars scalars;
  scalars.valid_count = 3;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    RandomNest random_nest(seed);
    const KernelBody body = random_nest.make();
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + to_string(body));
    std::mt19937 random(seed);
    std::vector<HostTensor> tensors;
    for (size_t i = 0; i < random_nest.inputs; ++i) {
      const KernelOperand& o = body.operands[i];
      tensors.push_back(random_tensor({o.dtype, o.shape}, o.dtype == DType::u8 ? 0 : -1, o.dtype == DType::u8 ? 9 : 1, random));
    }
    std::vector<const HostTensor*> operands(body.operands.size(), nullptr);
    for (size_t i = 0; i < tensors.size(); ++i) operands[i] = &tensors[i];
    const std::vector<HostTensor> expected = reference(body, random_nest.inputs, operands, scalars);
    const CompiledKernel kernel(body, target);
    const std::vector<HostTensor> got = kernel.run(operands, scalars);
    const std::vector<HostTensor> again = kernel.run(operands, scalars, Split::reversed_singles);
    for (size_t o = 0; o < expected.size(); ++o) {
      expect_close(expected[o], got[random_nest.inputs + o], DType::f32, body.nest.reduction_count(), "output");
      EXPECT_EQ(got[random_nest.inputs + o].data, again[random_nest.inputs + o].data);
    }
    if (testing::Test::HasFailure()) return;
  }
}

// Sums over everything but the kept axes, whichever axes those are, with blocks that end unevenly.
TEST_P(Nests, PartialSumsOfAMap) {
  const Target target = target_named(GetParam());
  for (Shape extents : {Shape{7, 5, 9, 11}, {300, 33}, {64, 37, 31, 3}, {1, 3, 200, 150}, {3, 4, 20, 31, 16}})
    for (const std::vector<int>& kept : {std::vector<int>{0}, {1}, {0, 1}, {1, static_cast<int>(extents.size()) - 1}}) {
      if (kept.size() == 2 && (kept[0] == kept[1] || extents.size() == 2)) continue;
      KernelBody body;
      body.nest.extents = extents;
      body.nest.parallel = static_cast<int>(extents.size());
      Dag& d = body.nest.dag;
      std::vector<ExprId> axes;
      for (int a = 0; a < body.nest.parallel; ++a) axes.push_back(d.axis(a));
      const ExprId x = d.load(0, axes), y = d.mul(x, d.real(0.5));
      body.operands = {dense_operand("x", {DType::f32, extents}, false), dense_operand("y", {DType::f32, extents}, true)};
      body.nest.stores = {{1, y}};
      int64_t channels = 1;
      for (int axis : kept) channels *= extents[static_cast<size_t>(axis)];
      body.operands.push_back(dense_operand("sums", {DType::f32, {task_grid(body, target).partial_rows(kept), channels}}, true));
      body.partials = {{kept, d.add(y, d.real(1)), 2}};
      std::mt19937 random(1);
      const HostTensor input = random_tensor({DType::f32, extents}, -1, 1, random);
      HostTensor expected{{channels}, std::vector<double>(static_cast<size_t>(channels), 0.0)}, total = expected;
      const Shape strides = row_major_strides(extents);
      for (size_t i = 0; i < input.data.size(); ++i) {
        int64_t channel = 0;
        for (int axis : kept) {
          const int64_t extent = extents[static_cast<size_t>(axis)];
          channel = channel * extent + static_cast<int64_t>(i) / strides[static_cast<size_t>(axis)] % extent;
        }
        expected.data[static_cast<size_t>(channel)] += input.data[i] * 0.5 + 1;
      }
      const CompiledKernel kernel(body, target);
      const std::vector<HostTensor> got = kernel.run({&input, nullptr, nullptr});
      for (size_t i = 0; i < got[2].data.size(); ++i) total.data[i % static_cast<size_t>(channels)] += got[2].data[i];
      expect_close(expected, total, DType::f32, body.nest.parallel_count() / channels, to_string(extents));
      EXPECT_EQ(got[2].data, kernel.run({&input, nullptr, nullptr}, {}, Split::reversed_singles)[2].data);
    }
}

// Long rows of one task: a lane goes to f64 after 1,024 additions at most. Without that a sum of tenths is off by some 4e-5.
TEST_P(Nests, LongPartialSums) {
  const Target target = target_named(GetParam());
  for (const auto& [extents, kept] : {std::pair{Shape{4, 1, 256, 160, 16}, std::vector<int>{1, 4}}, {Shape{2, 1200, 1100}, {0}}}) {
    KernelBody body;
    body.nest.extents = extents;
    body.nest.parallel = static_cast<int>(extents.size());
    Dag& d = body.nest.dag;
    std::vector<ExprId> axes;
    for (int a = 0; a < body.nest.parallel; ++a) axes.push_back(d.axis(a));
    int64_t channels = 1;
    for (int axis : kept) channels *= extents[static_cast<size_t>(axis)];
    body.operands = {dense_operand("x", {DType::f32, extents}, false)};
    body.operands.push_back(dense_operand("sums", {DType::f32, {task_grid(body, target).partial_rows(kept), channels}}, true));
    body.partials = {{kept, d.load(0, axes), 1}};
    const float tenth = 0.1f;
    const HostTensor input{extents, std::vector<double>(static_cast<size_t>(element_count(extents)), tenth)};
    std::vector<double> total(static_cast<size_t>(channels), 0.0);
    const std::vector<double> rows = CompiledKernel(body, target).run({&input, nullptr})[1].data;
    for (size_t i = 0; i < rows.size(); ++i) total[i % static_cast<size_t>(channels)] += rows[i];
    const double expected = double{tenth} * static_cast<double>(element_count(extents) / channels);
    for (double sum : total) EXPECT_NEAR(sum, expected, tolerance(DType::f32, 1024).relative * expected) << to_string(extents);
  }
}

// Zero columns around each row of a result, in tasks of rows and of parts of rows; the harness looks at them.
TEST_P(Nests, WritesHalos) {
  const Target target = target_named(GetParam());
  for (const Shape& extents : {Shape{2, 3, 5, 7, 16}, {1, 1, 2, 9000, 16}, {2, 3, 40, 50}, {4, 20000}}) {
    KernelBody body;
    body.nest.extents = extents;
    body.nest.parallel = static_cast<int>(extents.size());
    std::vector<ExprId> axes;
    for (int a = 0; a < body.nest.parallel; ++a) axes.push_back(body.nest.dag.axis(a));
    body.operands = {dense_operand("x", {DType::f32, extents}, false), dense_operand("y", {DType::f32, extents}, true)};
    const size_t columns = extents.size() == 5 ? 3 : extents.size() - 1;
    Shape padded = extents;
    padded[columns] += 3;
    body.operands[1].strides = row_major_strides(padded);
    body.operands[1].halo = {static_cast<int>(columns), 1, 2};
    body.nest.stores = {{1, body.nest.dag.add(body.nest.dag.load(0, axes), body.nest.dag.real(1))}};
    std::mt19937 random(3);
    HostTensor x = random_tensor({DType::f32, extents}, -1, 1, random);
    const CompiledKernel kernel(body, target);
    for (Split split : {Split::whole, Split::reversed_singles}) {
      const HostTensor y = kernel.run({&x, nullptr}, {}, split)[1];
      for (size_t i = 0; i < x.data.size(); ++i) ASSERT_EQ(y.data[i], static_cast<double>(static_cast<float>(x.data[i]) + 1.0f));
    }
  }
}

// Poolings over channels in blocks, whole and not, with windows that leave the image at both edges, at one, everywhere and nowhere:
// parts of the loops that are checked and parts that are not, windows that are unrolled and one that is too large for it.
TEST_P(Nests, PoolingsOverBlocks) {
  struct Window {
    int64_t size, stride, pad;
  };
  const Target target = target_named(GetParam());
  std::mt19937 random(5);
  for (const Window& w : {Window{3, 1, 1}, {3, 2, 1}, {2, 2, 0}, {5, 1, 2}})
    for (const Shape& image : {Shape{2, 24, 5, 7}, {1, 32, 30, 33}, {3, 16, 3, 3}})
      for (const char* name : {"max_pool", "average_pool", "max_pool_gradient"}) {
        const OpDef& definition = op(name);
        Attrs attrs{{"window_h", w.size}, {"window_w", w.size}, {"stride_h", w.stride}, {"stride_w", w.stride}, {"pad_h", w.pad}, {"pad_w", w.pad}};
        std::vector<TensorType> inputs{{DType::f32, image}};
        if (definition.name == "max_pool_gradient") {
          const TensorType pooled = op("max_pool").infer({complete_attrs(op("max_pool"), attrs), inputs, {true}, {}})[0];
          attrs.set("height", image[2]);
          attrs.set("width", image[3]);
          inputs = {pooled, {DType::i32, pooled.shape}};
        }
        attrs = complete_attrs(definition, attrs);
        const std::vector<bool> present(inputs.size(), true);
        const KernelBody logical = body_of(definition, attrs, inputs, present, definition.infer({attrs, inputs, present, {}}));
        const Layout layout = blocked_layout(4, {1});
        std::vector<OperandForm> forms;
        for (const KernelOperand& o : logical.operands) forms.push_back({layout, row_major_strides(physical_shape(layout, o.shape)), false});
        const KernelBody body = make_physical(logical, forms, choose_space(logical, forms));
        SCOPED_TRACE(to_string(body));
        std::vector<HostTensor> tensors;
        for (size_t i = 0; i < inputs.size(); ++i) {
          const KernelOperand& o = body.operands[i];
          const double most = o.dtype == DType::i32 ? static_cast<double>(w.size * w.size - 1) : 1;
          tensors.push_back(random_tensor({o.dtype, o.shape}, o.dtype == DType::i32 ? 0 : -1, most, random));
        }
        std::vector<const HostTensor*> operands(body.operands.size(), nullptr);
        for (size_t i = 0; i < tensors.size(); ++i) operands[i] = &tensors[i];
        const std::vector<HostTensor> expected = reference(body, inputs.size(), operands, {});
        const CompiledKernel kernel(body, target);
        const std::vector<HostTensor> got = kernel.run(operands), again = kernel.run(operands, {}, Split::reversed_singles);
        for (size_t o = 0; o < expected.size(); ++o) {
          expect_close(expected[o], got[inputs.size() + o], DType::f32, body.nest.reduction_count(), name);
          EXPECT_EQ(got[inputs.size() + o].data, again[inputs.size() + o].data);
        }
        if (HasFailure()) return;
      }
}

// Copies between layouts, as squares transposed in registers with rest rows and rest columns, bit by bit.
TEST_P(Nests, ConvertsBetweenLayouts) {
  const Target target = target_named(GetParam());
  using Part = LayoutDim::Part;
  const Layout dense = dense_layout(4), image = blocked_layout(4, {1});
  const Layout weight{{{Part::outer, 0}, {Part::outer, 1}, {Part::whole, 2}, {Part::whole, 3}, {Part::inner, 1}, {Part::inner, 0}}, 16};
  const Layout gradient{{{Part::outer, 1}, {Part::outer, 0}, {Part::whole, 2}, {Part::whole, 3}, {Part::inner, 0}, {Part::inner, 1}}, 16};
  std::mt19937 random(6);
  for (const auto& [from, to] : {std::pair{dense, image}, {image, dense}, {weight, gradient}, {dense, weight}, {gradient, dense}})
    for (const Shape& shape : {Shape{32, 48, 3, 3}, {2, 32, 5, 9}, {20, 40, 1, 1}, {48, 16, 6, 20}})
      for (DType dtype : {DType::f32, DType::bf16}) {
        KernelBody logical;
        logical.nest.extents = shape;
        logical.nest.parallel = 4;
        Dag& d = logical.nest.dag;
        logical.nest.stores = {{1, d.load(0, {d.axis(0), d.axis(1), d.axis(2), d.axis(3)})}};
        logical.operands = {dense_operand("x", {dtype, shape}, false), dense_operand("y", {dtype, shape}, true)};
        const std::vector<OperandForm> forms{{from, row_major_strides(physical_shape(from, shape)), false},
                                             {to, row_major_strides(physical_shape(to, shape)), false}};
        const PhysicalSpace space = choose_space(logical, forms);
        if (!can_store(space, shape, to)) continue;
        const KernelBody body = make_physical(logical, forms, space);
        SCOPED_TRACE(to_string(body));
        const HostTensor x = random_tensor({dtype, body.operands[0].shape}, -1, 1, random);
        const CompiledKernel kernel(body, target);
        for (Split split : {Split::whole, Split::reversed_singles}) {
          const std::vector<double> y = kernel.run({&x, nullptr}, {}, split)[1].data;
          const std::vector<HostTensor> expected = reference(body, 1, {&x, nullptr}, {});
          ASSERT_EQ(y, expected[0].data);
        }
      }
}

// y may lie where x lies, when every element is read before it is written.
TEST_P(Nests, InPlace) {
  KernelBody body;
  body.nest.extents = {5, 45};
  body.nest.parallel = 2;
  Dag& d = body.nest.dag;
  const ExprId x = d.load(0, {d.axis(0), d.axis(1)}), z = d.load(1, {d.axis(0), d.axis(1)});
  const TensorType type{DType::f32, {5, 45}};
  body.operands = {dense_operand("x", type, false), dense_operand("z", type, false), dense_operand("y", type, true),
                   dense_operand("w", type, true)};
  body.nest.stores = {{2, d.add(x, z)}, {3, d.sub(x, z)}};
  std::mt19937 random(2);
  const HostTensor a = random_tensor(type, -1, 1, random), b = random_tensor(type, -1, 1, random);
  const CompiledKernel kernel(body, target_named(GetParam()));
  const std::vector<HostTensor> apart = kernel.run({&a, &b, nullptr, nullptr});
  const std::vector<HostTensor> in_place = kernel.run({&a, &b, nullptr, nullptr}, {}, Split::whole, {-1, -1, 0, 1});
  EXPECT_EQ(apart[2].data, in_place[2].data);
  EXPECT_EQ(apart[3].data, in_place[3].data);
}

// Labels far outside of the classes read some element, never foreign memory; the harness checks what is written.
TEST_P(Nests, WildIndicesAreClamped) {
  KernelBody body;
  body.nest.extents = {20};
  body.nest.parallel = 1;
  Dag& d = body.nest.dag;
  body.operands = {dense_operand("table", {DType::f32, {10}}, false), dense_operand("label", {DType::i64, {20}}, false),
                   dense_operand("y", {DType::f32, {20}}, true)};
  body.nest.stores = {{2, d.load(0, {d.index_load(1, {d.axis(0)})})}};
  HostTensor table{{10}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}, labels{{20}, std::vector<double>(20, 4.0)};
  labels.data[3] = -5;
  labels.data[7] = 1e15;
  labels.data[19] = -1e15;
  const HostTensor y = CompiledKernel(body, target_named(GetParam())).run({&table, &labels, nullptr})[2];
  EXPECT_EQ(y.data[3], 0);
  EXPECT_EQ(y.data[7], 9);
  EXPECT_EQ(y.data[19], 0);
  EXPECT_EQ(y.data[18], 4);
}

INSTANTIATE_TEST_SUITE_P(Targets, Nests, testing::Values("native", "x86-64-v3", "x86-64"), [](const auto& instance) {
  std::string name = instance.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace netc
