#include "compiler/backend/cuda/gemm_tensor_source.h"

#include <fmt/format.h>

#include "compiler/base/error.h"

namespace netc {
namespace {

constexpr int kPieceBytes = 16;       // of an asynchronous copy
constexpr int kMmaM = 16, kMmaN = 8;  // and two pieces of k

using Kind = GemmCopy::Kind;

// A tile of an operand in shared memory: rows of pieces, a piece's place in its row XORed with the row's
// number.
//   along_free: rows of k, pieces along m or n; else rows of m or n, pieces along k
struct Layout {
  int rows, pieces;
  int bytes() const { return rows * pieces * kPieceBytes; }
  // Rows of less than 128 bytes share one, so that their number is divided first.
  std::string swizzled(const std::string& row, const std::string& piece) const {
    const int shared = pieces >= 8 ? 1 : 8 / pieces, mask = pieces >= 8 ? 7 : pieces - 1;
    const std::string key = shared == 1 ? fmt::format("({}) % {}", row, mask + 1)
                                        : fmt::format("({}) / {} % {}", row, shared, mask + 1);
    return fmt::format("(({}) * {} + (({}) ^ ({})))", row, pieces, piece, key);
  }
};

Layout layout_of(const GemmFrame& f, const GemmTile& tile) {
  return tile.copy->kind == Kind::along_free ? Layout{f.plan.block_k, tile.block / f.plan.piece()}
                                             : Layout{tile.block, f.plan.block_k / f.plan.piece()};
}

// Pieces (or, gathered, elements) that a thread copies.
int items_of(const GemmFrame& f, const GemmTile& tile) {
  const int elements = tile.block * f.plan.block_k / f.plan.threads;
  return tile.copy->kind == Kind::gather ? elements : elements / f.plan.piece();
}

// Which m or n an item has, within the tile.
std::string free_local(const GemmFrame& f, const GemmTile& tile) {
  switch (tile.copy->kind) {
    case Kind::along_k: {
      const int pieces = f.plan.block_k / f.plan.piece();
      return fmt::format("thread / {} + item * {}", pieces, f.plan.threads / pieces);
    }
    case Kind::along_free:
      return fmt::format("thread % {} * {}", tile.block / f.plan.piece(), f.plan.piece());
    case Kind::gather:
      return tile.copy->k_inner
                 ? fmt::format("thread / {} + item * {}", f.plan.block_k, f.plan.threads / f.plan.block_k)
                 : fmt::format("thread % {}", tile.block);
  }
  return "";
}

// Which k a step has, within the tile.
std::string k_local(const GemmFrame& f, const GemmTile& tile) {
  switch (tile.copy->kind) {
    case Kind::along_k:
      return fmt::format("thread % {} * {}", f.plan.block_k / f.plan.piece(), f.plan.piece());
    case Kind::along_free: {
      const int pieces = tile.block / f.plan.piece();
      return fmt::format("thread / {} + piece * {}", pieces, f.plan.threads / pieces);
    }
    case Kind::gather:
      return tile.copy->k_inner
                 ? fmt::format("thread % {}", f.plan.block_k)
                 : fmt::format("thread / {} + piece * {}", tile.block, f.plan.threads / tile.block);
  }
  return "";
}

bool steps_along_k(const GemmTile& tile) {
  return tile.copy->kind == Kind::along_free || !tile.copy->k_inner;
}

class TensorSource {
 public:
  explicit TensorSource(GemmFrame& frame)
      : f_(frame),
        out_(frame.out),
        plan_(frame.plan),
        v_(v_tile(frame)),
        s_(s_tile(frame)),
        v_layout_(layout_of(frame, v_)),
        s_layout_(layout_of(frame, s_)),
        type_(storage_name(frame.body.operands[static_cast<size_t>(v_.operand)].dtype)),
        stage_bytes_(v_layout_.bytes() + s_layout_.bytes()),
        k_step_(2 * plan_.piece()),
        warp_m_(plan_.block_m / plan_.warps_m),
        warp_n_(plan_.block_n / plan_.warps_n) {
    NETC_CHECK(warp_m_ % kMmaM == 0 && warp_n_ % (2 * kMmaN) == 0 && plan_.block_k % k_step_ == 0,
               "a warp's tile is whole fragments");
  }

  int emit() {
    const std::string steps = f_.extents.count("steps", ceil_div(f_.extent(GemmRole::k), plan_.block_k));
    for (const GemmTile* tile : {&v_, &s_})
      emit_copy_starts(f_, *tile, steps_along_k(*tile) ? 1 : items_of(f_, *tile), free_local(f_, *tile));
    out_.open("const auto copy = [&](int step)");
    out_.line(fmt::format("const int k_first = step * {};", plan_.block_k));
    out_.line(fmt::format("const u32 stage = (u32)(step % {}) * {};", plan_.stages, stage_bytes_));
    copy_tile(v_, v_layout_, 0);
    copy_tile(s_, s_layout_, v_layout_.bytes());
    out_.close(";");
    out_.line(fmt::format(
        "const int lane = thread % 32, warp_m = thread / 32 % {} * {}, warp_n = thread / {} * {};",
        plan_.warps_m, warp_m_, 32 * plan_.warps_m, warp_n_));
    out_.line(fmt::format("f32 c[{}][{}][4] = {{}};", warp_m_ / kMmaM, warp_n_ / kMmaN));
    out_.line(fmt::format("for (int step = 0; step < {}; ++step) {{", plan_.stages - 1));
    out_.line(fmt::format("  if (step < {}) copy(step);", steps));
    out_.line("  commit_copies();");
    out_.line("}");
    out_.line("#pragma unroll 1");
    out_.open(fmt::format("for (int step = 0; step < {}; ++step)", steps));
    out_.line(fmt::format("wait_copies<{}>();", plan_.stages - 2));
    out_.line(
        "__syncthreads();  // everyone's copies are there, and the stage before this one has been read");
    out_.line(fmt::format("if (step + {0} < {1}) copy(step + {0});", plan_.stages - 1, steps));
    out_.line("commit_copies();");
    multiply();
    out_.close();
    out_.line("wait_copies<0>();");
    out_.line("__syncthreads();");
    write_c();
    out_.line("__syncthreads();");
    return stage_bytes_ * plan_.stages;
  }

 private:
  void copy_tile(const GemmTile& tile, const Layout& layout, int base) {
    const bool along_k = steps_along_k(tile);
    const int items = items_of(f_, tile);
    out_.line("#pragma unroll");
    out_.open(fmt::format("for (int piece = 0; piece < {}; ++piece)", along_k ? items : 1));
    out_.line(fmt::format("const int k_local = {}, k = k_first + k_local;", k_local(f_, tile)));
    f_.decode(GemmRole::k, "k", "k");
    out_.line("#pragma unroll");
    out_.open(fmt::format("for (int item = 0; item < {}; ++item)", along_k ? 1 : items));
    out_.line(fmt::format("const int local = {};", free_local(f_, tile)));
    out_.line(fmt::format("const bool inside = {};", copy_condition(f_, tile)));
    const std::string address = copy_address(f_, tile);
    switch (tile.copy->kind) {
      case Kind::along_k:
        copy_piece(base, layout.swizzled("local", fmt::format("k_local / {}", plan_.piece())), tile, address);
        break;
      case Kind::along_free:
        copy_piece(base, layout.swizzled("k_local", fmt::format("local / {}", plan_.piece())), tile, address);
        break;
      case Kind::gather:
        out_.line(fmt::format(
            "Shared<{0}>{{stage + {1}}}.store({2} * {3} + k_local % {3}, inside ? load({4}) : {0}{{}});",
            type_, base, layout.swizzled("local", fmt::format("k_local / {}", plan_.piece())), plan_.piece(),
            address));
        break;
    }
    out_.close();
    out_.close();
  }

  // An address that is not read must still lie in the operand: its first element's.
  void copy_piece(int base, const std::string& place, const GemmTile& tile, const std::string& address) {
    out_.line(fmt::format("copy_async(stage + {} + (u32){} * {}, inside ? {} : {}, inside);", base, place,
                          kPieceBytes, address, operand_name(tile.operand)));
  }

  bool is_tf32() const { return plan_.element_bytes == 4; }

  // Four fragments of 8 rows of m or n and a piece of k, from (free, k) on: which of them lie along the free
  // axis and which along k. Rows of k hold 16-bit values transposed by ldmatrix; of 32 bits, a lane loads its
  // own.
  void load_fragments(const char* to, const GemmTile& tile, const Layout& layout, int base,
                      const std::string& free, const std::string& free_half, const std::string& k_half) {
    const int piece = plan_.piece();
    const std::string at_free = fmt::format("{} + {} * 8", free, free_half),
                      at_k = fmt::format("k + {} * {}", k_half, piece);
    if (tile.copy->kind != Kind::along_free) {
      load_matrices(
          "", to, base,
          layout.swizzled(fmt::format("{} + lane % 8", at_free), fmt::format("({}) / {}", at_k, piece)));
    } else if (!is_tf32()) {
      load_matrices(
          "_transposed", to, base,
          layout.swizzled(fmt::format("{} + lane % 8", at_k), fmt::format("({}) / {}", at_free, piece)));
    } else {
      // Fragment f is where ldmatrix's lanes 8f .. 8f + 7 would point.
      const auto of_fragment = [](std::string half) {
        for (size_t at; (at = half.find("lane")) != std::string::npos;) half.replace(at, 4, "f * 8");
        return half;
      };
      out_.line("#pragma unroll");
      out_.open("for (int f = 0; f < 4; ++f)");
      out_.line(fmt::format("const int free = {} + {} * 8 + lane / 4, row = k + {} * {} + lane % 4;", free,
                            of_fragment(free_half), of_fragment(k_half), piece));
      out_.line(fmt::format("{}[f] = Shared<u32>{{stage + {}}}.load({} * 4 + free % 4);", to, base,
                            layout.swizzled("row", "free / 4")));
      out_.close();
    }
    if (is_tf32()) {
      out_.line("#pragma unroll");
      out_.line(fmt::format("for (int f = 0; f < 4; ++f) {0}[f] = to_tf32({0}[f]);", to));
    }
  }
  void load_matrices(const char* how, const char* to, int base, const std::string& place) {
    out_.line(
        fmt::format("load_matrices{}({}, stage + {} + (u32){} * {});", how, to, base, place, kPieceBytes));
  }

  void multiply() {
    const int m_fragments = warp_m_ / kMmaM, n_fragments = warp_n_ / kMmaN;
    out_.line(fmt::format("const u32 stage = (u32)(step % {}) * {};", plan_.stages, stage_bytes_));
    out_.line("#pragma unroll");
    out_.open(fmt::format("for (int k = 0; k < {}; k += {})", plan_.block_k, k_step_));
    out_.line(fmt::format("u32 a[{}][4], b[{}][4];", m_fragments, n_fragments / 2));
    out_.line("#pragma unroll");
    out_.open(fmt::format("for (int i = 0; i < {}; ++i)", m_fragments));
    load_fragments("a[i]", v_, v_layout_, 0, fmt::format("warp_m + i * {}", kMmaM), "(lane / 8 % 2)",
                   "(lane / 16)");
    out_.close();
    out_.line("#pragma unroll");
    out_.open(fmt::format("for (int j = 0; j < {}; ++j)", n_fragments / 2));
    load_fragments("b[j]", s_, s_layout_, v_layout_.bytes(), fmt::format("warp_n + j * {}", 2 * kMmaN),
                   "(lane / 16)", "(lane / 8 % 2)");
    out_.close();
    out_.line("#pragma unroll");
    out_.open(fmt::format("for (int i = 0; i < {}; ++i)", m_fragments));
    out_.line("#pragma unroll");
    out_.line(fmt::format("for (int j = 0; j < {}; ++j) multiply<{}>(c[i][j], a[i], b[j / 2] + j % 2 * 2);",
                          n_fragments, is_tf32() ? "tf32" : type_));
    out_.close();
    out_.close();
  }

  // A lane holds rows lane / 4 and lane / 4 + 8 of a fragment, columns 2 * (lane % 4) and the next.
  void write_c() {
    out_.line("#pragma unroll");
    out_.open(fmt::format("for (int i = 0; i < {}; ++i)", warp_m_ / kMmaM));
    out_.line("#pragma unroll");
    out_.open(fmt::format("for (int j = 0; j < {}; ++j)", warp_n_ / kMmaN));
    out_.line("#pragma unroll");
    out_.open("for (int half = 0; half < 2; ++half)");
    out_.line(
        fmt::format("const int m_local = warp_m + i * {} + half * 8 + lane / 4, n_local = warp_n + j * {} + "
                    "lane % 4 * 2;",
                    kMmaM, kMmaN));
    if (plan_.m_inner) {
      out_.line(fmt::format("c_tile.store({}, c[i][j][half * 2]);", f_.c_index("m_local", "n_local")));
      out_.line(
          fmt::format("c_tile.store({}, c[i][j][half * 2 + 1]);", f_.c_index("m_local", "n_local + 1")));
    } else {
      out_.line(fmt::format("store_pair(c_tile, {}, c[i][j][half * 2], c[i][j][half * 2 + 1]);",
                            f_.c_index("m_local", "n_local")));
    }
    out_.close();
    out_.close();
    out_.close();
  }

  GemmFrame& f_;
  SourceWriter& out_;
  const CudaGemmPlan& plan_;
  GemmTile v_, s_;
  Layout v_layout_, s_layout_;
  std::string type_;
  int stage_bytes_, k_step_, warp_m_, warp_n_;
};

}  // namespace

int emit_tensor_product(GemmFrame& frame) {
  return TensorSource(frame).emit();
}

}  // namespace netc
