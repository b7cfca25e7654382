#include "compiler/backend/cuda/gemm_simt_source.h"

#include <fmt/format.h>

namespace netc {
namespace {

constexpr int kPadding = 2;  // floats behind a row of a tile: threads that copy along k hit different banks

int pitch(const GemmTile& tile) {
  return tile.block + kPadding;
}

// How many values of k and of m or n a thread copies, and which.
int k_items(const GemmFrame& f, const GemmTile& t) {
  return t.copy->k_inner ? 1 : t.block * f.plan.block_k / f.plan.threads;
}
int free_items(const GemmFrame& f, const GemmTile& t) {
  return t.copy->k_inner ? t.block * f.plan.block_k / f.plan.threads : 1;
}
std::string free_local(const GemmFrame& f, const GemmTile& t) {
  if (!t.copy->k_inner) return fmt::format("thread % {}", t.block);
  return fmt::format("thread / {} + item * {}", f.plan.block_k, f.plan.threads / f.plan.block_k);
}
std::string k_local(const GemmFrame& f, const GemmTile& t) {
  if (t.copy->k_inner) return fmt::format("thread % {}", f.plan.block_k);
  return fmt::format("thread / {} + step * {}", t.block, f.plan.threads / t.block);
}

void copy_tile(GemmFrame& f, const GemmTile& tile) {
  f.out.line("#pragma unroll");
  f.out.open(fmt::format("for (int step = 0; step < {}; ++step)", k_items(f, tile)));
  f.out.line(fmt::format("const int k_local = {}, k = k_first + k_local;", k_local(f, tile)));
  f.decode(GemmRole::k, "k", "k");
  f.out.line("#pragma unroll");
  f.out.open(fmt::format("for (int item = 0; item < {}; ++item)", free_items(f, tile)));
  f.out.line(fmt::format("const bool inside = {};", copy_condition(f, tile)));
  f.out.line(fmt::format("{}.store(k_local * {} + {}, inside ? to_f32(load({})) : 0.0f);", tile.name,
                         pitch(tile), free_local(f, tile), copy_address(f, tile)));
  f.out.close();
  f.out.close();
}

}  // namespace

int emit_simt_product(GemmFrame& f) {
  const GemmTile v = v_tile(f), s = s_tile(f);
  const int v_bytes = 4 * f.plan.block_k * pitch(v), s_bytes = 4 * f.plan.block_k * pitch(s);
  const int m_items = f.plan.block_m / kThreadGrid, n_items = f.plan.block_n / kThreadGrid;
  const auto each = [&](const char* i, int count) {
    f.out.line("#pragma unroll");
    return fmt::format("for (int {0} = 0; {0} < {1}; ++{0})", i, count);
  };
  f.out.line(fmt::format("const Shared<f32> v{{0}}, s{{{}}};  // [k][m], [k][n]", v_bytes));
  emit_copy_starts(f, v, free_items(f, v), free_local(f, v));
  emit_copy_starts(f, s, free_items(f, s), free_local(f, s));
  f.out.line(fmt::format("const int m_thread = thread % {0}, n_thread = thread / {0};", kThreadGrid));
  f.out.line(fmt::format("f32 c[{}][{}] = {{}};", n_items, m_items));
  f.out.line("#pragma unroll 1");
  f.out.open(fmt::format("for (int k_first = 0; k_first < {}; k_first += {})", f.extent_text(GemmRole::k),
                         f.plan.block_k));
  copy_tile(f, v);
  copy_tile(f, s);
  f.out.line("__syncthreads();");
  f.out.line("#pragma unroll");
  f.out.open(fmt::format("for (int k = 0; k < {}; ++k)", f.plan.block_k));
  f.out.line(fmt::format("f32 a[{}], b[{}];", m_items, n_items));
  f.out.line(each("i", m_items) +
             fmt::format(" a[i] = v.load(k * {} + m_thread + i * {});", pitch(v), kThreadGrid));
  f.out.line(each("j", n_items) +
             fmt::format(" b[j] = s.load(k * {} + n_thread + j * {});", pitch(s), kThreadGrid));
  f.out.open(each("j", n_items));
  f.out.line(each("i", m_items) + " c[j][i] += a[i] * b[j];");
  f.out.close();
  f.out.close();
  f.out.line("__syncthreads();");
  f.out.close();
  f.out.open(each("j", n_items));
  f.out.line(each("i", m_items) + fmt::format(" c_tile.store({}, c[j][i]);",
                                              f.c_index(fmt::format("m_thread + i * {}", kThreadGrid),
                                                        fmt::format("n_thread + j * {}", kThreadGrid))));
  f.out.close();
  f.out.line("__syncthreads();");
  return v_bytes + s_bytes;
}

}  // namespace netc
