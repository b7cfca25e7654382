#include "compiler/backend/cpu/winograd_emitter.h"

#include "compiler/backend/cpu/direct_emitter.h"
#include "compiler/backend/cpu/winograd_transform.h"
#include "compiler/base/error.h"

namespace netc {

using llvm::Value;

namespace {

enum Dimension : size_t { kImage, kChannels, kRow, kColumn, kLane };  // of x and y

class WinogradEmitter {
 public:
  WinogradEmitter(LaneBuilder& builder, const KernelBody& body, const WinogradPlan& plan, const TaskBlock& block,
                  const KernelPointers& pointers, Value* scratch)
      : b_(builder), body_(body), plan_(plan), block_(block), pointers_(pointers), tile_(plan.winograd.tile),
        window_(plan.winograd.window()), analysis_(body),
        expressions_(builder, body, analysis_, pointers, std::vector<int>(body.nest.extents.size(), -1), kLane, plan.vector_lanes),
        partials_(scratch), zeros_(at(scratch, plan.zeros_offset())), v_(at(scratch, plan.v_offset())), m_(at(scratch, plan.m_offset())),
        product_scratch_(at(scratch, plan.product_offset())),
        vector_(llvm::FixedVectorType::get(builder.getFloatTy(), static_cast<unsigned>(plan.vector_lanes))) {
    row_begin_ = b_.CreateUDiv(block.begin[kRow], b_.i64(tile_));
    row_end_ = b_.CreateUDiv(b_.CreateAdd(block.end[kRow], b_.i64(tile_ - 1)), b_.i64(tile_));
    column_begin_ = b_.CreateUDiv(block.begin[kColumn], b_.i64(tile_));
    whole_end_ = b_.CreateUDiv(block.end[kColumn], b_.i64(tile_));
  }

  void emit() {
    for (int64_t i = plan_.zeros_offset(); i < plan_.v_offset(); i += plan_.vector_lanes)
      store(b_.real(vector_, 0), at(zeros_, i - plan_.zeros_offset()));
    if (plan_.partials > 0)
      b_.loop(b_.i64(0), b_.i64(plan_.zeros_offset()), plan_.vector_lanes, {}, true, [&](Value* i, const Carried& none) {
        store(b_.real(vector_, 0), at(partials_, i));
        return none;
      });
    transform_inputs();
    multiply();
    transform_outputs();
    write_partials();
  }

 private:
  Value* at(Value* base, int64_t floats) { return floats == 0 ? base : b_.CreateGEP(b_.getFloatTy(), base, b_.i64(floats)); }
  Value* at(Value* base, Value* floats) { return b_.CreateGEP(b_.getFloatTy(), base, floats); }
  Value* times(Value* x, int64_t factor) { return b_.CreateMul(x, b_.i64(factor)); }
  void store(Value* value, Value* address) { b_.CreateAlignedStore(value, address, llvm::Align(4)); }
  Value* load(Value* address) { return b_.CreateAlignedLoad(vector_, address, llvm::Align(4)); }

  void loop(Value* begin, Value* end, bool nonempty, const std::function<void(Value*)>& body) {
    b_.loop(begin, end, 1, {}, nonempty, [&](Value* i, const Carried& none) {
      body(i);
      return none;
    });
  }

  // Calls body(column of tiles, valid columns of the tile) for the tiles of a row: whole ones, then what is left of the last.
  void for_each_column(const std::function<void(Value*, int64_t)>& body) {
    const int64_t rest = plan_.form.columns % tile_, whole = plan_.form.columns / tile_;
    const bool one_task = plan_.output_block[kColumn] == plan_.form.columns;
    if (whole > 0) loop(column_begin_, whole_end_, one_task, [&](Value* column) { body(column, tile_); });
    if (rest == 0) return;
    if (one_task) return b_.scoped([&] { body(b_.i64(whole), rest); });
    b_.when(b_.CreateICmpEQ(block_.end[kColumn], b_.i64(plan_.form.columns)), {}, [&](const Carried& none) {
      body(b_.i64(whole), rest);
      return none;
    });
  }

  // The number of the first tile of a row of tiles, in the task.
  Value* first_tile(Value* image, Value* row) {
    Value* row_in_task = b_.CreateAdd(times(b_.CreateSub(image, block_.begin[kImage]), plan_.block.tile_rows), b_.CreateSub(row, row_begin_));
    return b_.CreateSub(times(row_in_task, plan_.block.tile_columns), column_begin_);
  }

  // --- V = B^T x B ---

  void transform_inputs() {
    const KernelOperand& x = body_.operands[static_cast<size_t>(body_.contraction->lhs)];
    Value* base = pointers_.operands[static_cast<size_t>(body_.contraction->lhs)];
    loop(block_.begin[kImage], block_.end[kImage], true, [&](Value* image) {
      loop(row_begin_, row_end_, true, [&](Value* row) {
        std::vector<Value*> offsets, inside;
        for (int64_t i = 0; i < window_; ++i) {
          Value* h = b_.CreateAdd(times(row, tile_), b_.i64(plan_.form.first_row + i));
          inside.push_back(b_.CreateICmpULT(h, b_.i64(x.shape[kRow])));
          offsets.push_back(b_.CreateAdd(times(image, x.strides[kImage]), times(h, x.strides[kRow])));
        }
        Value* tile = first_tile(image, row);
        loop(b_.i64(0), b_.i64(plan_.form.inputs), true, [&](Value* channels) {
          for_each_column([&](Value* column, int64_t valid) {
            Value* first = b_.CreateAdd(times(column, tile_ * kLaneBlock), b_.i64(plan_.form.first_column * kLaneBlock));
            first = b_.CreateAdd(first, times(channels, x.strides[kChannels]));
            std::vector<Value*> rows;
            for (size_t i = 0; i < inside.size(); ++i)
              rows.push_back(b_.CreateSelect(inside[i], b_.CreateGEP(b_.storage_type(x.dtype), base, b_.CreateAdd(offsets[i], first)), zeros_));
            Value* position = b_.CreateAdd(times(channels, plan_.tiles()), b_.CreateAdd(tile, column));
            transform_tile(b_, winograd_transform(tile_).input, vector_, x.dtype, rows, valid + 2, at(v_, times(position, kLaneBlock)), plan_.v_pitch());
          });
        });
      });
    });
  }

  // --- M = V U ---

  void multiply() {
    const KernelOperand& u = body_.operands[static_cast<size_t>(body_.contraction->rhs)];
    Value* weights = at(pointers_.operands[static_cast<size_t>(body_.contraction->rhs)], times(block_.begin[kChannels], u.strides[1]));
    TaskBlock whole;
    for (int64_t extent : plan_.product.nest.extents) {
      whole.begin.push_back(b_.i64(0));
      whole.end.push_back(b_.i64(extent));
    }
    loop(b_.i64(0), b_.i64(plan_.winograd.positions()), true, [&](Value* position) {
      KernelPointers operands;
      operands.operands = {at(v_, times(position, plan_.v_pitch())), at(weights, times(position, u.strides[0])),
                           at(m_, times(position, plan_.m_pitch()))};
      emit_direct(b_, plan_.product, plan_.product_plan, whole, operands, product_scratch_);
    });
  }

  // --- y = A^T M A ---

  void transform_outputs() {
    loop(block_.begin[kImage], block_.end[kImage], true, [&](Value* image) {
      expressions_.set_axis(kImage, image);
      loop(block_.begin[kChannels], block_.end[kChannels], true, [&](Value* channels) {
        expressions_.set_axis(kChannels, channels);
        expressions_.set_axis(kLane, b_.i64(0));
        group_ = b_.CreateSub(channels, block_.begin[kChannels]);
        Value* first = times(group_, plan_.tiles());
        loop(row_begin_, row_end_, true, [&](Value* row) {
          expressions_.set_axis(kRow, times(row, tile_));
          Value* tile = b_.CreateAdd(first, first_tile(image, row));
          for_each_column([&](Value* column, int64_t valid) {
            expressions_.set_axis(kColumn, times(column, tile_));
            transform_output(at(m_, times(b_.CreateAdd(tile, column), kLaneBlock)), row, valid);
          });
        });
      });
    });
  }

  void transform_output(Value* from, Value* row, int64_t columns) {
    Value* address = b_.opaque(from);
    const int64_t rest = plan_.form.rows % tile_;
    for (int64_t lane = 0; lane < kLaneBlock; lane += plan_.vector_lanes)
      b_.scoped([&] {
        expressions_.shift_axis(kLane, lane);
        const std::vector<std::vector<Value*>> half = output_columns(at(address, lane));
        if (rest == 0) return add_partials(lane, store_rows(half, 0, tile_, columns));
        const Carried first = store_rows(half, 0, rest, columns);
        add_partials(lane, b_.when(b_.CreateICmpNE(row, b_.i64(plan_.form.rows / tile_)), first, [&](const Carried& sums) {
          const Carried more = store_rows(half, rest, tile_, columns);
          Carried totals;
          for (size_t i = 0; i < sums.size(); ++i) totals.push_back(b_.CreateFAdd(sums[i], more[i]));
          return totals;
        }));
      });
    expressions_.shift_axis(kLane, 0);
  }

  // A^T M, by row.
  std::vector<std::vector<Value*>> output_columns(Value* address) {
    std::vector<std::vector<Value*>> half(static_cast<size_t>(tile_));
    for (int64_t j = 0; j < window_; ++j) {
      std::vector<Value*> column;
      for (int64_t i = 0; i < window_; ++i) column.push_back(load(at(address, (i * window_ + j) * plan_.m_pitch())));
      column = apply(b_, winograd_transform(tile_).output, column);
      for (size_t i = 0; i < half.size(); ++i) half[i].push_back(column[i]);
    }
    return half;
  }

  // Sums of the partials' bodies over these rows of the tile.
  Carried store_rows(const std::vector<std::vector<Value*>>& half, int64_t begin, int64_t end, int64_t columns) {
    Carried sums(body_.partials.size(), nullptr);
    for (int64_t i = begin; i < end; ++i) {
      const std::vector<Value*> values = apply(b_, winograd_transform(tile_).output, half[static_cast<size_t>(i)]);
      for (int64_t j = 0; j < columns; ++j)
        b_.scoped([&] {
          expressions_.shift_axis(kRow, i);
          expressions_.shift_axis(kColumn, j);
          store_point(values[static_cast<size_t>(j)], sums);
        });
    }
    expressions_.shift_axis(kRow, 0);
    expressions_.shift_axis(kColumn, 0);
    return sums;
  }

  // All values before all stores: a store may go over an operand that another value loads (in place).
  void store_point(Value* sum, Carried& sums) {
    expressions_.set_reduced({sum});
    std::vector<Value*> values;
    for (const Store& s : body_.nest.stores) values.push_back(expressions_.lanes(s.value));
    for (size_t i = 0; i < values.size(); ++i)
      expressions_.store(body_.nest.stores[i].output, analysis_.store_offset(body_.nest.stores[i].output), values[i]);
    for (size_t i = 0; i < sums.size(); ++i) {
      Value* x = expressions_.lanes(body_.partials[i].body);
      sums[i] = sums[i] ? b_.CreateFAdd(sums[i], x) : x;
    }
  }

  // --- Partial sums: [which][kb of the task][16] ---

  Value* partial_at(size_t which, Value* group, int64_t lane) {
    return at(at(partials_, times(group, kLaneBlock)), static_cast<int64_t>(which) * plan_.block.outputs * kLaneBlock + lane);
  }

  // The sums of a tile, at one vector of its channels.
  void add_partials(int64_t lane, const Carried& sums) {
    for (size_t i = 0; i < sums.size(); ++i) {
      Value* address = partial_at(i, group_, lane);
      store(b_.CreateFAdd(load(address), sums[i]), address);
    }
  }

  void write_partials() {
    if (body_.partials.empty()) return;
    loop(b_.i64(0), b_.i64(plan_.block.outputs), true, [&](Value* group) {
      for (size_t i = 0; i < body_.partials.size(); ++i) {
        const KernelOperand& o = body_.operands[static_cast<size_t>(body_.partials[i].output)];
        Value* channel = times(b_.CreateAdd(block_.begin[kChannels], group), kLaneBlock);
        Value* row = at(pointers_.operands[static_cast<size_t>(body_.partials[i].output)],
                        b_.CreateAdd(times(block_.partial_row, o.strides[0]), times(channel, o.strides[1])));
        for (int64_t lane = 0; lane < kLaneBlock; lane += plan_.vector_lanes) store(load(partial_at(i, group, lane)), at(row, lane));
      }
    });
  }

  LaneBuilder& b_;
  const KernelBody& body_;
  const WinogradPlan& plan_;
  const TaskBlock& block_;
  const KernelPointers& pointers_;
  const int64_t tile_, window_;
  IndexAnalysis analysis_;
  Expressions expressions_;
  Value *partials_, *zeros_, *v_, *m_, *product_scratch_;
  Value* group_ = nullptr;  // the block of channels, in the task
  llvm::FixedVectorType* vector_;
  Value *row_begin_, *row_end_, *column_begin_, *whole_end_;  // of tiles; the last column of whole tiles
};

}  // namespace

void emit_winograd(LaneBuilder& builder, const KernelBody& body, const WinogradPlan& plan, const TaskBlock& block,
                   const KernelPointers& pointers, Value* scratch) {
  WinogradEmitter(builder, body, plan, block, pointers, scratch).emit();
}

}  // namespace netc
