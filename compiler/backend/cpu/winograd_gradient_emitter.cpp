#include "compiler/backend/cpu/winograd_gradient_emitter.h"

#include "compiler/backend/cpu/direct_emitter.h"
#include "compiler/backend/cpu/winograd_transform.h"

namespace netc {

using llvm::Value;

namespace {

enum Dimension : size_t { kImage, kChannels, kRow };  // of x and y

class WinogradGradientEmitter {
 public:
  WinogradGradientEmitter(LaneBuilder& builder, const KernelBody& body, const WinogradGradientPlan& plan, const TaskBlock& block,
                          const KernelPointers& pointers, Value* scratch)
      : b_(builder), body_(body), plan_(plan), pointers_(pointers), tile_(plan.winograd.tile), zeros_(scratch),
        v_(at(scratch, plan.v_offset())), d_(at(scratch, plan.d_offset())), m_(at(scratch, plan.m_offset())),
        product_scratch_(at(scratch, plan.product_offset())),
        vector_(llvm::FixedVectorType::get(builder.getFloatTy(), static_cast<unsigned>(plan.vector_lanes))),
        first_image_(times(b_.CreateUDiv(block.begin[0], b_.i64(plan.form.outputs)), plan.form.images)),
        first_output_(b_.CreateURem(block.begin[0], b_.i64(plan.form.outputs))), first_input_(block.begin[1]), begin_(block.begin) {}

  void emit() {
    clear(zeros_, plan_.v_offset());
    clear(m_, plan_.product_offset() - plan_.m_offset());
    Value* end = b_.CreateAdd(first_image_, b_.i64(plan_.form.images));
    loop(first_image_, end, plan_.block.images, [&](Value* images) {
      loop(b_.i64(0), b_.i64(plan_.rows_of_tiles()), plan_.block.tile_rows, [&](Value* rows) {
        transform_inputs(images, rows);
        transform_gradients(images, rows);
        multiply();
      });
    });
    transform_sums();
  }

 private:
  Value* at(Value* base, int64_t floats) { return floats == 0 ? base : b_.CreateGEP(b_.getFloatTy(), base, b_.i64(floats)); }
  Value* at(Value* base, Value* floats) { return b_.CreateGEP(b_.getFloatTy(), base, floats); }
  Value* times(Value* x, int64_t factor) { return b_.CreateMul(x, b_.i64(factor)); }
  const KernelOperand& operand(int number) const { return body_.operands[static_cast<size_t>(number)]; }
  Value* pointer(int number) const { return pointers_.operands[static_cast<size_t>(number)]; }

  void loop(Value* begin, Value* end, int64_t step, const std::function<void(Value*)>& body) {
    b_.loop(begin, end, step, {}, true, [&](Value* i, const Carried& none) {
      body(i);
      return none;
    });
  }

  void clear(Value* floats, int64_t count) {
    loop(b_.i64(0), b_.i64(count), plan_.vector_lanes,
         [&](Value* i) { b_.CreateAlignedStore(b_.real(vector_, 0), at(floats, i), llvm::Align(4)); });
  }

  // Visits the tiles of a turn, of `channels` blocks from `first` on: with the tile's place among all of a channel block and of a
  // position, the addresses of `count` rows of `o` from the tile's first one on, zeros for those that o does not have, and how many
  // columns of y the tile has.
  struct Rows {
    const KernelOperand& o;
    Value* base;
    int64_t count, first_row, first_column;
  };
  void for_each_tile(const Rows& from, Value* images, Value* rows, Value* first, int64_t channels,
                     const std::function<void(Value* place, const std::vector<Value*>& rows, int64_t columns)>& visit) {
    const Shape& strides = from.o.strides;
    loop(b_.i64(0), b_.i64(plan_.block.images), 1, [&](Value* image) {
      loop(b_.i64(0), b_.i64(plan_.block.tile_rows), 1, [&](Value* row) {
        std::vector<Value*> offsets, inside;
        Value* first_row = b_.CreateAdd(times(b_.CreateAdd(rows, row), tile_), b_.i64(from.first_row));
        for (int64_t i = 0; i < from.count; ++i) {
          Value* h = b_.CreateAdd(first_row, b_.i64(i));
          inside.push_back(b_.CreateICmpULT(h, b_.i64(from.o.shape[kRow])));
          offsets.push_back(b_.CreateAdd(times(b_.CreateAdd(images, image), strides[kImage]), times(h, strides[kRow])));
        }
        Value* tile = times(b_.CreateAdd(times(image, plan_.block.tile_rows), row), plan_.columns_of_tiles());
        loop(b_.i64(0), b_.i64(channels), 1, [&](Value* channel) {
          Value* of_channel = times(b_.CreateAdd(first, channel), strides[kChannels]);
          Value* place = b_.CreateAdd(times(channel, plan_.tiles()), tile);
          for_each_column([&](Value* column, int64_t columns) {
            Value* offset = b_.CreateAdd(of_channel, b_.CreateAdd(times(column, tile_ * kLaneBlock), b_.i64(from.first_column * kLaneBlock)));
            std::vector<Value*> addresses;
            for (size_t i = 0; i < inside.size(); ++i)
              addresses.push_back(b_.CreateSelect(inside[i], b_.CreateGEP(b_.storage_type(from.o.dtype), from.base, b_.CreateAdd(offsets[i], offset)), zeros_));
            visit(b_.CreateAdd(place, column), addresses, columns);
          });
        });
      });
    });
  }

  // Calls body(column of tiles, columns of y in the tile): whole tiles, then what is left of the last.
  void for_each_column(const std::function<void(Value*, int64_t)>& body) {
    const int64_t rest = plan_.form.columns % tile_, whole = plan_.form.columns / tile_;
    if (whole > 0) loop(b_.i64(0), b_.i64(whole), 1, [&](Value* column) { body(column, tile_); });
    if (rest > 0) b_.scoped([&] { body(b_.i64(whole), rest); });
  }

  // V = B^T x B. Columns behind the tile's own meet zeros of the gradient.
  void transform_inputs(Value* images, Value* rows) {
    const int x = body_.contraction->lhs;
    const Rows from{operand(x), pointer(x), plan_.winograd.window(), plan_.form.first_row, plan_.form.first_column};
    for_each_tile(from, images, rows, first_input_, plan_.block.inputs, [&](Value* place, const std::vector<Value*>& window, int64_t columns) {
      transform_tile(b_, winograd_transform(tile_).input, vector_, from.o.dtype, window, columns + 2, at(v_, times(place, kLaneBlock)), plan_.v_pitch());
    });
  }

  // D = A dy A^T
  void transform_gradients(Value* images, Value* rows) {
    const int y = body_.contraction->rhs;
    const Matrix matrix = transposed(winograd_transform(tile_).output);
    for_each_tile({operand(y), pointer(y), tile_, 0, 0}, images, rows, first_output_, plan_.block.outputs,
                  [&](Value* place, const std::vector<Value*>& tile, int64_t columns) {
                    transform_tile(b_, matrix, vector_, operand(y).dtype, tile, columns, at(d_, times(place, kLaneBlock)), plan_.d_pitch());
                  });
  }

  // M += V^T D
  void multiply() {
    TaskBlock whole;
    for (int64_t extent : plan_.product.nest.extents) {
      whole.begin.push_back(b_.i64(0));
      whole.end.push_back(b_.i64(extent));
    }
    loop(b_.i64(0), b_.i64(plan_.winograd.positions()), 1, [&](Value* position) {
      Value* sums = at(m_, times(position, plan_.m_pitch()));
      KernelPointers operands;
      operands.operands = {at(v_, times(position, plan_.v_pitch())), at(d_, times(position, plan_.d_pitch())), sums, sums};
      emit_direct(b_, plan_.product, plan_.product_plan, whole, operands, product_scratch_);
    });
  }

  // dw = G^T M G, of every block of outputs and input channel.
  void transform_sums() {
    const Matrix matrix = transposed(winograd_transform(tile_).weights);
    const int output = body_.nest.stores[0].output;
    const Shape& strides = operand(output).strides;
    loop(b_.i64(0), b_.i64(plan_.block.outputs), 1, [&](Value* kb) {
      loop(b_.i64(0), b_.i64(plan_.block.inputs), 1, [&](Value* cb) {
        Value* to = b_.CreateAdd(times(b_.CreateAdd(begin_[0], kb), strides[0]), times(b_.CreateAdd(begin_[1], cb), strides[1]));
        Value* from = times(b_.CreateAdd(times(kb, plan_.block.inputs), cb), kLaneBlock * kLaneBlock);
        loop(b_.i64(0), b_.i64(kLaneBlock), 1, [&](Value* ci) {
          Value* sums = at(m_, b_.CreateAdd(from, times(ci, kLaneBlock)));
          Value* weights = at(pointer(output), b_.CreateAdd(to, times(ci, strides[4])));
          loop(b_.i64(0), b_.i64(kLaneBlock), plan_.vector_lanes, [&](Value* lane) {
            transform_back(matrix, b_.opaque(at(sums, lane)), b_.opaque(at(weights, lane)), strides);
          });
        });
      });
    });
  }

  void transform_back(const Matrix& matrix, Value* sums, Value* weights, const Shape& strides) {
    const int64_t window = plan_.winograd.window();
    std::vector<std::vector<Value*>> half(matrix.size());  // by row of the weights' window
    for (int64_t j = 0; j < window; ++j) {
      std::vector<Value*> column;
      for (int64_t i = 0; i < window; ++i)
        column.push_back(b_.CreateAlignedLoad(vector_, at(sums, (i * window + j) * plan_.m_pitch()), llvm::Align(4)));
      column = apply(b_, matrix, column);
      for (size_t i = 0; i < half.size(); ++i) half[i].push_back(column[i]);
    }
    for (size_t i = 0; i < half.size(); ++i) {
      const std::vector<Value*> row = apply(b_, matrix, half[i]);
      for (size_t j = 0; j < row.size(); ++j)
        b_.CreateAlignedStore(row[j], at(weights, static_cast<int64_t>(i) * strides[2] + static_cast<int64_t>(j) * strides[3]), llvm::Align(4));
    }
  }

  LaneBuilder& b_;
  const KernelBody& body_;
  const WinogradGradientPlan& plan_;
  const KernelPointers& pointers_;
  const int64_t tile_;
  Value *zeros_, *v_, *d_, *m_, *product_scratch_;
  llvm::FixedVectorType* vector_;
  Value *first_image_, *first_output_, *first_input_;  // of the task: blocks of channels of y and x
  std::vector<Value*> begin_;                          // of the task, in the output
};

}  // namespace

void emit_winograd_gradient(LaneBuilder& builder, const KernelBody& body, const WinogradGradientPlan& plan, const TaskBlock& block,
                            const KernelPointers& pointers, Value* scratch) {
  WinogradGradientEmitter(builder, body, plan, block, pointers, scratch).emit();
}

}  // namespace netc
