#include "compiler/backend/cuda/lane_source.h"

#include <fmt/format.h>

#include <algorithm>

namespace netc {
namespace {

class LaneSource {
 public:
  LaneSource(const LaneContext& context, int axis) : c_(context), axis_(axis) {}

  void emit(const std::string& first, const std::vector<std::string>& reduced) {
    const std::vector<Store>& stores = c_.body.nest.stores;
    c_.expressions.set_axis(axis_, first);
    load_ahead();
    for (size_t i = 0; i < stores.size(); ++i) c_.out.line(fmt::format("f32 y{}[{}];", i, kLanes));
    c_.out.line("#pragma unroll");
    c_.out.open(fmt::format("for (int lane = 0; lane < {}; ++lane)", kLanes));
    c_.expressions.open_scope();
    c_.expressions.set_axis(axis_, first == "0" ? "lane" : "(" + first + " + lane)");
    c_.expressions.set_reduced(reduced);
    for (size_t i = 0; i < stores.size(); ++i)
      c_.out.line(fmt::format("y{}[lane] = {};", i, c_.expressions.value(stores[i].value)));
    for (size_t i = 0; i < c_.body.partials.size(); ++i)
      c_.out.line(fmt::format("sum{}[lane] += {};", i, c_.expressions.value(c_.body.partials[i].body)));
    c_.expressions.close_scope();
    c_.expressions.set_neighbours({});
    c_.out.close();
    c_.expressions.set_axis(axis_, first);
    for (size_t i = 0; i < stores.size(); ++i)
      c_.out.line(fmt::format("store_vector({}, y{});",
                              address(stores[i].output, c_.analysis.store_offset(stores[i].output)), i));
  }

 private:
  std::string address(int operand, const LinearForm& offset) {
    return fmt::format("{} + {}", operand_name(operand), c_.expressions.index(offset));
  }

  // Before the loop: loads of what lies side by side, and of what is the same in all lanes.
  void load_ahead() {
    std::vector<ExprId> roots;
    for (const Store& s : c_.body.nest.stores) roots.push_back(s.value);
    for (const PartialSum& p : c_.body.partials) roots.push_back(p.body);
    std::map<ExprId, std::string> neighbours;
    visit_postorder(c_.body.nest.dag, roots, [&](ExprId id) {
      const Expr& e = c_.body.nest.dag[id];
      if (e.kind != ExprKind::load) return;
      if ((c_.analysis.dependencies(id) & (axis_bit(axis_) | kReducedBit)) == 0) {
        c_.expressions.value(id);
      } else if (lies_side_by_side(e)) {
        const size_t number = neighbours.size();
        c_.out.line(fmt::format("f32 x{}[{}];", number, kLanes));
        const auto operand = static_cast<int>(e.integer);
        c_.out.line(fmt::format("load_vector(x{}, {});", number,
                                address(operand, c_.analysis.offset(operand, e.indices))));
        neighbours[id] = fmt::format("x{}[lane]", number);
      }
    });
    c_.expressions.set_neighbours(std::move(neighbours));
  }

  bool lies_side_by_side(const Expr& load) {
    if (load.args[0] != kNoExpr) return false;  // guarded
    if (std::any_of(load.indices.begin(), load.indices.end(),
                    [&](ExprId index) { return c_.analysis.from_data(index); }))
      return false;
    const auto operand = static_cast<int>(load.integer);
    const LinearForm offset = c_.analysis.offset(operand, load.indices);
    for (auto [atom, coefficient] : offset.atoms)
      if (c_.analysis.dependencies(atom) & axis_bit(axis_)) return false;
    return lies_in_vectors(offset, c_.body.operands[static_cast<size_t>(operand)], axis_, c_.merged);
  }

  const LaneContext& c_;
  const int axis_;
};

}  // namespace

void emit_lanes(const LaneContext& context, int axis, const std::string& first,
                const std::vector<std::string>& reduced) {
  LaneSource(context, axis).emit(first, reduced);
}

void declare_lane_sums(const LaneContext& c) {
  for (size_t i = 0; i < c.body.partials.size(); ++i)
    c.out.line(fmt::format("f32 sum{}[{}] = {{}};", i, kLanes));
}

int emit_lane_sums(
    const LaneContext& c, const LaneBlock& block, const std::string& inside,
    const std::function<void(size_t i, const std::string& column, const std::string& value)>& store) {
  const int bytes = 4 * block.rows * block.columns, threads = block.rows * block.columns / kLanes;
  const auto sums = [&](size_t i) { return fmt::format("Shared<f32>{{{}}}", static_cast<int>(i) * bytes); };
  for (size_t i = 0; i < c.body.partials.size(); ++i)
    c.out.line(fmt::format("store_vector({}, (int)threadIdx.x * {}, sum{});", sums(i), kLanes, i));
  c.out.line("__syncthreads();  // every thread's sums are there");
  c.out.open(
      fmt::format("for (int column = (int)threadIdx.x; column < {}; column += {})", block.columns, threads));
  c.out.open(fmt::format("if ({})", inside));
  for (size_t i = 0; i < c.body.partials.size(); ++i) {
    c.out.line(fmt::format("f32 total{} = 0.0f;", i));
    c.out.line(fmt::format("for (int row = 0; row < {}; ++row) total{} += {}.load(row * {} + column);",
                           block.rows, i, sums(i), block.columns));
    store(i, "column", fmt::format("total{}", i));
  }
  c.out.close();
  c.out.close();
  return bytes * static_cast<int>(c.body.partials.size());
}

}  // namespace netc
