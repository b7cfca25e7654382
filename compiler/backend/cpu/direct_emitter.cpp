#include "compiler/backend/cpu/direct_emitter.h"

#include "compiler/backend/cpu/direct_tile.h"
#include "compiler/base/error.h"

namespace netc {

using llvm::Value;

namespace {

// The rows' axis runs over the merged one's range too.
std::vector<int> merged_axes(const KernelBody& body, const DirectPlan& plan) {
  std::vector<int> merged(body.nest.extents.size(), -1);
  if (plan.merged >= 0)
    merged[static_cast<size_t>(plan.variables[static_cast<size_t>(plan.merged)].dimension)] =
        plan.variables[static_cast<size_t>(plan.row)].dimension;
  return merged;
}

class DirectEmitter {
 public:
  DirectEmitter(LaneBuilder& builder, const KernelBody& body, const DirectPlan& plan, const TaskBlock& block,
                const KernelPointers& pointers, Value* scratch)
      : b_(builder), body_(body), plan_(plan), block_(block), pointers_(pointers), analysis_(body),
        expressions_(builder, body, analysis_, pointers, merged_axes(body, plan), dimension_of(plan.lane), plan.vector_lanes),
        partials_(scratch), c_(at(scratch, plan.partial_floats)), c_strides_(plan.c_strides()),
        vector_(llvm::FixedVectorType::get(builder.getFloatTy(), static_cast<unsigned>(plan.vector_lanes))),
        begin_(plan.variables.size(), builder.i64(0)), value_(begin_) {}

  void emit() {
    if (!body_.partials.empty()) clear(partials_, plan_.partial_floats);
    for (const GemmPhase& phase : plan_.phases) emit_phase(phase);
    write_partials();
  }

 private:
  struct Tile {
    int64_t groups = 1, rows = 1;
  };
  using TileBody = std::function<void(const Tile&)>;

  const GemmVariable& variable(int v) const { return plan_.variables[static_cast<size_t>(v)]; }
  int dimension_of(int v) const { return v < 0 ? -1 : variable(v).dimension; }
  DType dtype_of(int operand) const { return body_.operands[static_cast<size_t>(operand)].dtype; }
  Value* at(Value* base, int64_t floats) { return floats == 0 ? base : b_.CreateGEP(b_.getFloatTy(), base, b_.i64(floats)); }
  Value* at(Value* base, Value* floats) { return b_.CreateGEP(b_.getFloatTy(), base, floats); }

  void clear(Value* floats, int64_t count) {
    b_.loop(b_.i64(0), b_.i64(count), kLaneBlock, {}, true, [&](Value* i, const Carried& none) {
      for (int v = 0; v < plan_.vectors(); ++v) store(b_.real(vector_, 0), at(at(floats, i), v * plan_.vector_lanes));
      return none;
    });
  }
  void store(Value* value, Value* address) { b_.CreateAlignedStore(value, address, llvm::Align(4)); }
  Value* load(Value* address) { return b_.CreateAlignedLoad(vector_, address, llvm::Align(4)); }

  void emit_phase(const GemmPhase& phase) {
    b_.scoped([&] {
      phase_ = &phase;
      loops_ = sum_loops(plan_, phase);
      begin_values();
      sum_ranges_.assign(plan_.variables.size(), SumRange{});
      if (phase.empty()) return tiles(0, {}, [&](const Tile& tile) { epilogue(tile, zeros(tile)); });
      if (plan_.split < 0)
        return tiles(0, {}, [&](const Tile& tile) {
          const std::vector<Stream> streams = epilogue_streams();
          epilogue(tile, multiply(tile, zeros(tile), [&](Value* turn, int64_t turns) { prefetch(streams, tile, turn, turns); }));
        });
      clear(c_, plan_.c_floats());
      blocks_of_sum(0);
      tiles(0, {}, [&](const Tile& tile) { epilogue(tile, load_c(tile)); });
    });
  }

  Carried zeros(const Tile& tile) const {
    return Carried(static_cast<size_t>(tile.groups * tile.rows * plan_.vectors()), b_.real(vector_, 0));
  }

  // The first value of every parallel variable in this task.
  void begin_values() {
    for (size_t v = 0; v < plan_.variables.size(); ++v) {
      const GemmVariable& variable = plan_.variables[v];
      if (variable.dimension < 0 || static_cast<int>(v) == plan_.lane) continue;
      Value* begin = block_.begin[static_cast<size_t>(variable.dimension)];
      if (variable.radix > 0) begin = variable.outer ? b_.CreateUDiv(begin, b_.i64(variable.radix)) : b_.CreateURem(begin, b_.i64(variable.radix));
      else if (variable.scale > 1) begin = b_.CreateUDiv(begin, b_.i64(variable.scale));
      begin_[v] = value_[v] = begin;
    }
    if (plan_.merged >= 0) {  // the rows count through both
      begin_[static_cast<size_t>(plan_.row)] = b_.CreateMul(begin_[static_cast<size_t>(plan_.merged)], b_.i64(variable(plan_.row).extent));
      begin_[static_cast<size_t>(plan_.merged)] = value_[static_cast<size_t>(plan_.merged)] = b_.i64(0);
    }
    expressions_.set_axis(dimension_of(plan_.lane), b_.i64(0));
  }

  void set_value(int v, Value* value) {
    value_[static_cast<size_t>(v)] = value;
    const GemmVariable& variable = this->variable(v);
    Value* axis = value;
    if (variable.scale > 1)
      axis = b_.CreateAdd(b_.CreateMul(value, b_.i64(variable.scale)), b_.i64(phase_->residues[static_cast<size_t>(variable.dimension)]));
    for (size_t o = 0; variable.radix > 0 && o < plan_.variables.size(); ++o)
      if (plan_.variables[o].outer && plan_.variables[o].dimension == variable.dimension)
        axis = b_.CreateAdd(axis, b_.CreateMul(value_[o], b_.i64(variable.radix)));
    expressions_.set_axis(variable.dimension, axis);
  }

  // --- Loops over tiles ---

  void tiles(size_t depth, const Tile& tile, const TileBody& body) {
    if (depth == plan_.order.size()) return body(tile);
    const int v = plan_.order[depth];
    if (v == plan_.row || v == plan_.group) {
      const bool rows = v == plan_.row;
      const int64_t count = rows ? plan_.row_count(*phase_) : plan_.group_count();
      for (const Pieces& pieces : balanced_pieces(count, rows ? plan_.tile.rows : plan_.tile.groups))
        each(pieces, [&](Value* first) {
          set_value(v, b_.CreateAdd(begin_[static_cast<size_t>(v)], first));
          Tile next = tile;
          (rows ? next.rows : next.groups) = pieces.width;
          tiles(depth + 1, next, body);
        });
      return;
    }
    const GemmVariable& variable = this->variable(v);
    if (variable.outer) return tiles(depth + 1, tile, body);  // one value a task, part of another variable's axis
    const auto d = static_cast<size_t>(variable.dimension);
    Value* begin = begin_[static_cast<size_t>(v)];
    if (variable.block == 1 && variable.scale == 1)
      return b_.scoped([&] {
        set_value(v, begin);
        tiles(depth + 1, tile, body);
      });
    Value* end = variable.radix > 0 ? b_.CreateAdd(begin, b_.i64(variable.block)) : block_.end[d];
    if (variable.scale > 1)
      end = b_.CreateUDiv(b_.CreateAdd(end, b_.i64(variable.scale - 1 - phase_->residues[d])), b_.i64(variable.scale));
    b_.loop(begin, end, 1, {}, variable.scale == 1, [&](Value* i, const Carried& none) {
      set_value(v, i);
      tiles(depth + 1, tile, body);
      return none;
    });
  }

  // Pieces of one width; first: from the task's begin.
  void each(const Pieces& pieces, const std::function<void(Value*)>& body) {
    if (pieces.count == 1) return b_.scoped([&] { body(b_.i64(pieces.first)); });
    b_.loop(b_.i64(pieces.first), b_.i64(pieces.first + pieces.count * pieces.width), pieces.width, {}, true,
            [&](Value* first, const Carried& none) {
              body(first);
              return none;
            });
  }

  // --- The sum ---

  void blocks_of_sum(size_t position) {
    if (static_cast<int>(position) > plan_.split)
      return tiles(0, {}, [&](const Tile& tile) { store_c(tile, multiply(tile, load_c(tile))); });
    const auto v = static_cast<size_t>(plan_.sums[position]);
    const int64_t extent = phase_->k_extents[v], size = std::min(extent, plan_.variables[v].block);
    if (size == extent) {
      sum_ranges_[v] = {b_.i64(0), b_.i64(extent), true, true};
      return blocks_of_sum(position + 1);
    }
    b_.loop(b_.i64(0), b_.i64(extent), size, {}, true, [&](Value* begin, const Carried& none) {
      Value* end = b_.CreateAdd(begin, b_.i64(size));
      if (extent % size != 0) end = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, end, b_.i64(extent));
      sum_ranges_[v] = {begin, end, false, true};
      blocks_of_sum(position + 1);
      return none;
    });
  }

  Carried multiply(const Tile& tile, const Carried& sums, const DirectTileCode::Turn& each_turn = {}) {
    std::vector<SumRange> ranges;
    for (const SumLoop& loop : loops_) {
      SumRange range{b_.i64(0), b_.i64(loop.extent), true, true};
      if (loop.blocked) range = sum_ranges_[static_cast<size_t>(loop.variable)];
      for (int d : loop.checked) range = clip(range, loop.variable, phase_->v[static_cast<size_t>(d)]);
      ranges.push_back(range);
    }
    const DirectTileCode code{plan_,
                              *phase_,
                              dtype_of(plan_.v_operand),
                              dtype_of(plan_.s_operand),
                              tile.groups,
                              tile.rows,
                              origin(plan_.v_operand, phase_->v),
                              origin(plan_.s_operand, phase_->s),
                              each_turn};
    return multiply_tile(b_, code, loops_, ranges, sums);
  }

  // An index at the tile's first element, with all sums at 0.
  Value* index_at_origin(const GemmIndex& index) {
    Value* sum = b_.i64(index.constant);
    for (size_t v = 0; v < plan_.variables.size(); ++v)
      if (index.coefficients[v] != 0 && plan_.variables[v].dimension >= 0 && static_cast<int>(v) != plan_.lane)
        sum = b_.CreateAdd(sum, b_.CreateMul(value_[v], b_.i64(index.coefficients[v])));
    return sum;
  }

  Value* origin(int operand, const std::vector<GemmIndex>& index) {
    Value* offset = b_.i64(0);
    for (const GemmIndex& d : index) offset = b_.CreateAdd(offset, b_.CreateMul(index_at_origin(d), b_.i64(d.stride)));
    return b_.CreateGEP(b_.storage_type(dtype_of(operand)), pointers_.operands[static_cast<size_t>(operand)], offset);
  }

  // The part of a range in which 0 <= origin + coefficient * k < extent.
  SumRange clip(const SumRange& range, int v, const GemmIndex& index) {
    const int64_t coefficient = index.coefficients[static_cast<size_t>(v)], step = std::abs(coefficient);
    Value* origin = index_at_origin(index);
    Value* last = b_.CreateSub(b_.i64(index.extent - 1), origin);
    Value *below = b_.CreateNeg(origin), *above = last;  // begin = ceil(below / step), end = floor(above / step) + 1
    if (coefficient < 0) {
      below = b_.CreateNeg(last);
      above = origin;
    }
    const auto positive = [&](Value* x) { return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, x, b_.i64(0)); };
    Value* begin = b_.CreateUDiv(positive(b_.CreateAdd(below, b_.i64(step - 1))), b_.i64(step));
    Value* end = b_.CreateUDiv(positive(b_.CreateAdd(above, b_.i64(step))), b_.i64(step));
    return {b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, begin, range.begin),
            b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, end, range.end), false, false};
  }

  // --- C between blocks of the sum ---

  template <class Visit>
  void for_each_of_c(const Tile& tile, const Visit& visit) {
    Value* offset = b_.i64(0);
    for (size_t v = 0; v < plan_.variables.size(); ++v)
      if (c_strides_[v] != 0 && static_cast<int>(v) != plan_.lane)
        offset = b_.CreateAdd(offset, b_.CreateMul(b_.CreateSub(value_[v], begin_[v]), b_.i64(c_strides_[v])));
    Value* first = at(c_, offset);
    const int64_t group = plan_.group < 0 ? 0 : c_strides_[static_cast<size_t>(plan_.group)];
    const int64_t row = plan_.row < 0 ? 0 : c_strides_[static_cast<size_t>(plan_.row)];
    for (int64_t g = 0; g < tile.groups; ++g)
      for (int64_t i = 0; i < plan_.vectors(); ++i)
        for (int64_t r = 0; r < tile.rows; ++r) visit(at(first, g * group + r * row + i * plan_.vector_lanes));
  }
  Carried load_c(const Tile& tile) {
    Carried sums;
    for_each_of_c(tile, [&](Value* address) { sums.push_back(load(address)); });
    return sums;
  }
  void store_c(const Tile& tile, const Carried& sums) {
    size_t next = 0;
    for_each_of_c(tile, [&](Value* address) { store(sums[next++], address); });
  }

  // --- What leaves the registers ---

  // Visits (group, vector, row) of the tile, the point shifted there; `after` follows the rows of a group's vector.
  template <class Visit, class After>
  void for_each_point(const Tile& tile, const Visit& visit, const After& after) {
    const int group = dimension_of(plan_.group), row = dimension_of(plan_.row), lane = dimension_of(plan_.lane);
    const int64_t row_scale = plan_.row < 0 ? 1 : variable(plan_.row).scale;
    for (int64_t g = 0; g < tile.groups; ++g)
      for (int64_t i = 0; i < plan_.vectors(); ++i)
        b_.scoped([&] {
          if (group >= 0) expressions_.shift_axis(group, g);
          expressions_.shift_axis(lane, i * plan_.vector_lanes);
          for (int64_t r = 0; r < tile.rows; ++r)
            b_.scoped([&] {
              if (row >= 0) expressions_.shift_axis(row, r * row_scale);
              visit(i);
            });
          if (row >= 0) expressions_.shift_axis(row, 0);
          after(g, i);
        });
    if (group >= 0) expressions_.shift_axis(group, 0);
    expressions_.shift_axis(lane, 0);
  }

  void epilogue(const Tile& tile, const Carried& sums) {
    size_t next = 0;
    Carried totals(body_.partials.size(), nullptr);
    for_each_point(tile, [&](int64_t) { point(sums[next++], totals); },
                   [&](int64_t group, int64_t vector) {
                     add_partials(group, vector, totals);
                     totals.assign(totals.size(), nullptr);
                   });
  }

  // --- What the epilogue reads and writes comes into the cache during the sum ---

  // Whole blocks of lanes that move with the rows.
  struct Stream {
    Value* address;  // at the tile's first point
    llvm::Type* element;
    int64_t group_stride, row_stride;
    bool write;
  };

  std::vector<Stream> epilogue_streams() {
    std::vector<Stream> streams;
    if (plan_.row < 0) return streams;
    const int group = dimension_of(plan_.group), row = dimension_of(plan_.row), lane = dimension_of(plan_.lane);
    auto add = [&](int operand, const LinearForm& form, bool write) {
      if (!form.atoms.empty() || form.coefficient(row) == 0 || form.coefficient(lane) != 1) return;
      streams.push_back({b_.opaque(expressions_.pointer(operand, form)), b_.storage_type(dtype_of(operand)), group < 0 ? 0 : form.coefficient(group),
                         form.coefficient(row) * variable(plan_.row).scale, write});
    };
    for (const Store& s : body_.nest.stores) add(s.output, analysis_.store_offset(s.output), true);
    std::vector<ExprId> roots;
    for (const Store& s : body_.nest.stores) roots.push_back(s.value);
    for (const PartialSum& p : body_.partials) roots.push_back(p.body);
    visit_postorder(body_.nest.dag, roots, [&](ExprId id) {
      const Expr& e = body_.nest.dag[id];
      if (e.kind == ExprKind::load) add(static_cast<int>(e.integer), analysis_.offset(static_cast<int>(e.integer), e.indices), false);
    });
    return streams;
  }

  // The share of one of the `turns` that the outermost loop of the sum takes: all at once would wait for each other.
  void prefetch(const std::vector<Stream>& streams, const Tile& tile, Value* turn, int64_t turns) {
    const int64_t share = ceil_div(tile.rows, turns);
    for (const Stream& s : streams) {
      Value* first = b_.CreateGEP(s.element, s.address, b_.CreateMul(turn, b_.i64(share * s.row_stride)));
      for (int64_t g = 0; g < tile.groups; ++g)
        for (int64_t r = 0; r < share; ++r)
          b_.prefetch(b_.CreateGEP(s.element, first, b_.i64(g * s.group_stride + r * s.row_stride)), s.write);
    }
  }

  void point(Value* sum, Carried& totals) {
    expressions_.set_reduced({sum});
    // All values before all stores: a store may go over an operand that another value loads (in place).
    std::vector<Value*> values;
    for (const Store& s : body_.nest.stores) values.push_back(expressions_.lanes(s.value));
    for (size_t i = 0; i < values.size(); ++i)
      expressions_.store(body_.nest.stores[i].output, analysis_.store_offset(body_.nest.stores[i].output), values[i]);
    for (size_t i = 0; i < totals.size(); ++i) {
      Value* x = expressions_.lanes(body_.partials[i].body);
      totals[i] = totals[i] ? b_.CreateFAdd(totals[i], x) : x;
    }
  }

  // --- Partial sums: [which][group of the task][lane] ---

  Value* partial_at(size_t which, Value* group, int64_t vector) {
    return at(at(partials_, b_.CreateMul(group, b_.i64(kLaneBlock))),
              static_cast<int64_t>(which) * plan_.group_count() * kLaneBlock + vector * plan_.vector_lanes);
  }

  void add_partials(int64_t group, int64_t vector, const Carried& totals) {
    Value* position = b_.i64(group);
    if (plan_.group >= 0) {
      const auto v = static_cast<size_t>(plan_.group);
      position = b_.CreateAdd(b_.CreateSub(value_[v], begin_[v]), position);
    }
    for (size_t i = 0; i < totals.size(); ++i) {
      Value* address = partial_at(i, position, vector);
      store(b_.CreateFAdd(load(address), totals[i]), address);
    }
  }

  void write_partials() {
    if (body_.partials.empty()) return;
    b_.loop(b_.i64(0), b_.i64(plan_.group_count()), 1, {}, true, [&](Value* group, const Carried& none) {
      for (size_t i = 0; i < body_.partials.size(); ++i) {
        const PartialSum& partial = body_.partials[i];
        const KernelOperand& o = body_.operands[static_cast<size_t>(partial.output)];
        Value* offset = b_.CreateMul(block_.partial_row, b_.i64(o.strides[0]));
        int64_t stride = o.strides[1];
        for (size_t k = partial.kept.size(); k-- > 0; stride *= body_.nest.extents[static_cast<size_t>(partial.kept[k])])
          if (partial.kept[k] == dimension_of(plan_.group))
            offset = b_.CreateAdd(offset, b_.CreateMul(b_.CreateAdd(block_.begin[static_cast<size_t>(partial.kept[k])], group), b_.i64(stride)));
        Value* row = at(pointers_.operands[static_cast<size_t>(partial.output)], offset);
        for (int64_t v = 0; v < plan_.vectors(); ++v) store(load(partial_at(i, group, v)), at(row, v * plan_.vector_lanes));
      }
      return none;
    });
  }

  LaneBuilder& b_;
  const KernelBody& body_;
  const DirectPlan& plan_;
  const TaskBlock& block_;
  const KernelPointers& pointers_;
  IndexAnalysis analysis_;
  Expressions expressions_;
  Value *partials_, *c_;
  std::vector<int64_t> c_strides_;
  llvm::Type* vector_;
  const GemmPhase* phase_ = nullptr;
  std::vector<SumLoop> loops_;
  std::vector<Value*> begin_, value_;   // of parallel variables: in the task, in the tile
  std::vector<SumRange> sum_ranges_;    // of sums: in the block of the sum
};

}  // namespace

void emit_direct(LaneBuilder& builder, const KernelBody& body, const DirectPlan& plan, const TaskBlock& block,
                 const KernelPointers& pointers, Value* scratch) {
  DirectEmitter(builder, body, plan, block, pointers, scratch).emit();
}

}  // namespace netc
