#include "compiler/lower/physical_space.h"

#include <algorithm>

#include "compiler/lower/choose_layouts.h"

namespace netc {

using Part = LayoutDim::Part;

namespace {

// Splits of reduced axes, and of parallel ones that no result asks for.
class SpaceChooser {
 public:
  SpaceChooser(const KernelBody& body, const std::vector<OperandForm>& forms)
      : nest_(body.nest), forms_(forms), split_(body.nest.extents.size(), false) {
    for (size_t i = 0; i < forms.size(); ++i) {
      if (!body.operands[i].written) continue;
      const Layout& layout = forms[i].layout;
      bool in_order = true;
      for (size_t d = 0; d < layout.dims.size(); ++d) {
        if (layout.dims[d].part == Part::inner) split_[static_cast<size_t>(layout.dims[d].dimension)] = true;
        in_order = in_order && layout.dims[d].dimension == static_cast<int>(d) && layout.dims[d].part == Part::whole;
      }
      if (!in_order && !primary_) primary_ = &layout;
    }
    for (const Reduction& r : nest_.reductions) {
      only_sums_ = only_sums_ && r.kind == ReduceKind::sum;
      positions_ = positions_ || r.kind == ReduceKind::argmax;
    }
    split_by_loads();
  }

  PhysicalSpace run() const {
    PhysicalSpace space;
    std::vector<bool> there(split_.size(), false);
    auto add = [&](int axis, Part part) {
      space.axes.push_back({part, axis});
      there[static_cast<size_t>(axis)] = true;
    };
    auto add_in_order = [&](int first, int last) {
      std::vector<int> inner;
      for (int a = first; a < last; ++a) {
        const auto i = static_cast<size_t>(a);
        if (there[i]) continue;
        add(a, split_[i] ? Part::outer : Part::whole);
        if (split_[i]) inner.push_back(a);
      }
      for (int a : inner) add(a, Part::inner);
    };
    const int rank = static_cast<int>(split_.size());
    if (primary_)
      for (const LayoutDim& d : primary_->dims) {
        const bool late_split = d.part == Part::whole && split_[static_cast<size_t>(d.dimension)];
        add(d.dimension, late_split ? Part::outer : d.part);
        if (late_split) add(d.dimension, Part::inner);
      }
    add_in_order(0, nest_.parallel);
    space.parallel = static_cast<int>(space.axes.size());
    add_in_order(nest_.parallel, rank);
    return space;
  }

 private:
  void split_by_loads() {
    std::vector<ExprId> roots;
    for (const Reduction& r : nest_.reductions) roots.push_back(r.body);
    for (const Store& s : nest_.stores) roots.push_back(s.value);
    visit_postorder(nest_.dag, roots, [&](ExprId id) {
      const Expr& e = nest_.dag[id];
      if (e.kind != ExprKind::load && e.kind != ExprKind::index_load) return;
      const Layout& layout = forms_[static_cast<size_t>(e.integer)].layout;
      for (const LayoutDim& d : layout.dims) {
        if (d.part != Part::inner) continue;
        const int axis = axis_within_block(nest_.dag, e.indices[static_cast<size_t>(d.dimension)], layout.block);
        if (axis >= 0 && may_split(axis, layout.block)) split_[static_cast<size_t>(axis)] = true;
      }
    });
  }

  bool may_split(int axis, int64_t block) const {
    const bool fills = nest_.extents[static_cast<size_t>(axis)] % block == 0;
    if (axis < nest_.parallel) return fills;
    return !positions_ && (fills || only_sums_);
  }

  const LoopNest& nest_;
  const std::vector<OperandForm>& forms_;
  std::vector<bool> split_;
  const Layout* primary_ = nullptr;  // of the first result that does not lie in the order of its dimensions
  bool only_sums_ = true, positions_ = false;
};

}  // namespace

PhysicalSpace space_of(const Layout& layout) {
  PhysicalSpace space;
  for (const LayoutDim& d : layout.dims) space.axes.push_back({d.part, d.dimension});
  space.parallel = static_cast<int>(space.axes.size());
  space.block = layout.block;
  return space;
}

Layout layout_of(const PhysicalSpace& space) {
  Layout layout;
  layout.block = space.block;
  for (int i = 0; i < space.parallel; ++i)
    layout.dims.push_back({space.axes[static_cast<size_t>(i)].part, space.axes[static_cast<size_t>(i)].axis});
  return layout;
}

PhysicalSpace choose_space(const KernelBody& body, const std::vector<OperandForm>& forms) {
  return SpaceChooser(body, forms).run();
}

bool can_store(const PhysicalSpace& space, const Shape& extents, const Layout& layout) {
  for (size_t a = 0; a < extents.size(); ++a) {
    const auto axis = static_cast<int>(a);
    const bool split = std::any_of(space.axes.begin(), space.axes.end(),
                                   [&](const AxisPart& part) { return part.axis == axis && part.part != Part::whole; });
    const bool in_blocks = splits(layout, axis);
    if (in_blocks && !split) return false;
    if (split && !in_blocks && extents[a] % space.block != 0) return false;
  }
  return true;
}

}  // namespace netc
