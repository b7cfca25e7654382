// Contractions as matrix products of gathered tiles.
//
// By its role every axis belongs to one of four composite indices (batch, M, N, K), and for each batch
// index the contraction is C[m, n] += sum over k of A[m, k] * B[k, n]. Tiles of A and B are gathered into dense
// panels with zeros where an index falls outside of its tensor; a micro-kernel multiplies 4x4 blocks; the tile of C is
// added to the output, but for elements outside of it. So padding, stride, dilation, groups and
// all three choices of the output need no code of their own. Gathering costs a few nanoseconds an element and is
// shared by a whole tile, so that the speed is the micro-kernel's unless N or M is small (depthwise).
#include <algorithm>
#include <array>

#include "compiler/base/error.h"
#include "compiler/interpret/evaluate.h"

namespace netc {
namespace {

constexpr int64_t kTileM = 64, kTileN = 128, kTileK = 256;
constexpr int64_t kBlock = 4;  // the micro-kernel's rows and columns; tiles are padded to it

struct Group {
  std::vector<int> axes;  // row-major
  int64_t extent = 1;
};

// How one tensor is addressed: address = sum of strides; `checked` are the dimensions that can be left.
struct Access {
  struct Checked {
    std::vector<int64_t> coefficients;  // per axis
    int64_t offset = 0, extent = 0;
  };
  std::vector<int64_t> strides;  // per axis
  int64_t offset = 0;
  std::vector<Checked> checked;
};

Access access_of(const Contraction& c, const ContractionTensor& tensor) {
  Access access;
  access.strides.assign(c.axes.size(), 0);
  Shape strides = row_major_strides(tensor.shape);
  for (size_t d = 0; d < tensor.index.size(); ++d) {
    const AxisSum& sum = tensor.index[d];
    Access::Checked dimension{std::vector<int64_t>(c.axes.size(), 0), sum.offset, tensor.shape[d]};
    int64_t low = sum.offset, high = sum.offset;
    for (const AxisTerm& term : sum.terms) {
      size_t axis = static_cast<size_t>(term.axis);
      int64_t reach = term.coefficient * (c.axes[axis].extent - 1);
      (reach < 0 ? low : high) += reach;
      dimension.coefficients[axis] += term.coefficient;
      access.strides[axis] += term.coefficient * strides[d];
    }
    access.offset += sum.offset * strides[d];
    if (low < 0 || high >= tensor.shape[d]) access.checked.push_back(std::move(dimension));
  }
  return access;
}

// The part of addresses and checked indices that a run of one composite index contributes.
struct Locations {
  std::vector<int64_t> address;
  std::vector<std::vector<int64_t>> position;  // per checked dimension
  int64_t count() const { return static_cast<int64_t>(address.size()); }
};

Locations locate(const Contraction& c, const Access& access, const Group& group, int64_t first, int64_t count) {
  Locations at;
  at.address.resize(static_cast<size_t>(count));
  at.position.assign(access.checked.size(), std::vector<int64_t>(static_cast<size_t>(count)));
  std::vector<int64_t> coordinates(group.axes.size());
  for (size_t a = group.axes.size(); a-- > 0;) {
    int64_t extent = c.axes[static_cast<size_t>(group.axes[a])].extent;
    coordinates[a] = first % extent;
    first /= extent;
  }
  for (int64_t i = 0; i < count; ++i) {
    int64_t address = 0;
    for (size_t a = 0; a < group.axes.size(); ++a) address += coordinates[a] * access.strides[static_cast<size_t>(group.axes[a])];
    at.address[static_cast<size_t>(i)] = address;
    for (size_t d = 0; d < access.checked.size(); ++d) {
      int64_t position = 0;
      for (size_t a = 0; a < group.axes.size(); ++a)
        position += coordinates[a] * access.checked[d].coefficients[static_cast<size_t>(group.axes[a])];
      at.position[d][static_cast<size_t>(i)] = position;
    }
    for (size_t a = group.axes.size(); a-- > 0;) {
      if (++coordinates[a] < c.axes[static_cast<size_t>(group.axes[a])].extent) break;
      coordinates[a] = 0;
    }
  }
  return at;
}

std::vector<Locations> locate_tiles(const Contraction& c, const Access& access, const Group& group, int64_t tile) {
  std::vector<Locations> tiles;
  for (int64_t first = 0; first < group.extent; first += tile)
    tiles.push_back(locate(c, access, group, first, std::min(tile, group.extent - first)));
  return tiles;
}

// Calls `visit(column, address)` for the columns of a row whose index lies inside of the tensor.
template <class Visit>
void visit_row(const Access& access, const Locations& base, const Locations& rows, size_t row, const Locations& columns,
               Visit visit) {
  int64_t address = access.offset + base.address[0] + rows.address[row];
  size_t count = columns.address.size();
  auto origin = [&](size_t d) { return access.checked[d].offset + base.position[d][0] + rows.position[d][row]; };
  auto inside = [&](size_t d, int64_t position) {
    return static_cast<uint64_t>(position) < static_cast<uint64_t>(access.checked[d].extent);
  };
  if (access.checked.empty()) {
    for (size_t i = 0; i < count; ++i) visit(i, address + columns.address[i]);
  } else if (access.checked.size() == 2) {  // images
    int64_t y = origin(0), x = origin(1);
    const int64_t *dy = columns.position[0].data(), *dx = columns.position[1].data();
    for (size_t i = 0; i < count; ++i)
      if (inside(0, y + dy[i]) & inside(1, x + dx[i])) visit(i, address + columns.address[i]);
  } else {
    for (size_t i = 0; i < count; ++i) {
      bool all_inside = true;
      for (size_t d = 0; d < access.checked.size(); ++d) all_inside &= inside(d, origin(d) + columns.position[d][i]);
      if (all_inside) visit(i, address + columns.address[i]);
    }
  }
}

int64_t padded(int64_t extent) { return ceil_div(extent, kBlock) * kBlock; }

// Panels of kBlock rows: element (row, k) lies at panel row/kBlock, position k*kBlock + row%kBlock.
void gather(std::vector<double>& panels, const Access& access, const double* data, const Locations& base,
            const Locations& rows, const Locations& columns) {
  size_t depth = columns.address.size(), row_count = rows.address.size();
  std::fill_n(panels.begin(), static_cast<size_t>(padded(static_cast<int64_t>(row_count))) * depth, 0.0);
  for (size_t row = 0; row < row_count; ++row) {
    double* out = panels.data() + row / kBlock * depth * kBlock + row % kBlock;
    visit_row(access, base, rows, row, columns, [&](size_t k, int64_t address) { out[k * kBlock] = data[address]; });
  }
}

using Pair = double __attribute__((vector_size(16)));

// c[4][4] (row stride `stride`) += a panel of A times a panel of B over `depth`.
void multiply_block(const double* a, const double* b, double* c, int64_t stride, int64_t depth) {
  Pair sum[kBlock][2] = {};
  for (int64_t k = 0; k < depth; ++k, a += kBlock, b += kBlock) {
    Pair b0 = {b[0], b[1]}, b1 = {b[2], b[3]};
    for (int64_t i = 0; i < kBlock; ++i) {
      Pair ai = {a[i], a[i]};
      sum[i][0] += ai * b0;
      sum[i][1] += ai * b1;
    }
  }
  for (int64_t i = 0; i < kBlock; ++i)
    for (int64_t j = 0; j < kBlock; ++j) c[i * stride + j] += sum[i][j / 2][j % 2];
}

HostTensor rounded_to_tf32(HostTensor tensor) {
  for (double& x : tensor.data) x = round_to_tf32(x);
  return tensor;
}

}  // namespace

HostTensor evaluate_contraction(const Contraction& c, const HostTensor& first, const HostTensor& second) {
  if (c.transforms_weights()) return evaluate_winograd(c, first, second);
  if (c.tf32) {
    Contraction plain = c;
    plain.tf32 = false;
    return evaluate_contraction(plain, rounded_to_tf32(first), rounded_to_tf32(second));
  }
  const ContractionTensor& target = c.tensors[static_cast<size_t>(c.output)];
  HostTensor output{target.shape, std::vector<double>(static_cast<size_t>(element_count(target.shape)), 0.0)};
  NETC_CHECK(first.shape == c.tensors[static_cast<size_t>(c.first_input())].shape &&
                 second.shape == c.tensors[static_cast<size_t>(c.second_input())].shape,
             "a contraction's input has another shape");
  Access access_a = access_of(c, c.tensors[static_cast<size_t>(c.first_input())]);
  Access access_b = access_of(c, c.tensors[static_cast<size_t>(c.second_input())]);
  Access access_c = access_of(c, target);

  std::array<Group, 4> groups;
  for (size_t axis = 0; axis < c.axes.size(); ++axis) {
    Group& group = groups[static_cast<size_t>(c.role(static_cast<int>(axis)))];
    if (c.axes[axis].extent == 1) continue;
    group.axes.push_back(static_cast<int>(axis));
    group.extent *= c.axes[axis].extent;
  }
  const Group &batch = groups[static_cast<size_t>(AxisRole::batch)], &m = groups[static_cast<size_t>(AxisRole::m)],
              &n = groups[static_cast<size_t>(AxisRole::n)], &k = groups[static_cast<size_t>(AxisRole::k)];

  int64_t tile_m = std::min(kTileM, m.extent), tile_n = std::min(kTileN, n.extent), tile_k = std::min(kTileK, k.extent);
  std::vector<double> a(static_cast<size_t>(padded(tile_m) * tile_k)), b(static_cast<size_t>(padded(tile_n) * tile_k));
  std::vector<double> tile(static_cast<size_t>(padded(tile_m) * padded(tile_n)));

  std::vector<Locations> m_in_a = locate_tiles(c, access_a, m, tile_m), m_in_c = locate_tiles(c, access_c, m, tile_m);
  std::vector<Locations> n_in_b = locate_tiles(c, access_b, n, tile_n), n_in_c = locate_tiles(c, access_c, n, tile_n);
  std::vector<Locations> k_in_a = locate_tiles(c, access_a, k, tile_k), k_in_b = locate_tiles(c, access_b, k, tile_k);

  for (int64_t index = 0; index < batch.extent; ++index) {
    Locations base_a = locate(c, access_a, batch, index, 1), base_b = locate(c, access_b, batch, index, 1);
    Locations base_c = locate(c, access_c, batch, index, 1);
    for (size_t nt = 0; nt < n_in_b.size(); ++nt) {
      int64_t columns = n_in_b[nt].count(), stride = padded(columns);
      for (size_t mt = 0; mt < m_in_a.size(); ++mt) {
        int64_t rows = m_in_a[mt].count();
        std::fill_n(tile.begin(), padded(rows) * stride, 0.0);
        for (size_t kt = 0; kt < k_in_a.size(); ++kt) {
          int64_t depth = k_in_a[kt].count();
          gather(a, access_a, first.data.data(), base_a, m_in_a[mt], k_in_a[kt]);
          gather(b, access_b, second.data.data(), base_b, n_in_b[nt], k_in_b[kt]);
          for (int64_t i = 0; i < rows; i += kBlock)
            for (int64_t j = 0; j < columns; j += kBlock)
              multiply_block(a.data() + i * depth, b.data() + j * depth, tile.data() + i * stride + j, stride, depth);
        }
        for (int64_t row = 0; row < rows; ++row) {
          const double* from = tile.data() + row * stride;
          visit_row(access_c, base_c, m_in_c[mt], static_cast<size_t>(row), n_in_c[nt],
                    [&](size_t column, int64_t address) { output.data[static_cast<size_t>(address)] += from[column]; });
        }
      }
    }
  }
  return output;
}

}  // namespace netc
