#include "compiler/lower/layout.h"

#include <algorithm>
#include <optional>

#include "compiler/base/error.h"

namespace netc {

using Part = LayoutDim::Part;

namespace {

class BodyRewriter {
 public:
  BodyRewriter(const KernelBody& logical, const std::vector<OperandForm>& forms, const PhysicalSpace& space)
      : from_(logical), forms_(forms), space_(space) {
    NETC_CHECK(forms.size() == logical.operands.size(), "a form for each operand");
  }

  KernelBody run() {
    add_axes();
    for (size_t i = 0; i < forms_.size(); ++i)
      from_.operands[i].written ? add_written(i) : add_read(i);
    if (from_.contraction) add_contraction();
    Dag::Substitution substitution;
    substitution.axes = logical_axes_;
    substitution.load = [&](const Expr& load, const std::vector<ExprId>& indices, ExprId guard) {
      return make_load(load, indices, guard);
    };
    LoopNest& nest = to_.nest;
    auto import = [&](ExprId root) { return nest.dag.import(from_.nest.dag, root, substitution); };
    for (const Reduction& r : from_.nest.reductions) nest.reductions.push_back({r.kind, guarded_term(r.kind, import(r.body))});
    for (const Store& s : from_.nest.stores) nest.stores.push_back({s.output, zero_outside(import(s.value), parallel_padding())});
    for (const PartialSum& p : from_.partials) to_.partials.push_back(physical_partial(p, import(p.body)));
    return std::move(to_);
  }

 private:
  Dag& dag() { return to_.nest.dag; }
  int64_t extent(int axis) const { return from_.nest.extents[static_cast<size_t>(axis)]; }

  // Extents, and every logical axis as an expression of physical ones.
  void add_axes() {
    const size_t count = from_.nest.extents.size();
    std::vector<ExprId> outer(count, kNoExpr), inner(count, kNoExpr);
    logical_axes_.assign(count, kNoExpr);
    padded_.assign(count, false);
    to_.nest.parallel = space_.parallel;
    for (size_t p = 0; p < space_.axes.size(); ++p) {
      const AxisPart& part = space_.axes[p];
      const auto a = static_cast<size_t>(part.axis);
      const ExprId axis = dag().axis(static_cast<int>(p));
      switch (part.part) {
        case Part::whole: logical_axes_[a] = axis; to_.nest.extents.push_back(extent(part.axis)); break;
        case Part::outer: outer[a] = axis; to_.nest.extents.push_back(ceil_div(extent(part.axis), space_.block)); break;
        case Part::inner: inner[a] = axis; to_.nest.extents.push_back(space_.block); break;
      }
    }
    for (size_t a = 0; a < count; ++a) {
      if (logical_axes_[a] != kNoExpr) continue;
      NETC_CHECK(outer[a] != kNoExpr && inner[a] != kNoExpr, "every axis has a part in the physical space");
      logical_axes_[a] = dag().index_add(dag().index_mul(outer[a], space_.block), inner[a]);
      padded_[a] = extent(static_cast<int>(a)) % space_.block != 0;
    }
  }

  void add_read(size_t i) {
    KernelOperand operand = from_.operands[i];
    const OperandForm& form = forms_[i];
    operand.shape = form.shows_halo ? physical_shape(form.layout, operand.shape) : interior_shape(form.layout, operand.shape);
    operand.strides = form.strides;
    to_.operands.push_back(std::move(operand));
  }

  // Its dimensions are the physical parallel axes.
  void add_written(size_t i) {
    KernelOperand operand = from_.operands[i];
    const OperandForm& form = forms_[i];
    const bool partial_sums = std::any_of(from_.partials.begin(), from_.partials.end(),
                                          [&](const PartialSum& p) { return p.output == static_cast<int>(i); });
    if (!partial_sums) {
      operand.shape = to_.nest.parallel_extents();
      operand.strides.clear();
      for (int p = 0; p < space_.parallel; ++p) operand.strides.push_back(add_dimension(operand, form, p));
    }
    to_.operands.push_back(std::move(operand));
  }

  // The stride of a written operand along physical axis `p`; notes a halo.
  int64_t add_dimension(KernelOperand& operand, const OperandForm& form, int p) {
    const AxisPart& part = space_.axes[static_cast<size_t>(p)];
    for (size_t d = 0; d < form.layout.dims.size(); ++d) {
      const LayoutDim& dim = form.layout.dims[d];
      if (dim.dimension != part.axis) continue;
      if (dim.part == part.part) {
        if (dim.before + dim.after > 0) operand.halo = {p, dim.before, dim.after};
        return form.strides[d];
      }
      if (dim.part == Part::whole) {
        NETC_CHECK(!padded_[static_cast<size_t>(part.axis)], operand.name + ": padding lanes have no place in a dense operand");
        return part.part == Part::outer ? space_.block * form.strides[d] : form.strides[d];
      }
      NETC_CHECK(part.part != Part::whole, operand.name + ": lies in blocks, but its axis is whole");
    }
    NETC_CHECK(extent(part.axis) == 1, operand.name + ": an axis without a dimension");
    return 0;
  }

  void add_contraction() {
    const ContractionStage& stage = *from_.contraction;
    const Contraction& c = stage.contraction;
    std::array<Layout, 3> layouts;
    layouts[static_cast<size_t>(c.first_input())] = forms_[static_cast<size_t>(stage.lhs)].layout;
    const Layout& second = forms_[static_cast<size_t>(stage.rhs)].layout;
    layouts[static_cast<size_t>(c.second_input())] = c.transforms_weights() ? window_layout(second) : second;
    Layout& output = layouts[static_cast<size_t>(c.output)];
    output.block = space_.block;
    for (const AxisPart& part : space_.axes) output.dims.push_back({part.part, part.axis});
    to_.contraction = ContractionStage{physical_contraction(c, layouts), stage.lhs, stage.rhs};
  }

  // Of weights whose transformed ones lie like this: their window, dimensions 2 and 3, is behind the blocks.
  static Layout window_layout(const Layout& transformed) {
    Layout layout;
    layout.block = transformed.block;
    auto add = [&](bool inner) {
      for (const LayoutDim& d : transformed.dims)
        if (d.dimension > 0 && (d.part == Part::inner) == inner) layout.dims.push_back({d.part, d.dimension - 1});
    };
    add(false);
    layout.dims.push_back({Part::whole, 2});
    layout.dims.push_back({Part::whole, 3});
    add(true);
    return layout;
  }

  // An index as block and place in the block, without division where it is 16*cb + ci plus whole blocks.
  std::pair<ExprId, ExprId> divide(ExprId index, int64_t block) {
    AffineIndex form;
    if (!as_affine(dag(), index, form)) return {dag().index_floor_div(index, block), dag().index_floor_mod(index, block)};
    ExprId inner = dag().index(floor_mod(form.constant, block));
    ExprId outer = dag().index(floor_div(form.constant, block));
    int loose = form.constant % block != 0 ? 1 : 0;  // terms that are no whole blocks
    for (auto [axis, coefficient] : form.coefficients) {
      if (coefficient % block == 0) {
        outer = dag().index_add(outer, dag().index_mul(dag().axis(axis), coefficient / block));
        continue;
      }
      ++loose;
      if (coefficient != 1 || to_.nest.extents[static_cast<size_t>(axis)] > block) loose = 2;
      inner = dag().axis(axis);
    }
    if (loose > 1) return {dag().index_floor_div(index, block), dag().index_floor_mod(index, block)};
    return {outer, inner};
  }

  ExprId make_load(const Expr& load, const std::vector<ExprId>& indices, ExprId guard) {
    const auto operand = static_cast<size_t>(load.integer);
    const OperandForm& form = forms_[operand];
    std::vector<ExprId> physical;
    std::vector<bool> depends = padding_dependencies(indices, form.layout);
    const bool is_index = load.kind == ExprKind::index_load;
    for (const LayoutDim& d : form.layout.dims) {
      ExprId index = indices[static_cast<size_t>(d.dimension)];
      // Integers have no guards: the last element stands for those that a padding lane has not.
      if (is_index && d.part == Part::whole && !padding_axes(index).empty())
        index = dag().index_min(index, dag().index(from_.operands[operand].shape[static_cast<size_t>(d.dimension)] - 1));
      switch (d.part) {
        case Part::whole:
          physical.push_back(form.shows_halo ? dag().index_add(index, dag().index(d.before)) : index);
          break;
        case Part::outer: physical.push_back(divide(index, form.layout.block).first); break;
        case Part::inner: physical.push_back(divide(index, form.layout.block).second); break;
      }
    }
    if (is_index) return dag().index_load(static_cast<int>(load.integer), physical);
    return dag().load(static_cast<int>(load.integer), physical, dag().logical_and(inside(depends), guard));
  }

  // Padded axes on which an index depends.
  std::vector<int> padding_axes(ExprId index) {
    std::vector<int> axes;
    visit_postorder(dag(), index, [&](ExprId id) {
      if (dag()[id].kind != ExprKind::axis) return;
      const int axis = space_.axes[static_cast<size_t>(dag()[id].integer)].axis;
      if (padded_[static_cast<size_t>(axis)]) axes.push_back(axis);
    });
    return axes;
  }

  // Padded axes whose padding lanes would load what is not there: through a dimension that is not in blocks, or
  // not in the same ones.
  std::vector<bool> padding_dependencies(const std::vector<ExprId>& indices, const Layout& layout) {
    std::vector<bool> depends(padded_.size(), false);
    for (const LayoutDim& d : layout.dims) {
      const ExprId index = indices[static_cast<size_t>(d.dimension)];
      if (d.part == Part::inner) continue;
      if (d.part == Part::outer && dag()[divide(index, layout.block).second].kind == ExprKind::axis) continue;
      for (int axis : padding_axes(index)) depends[static_cast<size_t>(axis)] = true;
    }
    return depends;
  }

  // That no axis of the set is at a padding lane; kNoExpr: always.
  ExprId inside(const std::vector<bool>& axes) {
    ExprId condition = kNoExpr;
    for (size_t a = 0; a < axes.size(); ++a)
      if (axes[a])
        condition = dag().logical_and(condition, dag().index_less(logical_axes_[a], dag().index(extent(static_cast<int>(a)))));
    return condition;
  }

  ExprId zero_outside(ExprId value, const std::vector<bool>& axes) {
    const ExprId condition = inside(axes);
    return condition == kNoExpr ? value : dag().select(condition, value, dag().real(0));
  }

  std::vector<bool> padding(int first, int last) const {
    std::vector<bool> axes(padded_.size(), false);
    for (int a = first; a < last; ++a) axes[static_cast<size_t>(a)] = padded_[static_cast<size_t>(a)];
    return axes;
  }
  std::vector<bool> parallel_padding() const { return padding(0, from_.nest.parallel); }

  ExprId guarded_term(ReduceKind kind, ExprId term) {
    const std::vector<bool> axes = padding(from_.nest.parallel, static_cast<int>(padded_.size()));
    NETC_CHECK(kind == ReduceKind::sum || std::find(axes.begin(), axes.end(), true) == axes.end(),
               "only sums run over padding lanes");
    return zero_outside(term, axes);
  }

  PartialSum physical_partial(const PartialSum& logical, ExprId body) {
    PartialSum p{{}, body, logical.output};
    std::vector<bool> summed = parallel_padding();
    for (int axis : logical.kept) summed[static_cast<size_t>(axis)] = false;
    for (int i = 0; i < space_.parallel; ++i)
      if (std::find(logical.kept.begin(), logical.kept.end(), space_.axes[static_cast<size_t>(i)].axis) != logical.kept.end())
        p.kept.push_back(i);
    p.body = zero_outside(body, summed);
    return p;
  }

  const KernelBody& from_;
  const std::vector<OperandForm>& forms_;
  const PhysicalSpace& space_;
  KernelBody to_;
  std::vector<ExprId> logical_axes_;
  std::vector<bool> padded_;  // per logical axis: split, with padding lanes
};

// Splits the axes of a contraction.
class ContractionRewriter {
 public:
  ContractionRewriter(const Contraction& logical, const std::array<Layout, 3>& layouts) : from_(logical), layouts_(layouts) {}

  // Finds the axes to split; false where a split dimension's index has no such axis.
  bool find_split_axes() {
    split_.assign(from_.axes.size(), 0);
    for (size_t t = 0; t < 3; ++t)
      for (const LayoutDim& d : layouts_[t].dims) {
        if (d.part != Part::inner) continue;
        std::optional<int> axis = place_in_block(from_.tensors[t].index[static_cast<size_t>(d.dimension)], layouts_[t].block);
        if (!axis) return false;
        split_[static_cast<size_t>(*axis)] = layouts_[t].block;
      }
    // Elsewhere in blocks, a split axis may only choose the block.
    return true;
  }

  Contraction run() {
    NETC_CHECK(find_split_axes(), "a contraction has no form in these layouts");
    Contraction to;
    to.output = from_.output;
    to.winograd = from_.winograd;
    to.tf32 = from_.tf32;
    find_extensions();
    for (size_t a = 0; a < from_.axes.size(); ++a) {
      const ContractionAxis& axis = from_.axes[a];
      outer_.push_back(static_cast<int>(to.axes.size()));
      if (vanishes(static_cast<int>(a))) continue;
      if (split_[a] > 0) to.axes.push_back({axis.name + "b", ceil_div(axis.extent, split_[a])});
      else to.axes.push_back({axis.name, axis.extent + extensions_[a].first + extensions_[a].second});
    }
    for (size_t a = 0; a < from_.axes.size(); ++a) {
      inner_.push_back(static_cast<int>(to.axes.size()));
      if (split_[a] > 0) to.axes.push_back({from_.axes[a].name + "i", split_[a]});
    }
    for (size_t t = 0; t < 3; ++t) to.tensors[t] = tensor(static_cast<int>(t));
    return to;
  }

 private:
  int64_t extent(int axis) const { return from_.axes[static_cast<size_t>(axis)].extent; }

  // Whether an axis stands beside the one within a block, in a depthwise convolution's g*1 + c: it has a single value.
  bool stands_still(const AxisTerm& term, const LayoutDim& d, int64_t block) const {
    const auto a = static_cast<size_t>(term.axis);
    return d.part != Part::whole && term.coefficient % block != 0 && split_[a] == 0;
  }
  // Whether it does so wherever it is used.
  bool vanishes(int axis) const {
    for (size_t t = 0; t < 3; ++t)
      for (const LayoutDim& d : layouts_[t].dims)
        for (const AxisTerm& term : from_.tensors[t].index[static_cast<size_t>(d.dimension)].terms)
          if (term.axis == axis && !stands_still(term, d, layouts_[t].block)) return false;
    return true;
  }

  // The axis that runs within the blocks of a dimension with this index: the only one that moves by single places, or, if
  // none has more than one value, the last.
  std::optional<int> place_in_block(const AxisSum& sum, int64_t block) const {
    std::optional<int> found;
    if (sum.offset % block != 0) return std::nullopt;
    for (const AxisTerm& term : sum.terms) {
      if (term.coefficient % block == 0) continue;
      const bool moves = extent(term.axis) > 1;
      if (!moves && found) continue;
      if (moves && ((found && extent(*found) > 1) || term.coefficient != 1)) return std::nullopt;
      found = term.axis;
    }
    return found;
  }

  // An axis for which the output's index is solved, ow of the data gradient's s*ow + kw - p, runs over the halo of the
  // inputs as well: what it finds there is zero, and no index of an input needs a check.
  void find_extensions() {
    extensions_.assign(from_.axes.size(), {0, 0});
    const auto output = static_cast<size_t>(from_.output);
    for (const AxisSum& sum : from_.tensors[output].index) {
      if (sum.terms.size() < 2) continue;
      for (const AxisTerm& term : sum.terms)
        for (size_t t = 0; t < 3; ++t) {
          if (t == output) continue;
          for (const LayoutDim& d : layouts_[t].dims) {
            const AxisSum& other = from_.tensors[t].index[static_cast<size_t>(d.dimension)];
            if (d.part == Part::whole && other.terms.size() == 1 && other.terms[0] == AxisTerm{term.axis, 1} && other.offset == 0)
              extensions_[static_cast<size_t>(term.axis)] = {d.before, d.after};
          }
        }
    }
  }

  ContractionTensor tensor(int t) const {
    const ContractionTensor& logical = from_.tensors[static_cast<size_t>(t)];
    const Layout& layout = layouts_[static_cast<size_t>(t)];
    ContractionTensor physical;
    physical.shape = t == from_.output ? interior_shape(layout, logical.shape) : physical_shape(layout, logical.shape);
    for (const LayoutDim& d : layout.dims) {
      const AxisSum& sum = logical.index[static_cast<size_t>(d.dimension)];
      AxisSum index;
      index.offset = d.part == Part::inner ? 0 : sum.offset;
      if (d.part == Part::whole && t != from_.output) index.offset += d.before;
      for (const AxisTerm& term : sum.terms)
        if (!stands_still(term, d, layout.block)) add_term(index, term, d.part, layout.block);
      if (d.part == Part::outer) index.offset /= layout.block;
      physical.index.push_back(std::move(index));
    }
    return physical;
  }

  void add_term(AxisSum& index, const AxisTerm& term, Part part, int64_t block) const {
    const auto a = static_cast<size_t>(term.axis);
    const int64_t extended = extensions_[a].first;
    if (part == Part::whole) {
      if (split_[a] > 0) {
        index.terms.push_back({outer_[a], term.coefficient * split_[a]});
        index.terms.push_back({inner_[a], term.coefficient});
      } else {
        index.terms.push_back({outer_[a], term.coefficient});
        index.offset -= term.coefficient * extended;
      }
    } else if (term.coefficient % block != 0) {  // the axis within the block
      index.terms.push_back({part == Part::inner ? inner_[a] : outer_[a], 1});
    } else if (part == Part::outer) {
      const int64_t coefficient = term.coefficient / block;
      if (split_[a] > 0) {
        index.terms.push_back({outer_[a], coefficient * split_[a]});
        index.terms.push_back({inner_[a], coefficient});
      } else {
        index.terms.push_back({outer_[a], coefficient});
      }
    }
  }

  const Contraction& from_;
  const std::array<Layout, 3>& layouts_;
  std::vector<int64_t> split_;                                // per axis: places in a block, 0: not split
  std::vector<std::pair<int64_t, int64_t>> extensions_;       // per axis: more values before and after
  std::vector<int> outer_, inner_;                            // per axis: of the physical contraction
};

}  // namespace

PhysicalSpace logical_space(const LoopNest& nest) {
  PhysicalSpace space;
  for (size_t a = 0; a < nest.extents.size(); ++a) space.axes.push_back({Part::whole, static_cast<int>(a)});
  space.parallel = nest.parallel;
  return space;
}

KernelBody make_physical(const KernelBody& logical, const std::vector<OperandForm>& forms, const PhysicalSpace& space) {
  return BodyRewriter(logical, forms, space).run();
}

Contraction physical_contraction(const Contraction& logical, const std::array<Layout, 3>& layouts) {
  return ContractionRewriter(logical, layouts).run();
}

bool has_physical_form(const Contraction& logical, const std::array<Layout, 3>& layouts) {
  return ContractionRewriter(logical, layouts).find_split_axes();
}

}  // namespace netc
