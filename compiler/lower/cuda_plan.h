// How a kernel is spread over a GPU: blocks of threads, and what each thread computes. Plain data; a pure
// function of body and target, as task_grid is for the CPU, so that results have the same bits on every run.
//
// A loop nest is seen as `points` (its outputs) times `terms` (what each of them sums over). The threads of a
// block lie side by side along points, along terms, or both:
//   relu over [64, 16, 28, 28]               802816 points, 1 term     256 points a block
//   row sums of [512, 1000]                  512 points, 1000 terms    8 points a block, 32 threads each,
//   terms inner bias gradient: column sums of [512, 1000]  1000 points, 512 terms  32 points a block, 8
//   threads each
// A contraction is a matrix product (cuda_gemm_plan.h), or a loop nest where that does not pay.
// With partial sums the points are the kept axes, the terms all other parallel axes, cut into `rows`.
#pragma once

#include <optional>
#include <vector>

#include "compiler/lower/cuda_gemm_plan.h"
#include "compiler/lower/kernel.h"

namespace netc {

struct CudaPlan {
  std::optional<CudaGemmPlan> gemm;  // a contraction as a matrix product; then only `rows` of the rest counts

  int threads = 256;  // of a block
  int point_threads =
      256;        // of them, side by side along points; threads / point_threads share a point's terms
  int lanes = 1;  // without reductions: neighbouring points of a thread, 1 or kLanes (cuda_lanes.h)
  bool terms_inner = false;  // neighbouring threads take neighbouring terms, not neighbouring points
  int64_t points = 1, terms = 1;
  int64_t rows = 1;       // pieces that the terms are cut into: rows of a PartialSum's output
  int64_t row_terms = 1;  // terms of a row

  int term_threads() const { return threads / point_threads; }
  int64_t point_blocks() const { return ceil_div(points, point_threads * lanes); }
  int64_t blocks() const { return gemm ? gemm->blocks() : point_blocks() * rows; }
};

// `kept`: the axes that partial sums keep, for a body that has not got them yet.
CudaPlan plan_cuda(const KernelBody& body, const Target& target, std::vector<int> kept = {});

// The axes of the points and of the terms, outermost first.
struct NestAxes {
  std::vector<int> points, terms;
};
NestAxes nest_axes(const KernelBody& body, const std::vector<int>& kept);

}  // namespace netc
