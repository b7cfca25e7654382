#include "compiler/backend/cpu/winograd_transform.h"

#include <cmath>

#include "compiler/lower/direct_plan.h"

namespace netc {

using llvm::Value;

namespace {

using Row = std::vector<double>;
using Values = std::vector<Value*>;

// sum + coefficient * value; a null sum is 0.
Value* add_product(LaneBuilder& b, Value* sum, double coefficient, Value* value) {
  if (!sum) return coefficient == 1 ? value : b.CreateFMul(b.real(value->getType(), coefficient), value);
  if (coefficient == 1) return b.CreateFAdd(sum, value);
  if (coefficient == -1) return b.CreateFSub(sum, value);
  return b.fma(b.real(value->getType(), coefficient), value, sum);
}

// row * values; null where the row is zero. A term without a factor comes first.
Value* combine(LaneBuilder& b, const Row& row, const Values& values) {
  size_t first = row.size();
  for (size_t i = row.size(); i-- > 0 && first == row.size();)
    if (row[i] == 1) first = i;
  Value* sum = first < row.size() ? values[first] : nullptr;
  for (size_t i = row.size(); i-- > 0;)
    if (i != first && row[i] != 0) sum = add_product(b, sum, row[i], values[i]);
  return sum;
}

// Whether b is a with some signs turned and some not.
bool mirrored(const Row& a, const Row& b) {
  bool equal = false, opposite = false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == 0 && b[i] == 0) continue;
    if (a[i] == b[i]) equal = true;
    else if (a[i] == -b[i]) opposite = true;
    else return false;
  }
  return equal && opposite;
}

Row column(const Matrix& matrix, size_t j) {
  Row result;
  for (const Row& row : matrix) result.push_back(row[j]);
  return result;
}

// Replaces pairs of values whose columns are mirrored by their sum and difference: each row needs one of them.
void pair_columns(LaneBuilder& b, Matrix& matrix, Values& values) {
  for (size_t j = 0; j + 1 < values.size(); ++j) {
    if (!mirrored(column(matrix, j), column(matrix, j + 1))) continue;
    Value *sum = b.CreateFAdd(values[j], values[j + 1]), *difference = b.CreateFSub(values[j], values[j + 1]);
    for (Row& row : matrix) {
      const bool equal = row[j] == row[j + 1];
      row[j + 1] = equal ? 0 : row[j];
      if (!equal) row[j] = 0;
    }
    values[j] = sum;
    values[j + 1] = difference;
    ++j;
  }
}

}  // namespace

Values apply(LaneBuilder& b, const Matrix& given, const Values& inputs) {
  Matrix matrix = given;
  Values values = inputs, results;
  pair_columns(b, matrix, values);
  for (size_t i = 0; i < matrix.size(); ++i) {
    if (i + 1 == matrix.size() || !mirrored(matrix[i], matrix[i + 1])) {
      results.push_back(combine(b, matrix[i], values));
      continue;
    }
    Row even = matrix[i], odd = matrix[i];
    for (size_t j = 0; j < even.size(); ++j) (matrix[i][j] == matrix[i + 1][j] ? odd : even)[j] = 0;
    double factor = 0;  // of the odd part's last term, taken out
    for (double c : odd)
      if (c != 0) factor = c;
    for (double& c : odd) c /= factor;
    Value *e = combine(b, even, values), *o = combine(b, odd, values);
    results.push_back(add_product(b, e, factor, o));
    results.push_back(add_product(b, e, -factor, o));
    ++i;
  }
  return results;
}

Matrix transposed(const Matrix& matrix) {
  Matrix result;
  for (size_t j = 0; j < matrix[0].size(); ++j) result.push_back(column(matrix, j));
  return result;
}

void transform_tile(LaneBuilder& b, const Matrix& matrix, llvm::FixedVectorType* vector, DType dtype, const std::vector<Value*>& rows,
                    int64_t columns, Value* to, int64_t pitch) {
  llvm::Type* element = b.storage_type(dtype);
  auto* stored = llvm::FixedVectorType::get(element, vector->getNumElements());
  const auto pixel = [&](Value* row, int64_t j) {
    Value* address = j == 0 ? row : b.CreateGEP(element, row, b.i64(j * kLaneBlock));
    return b.to_f32(b.CreateAlignedLoad(stored, address, llvm::Align(static_cast<uint64_t>(size_of(dtype)))), dtype);
  };
  const auto at = [&](Value* base, int64_t floats) { return floats == 0 ? base : b.CreateGEP(b.getFloatTy(), base, b.i64(floats)); };
  const auto lanes = [&](Value* lane) {
    std::vector<Values> half(matrix.size());  // by row
    Values addresses;
    for (Value* row : rows) addresses.push_back(b.opaque(b.CreateGEP(element, row, lane)));
    for (int64_t j = 0; j < static_cast<int64_t>(matrix[0].size()); ++j) {
      Values column;
      for (Value* address : addresses)
        column.push_back(j < columns ? pixel(address, j) : b.real(vector, 0));
      column = apply(b, matrix, column);
      for (size_t i = 0; i < column.size(); ++i) half[i].push_back(column[i]);
    }
    Value* address = b.opaque(b.CreateGEP(b.getFloatTy(), to, lane));
    for (size_t i = 0; i < half.size(); ++i) {
      const Values row = apply(b, matrix, half[i]);
      for (size_t j = 0; j < row.size(); ++j)
        b.CreateAlignedStore(row[j], at(address, static_cast<int64_t>(i * row.size() + j) * pitch), llvm::Align(4));
    }
  };
  if (vector->getNumElements() == kLaneBlock) return lanes(b.i64(0));
  b.loop(b.i64(0), b.i64(kLaneBlock), vector->getNumElements(), {}, true, [&](Value* lane, const Carried& none) {
    lanes(lane);
    return none;
  });
}

}  // namespace netc
