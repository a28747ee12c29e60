#include "tensor/gemm.h"

#include <algorithm>

#include "kernels/kernel_table.h"
#include "tensor/scratch.h"
#include "tensor/shape_check.h"

namespace minim {
namespace {

using kernels::GemmKernel;
using kernels::GemmSource;

constexpr int64_t kDepthBlockBytes = 1536;     // of one lane: a panel of B stays in the first cache
constexpr int64_t kRowBlockBytes = 192 << 10;  // of A: stays in the second
constexpr int64_t kColPanelsBytes = 8 << 20;   // of B at a time, shared by all threads
constexpr int64_t kRowTilesMin = 4;            // of a task, before its columns are cut as well
constexpr int64_t kTasksPerThread = 3;

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

const GemmKernel& find_kernel(const Context& context, GemmPrecision precision) {
  if (precision == GemmPrecision::kFloat32) return context.kernels.gemm;
  if (context.kernels.bfloat16.gemm == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                "gemm: this processor has no products of bfloat16; compute in float");
  }
  return *context.kernels.bfloat16.gemm;
}

// How a product is cut. Depth is cut by its size alone, so that every element is summed in one
// order however many threads there are; rows and columns may be cut at will.
struct Plan {
  Plan(const GemmKernel& kernel, int64_t m, int64_t n, int64_t k, int threads) {
    const int64_t value_bytes = kernel.row_step_bytes / (kernel.row_tile * kernel.depth_step);
    const int64_t depth_max = std::max<int64_t>(kDepthBlockBytes / value_bytes, kernel.depth_step);
    depth_block = round_up(divide_up(k, divide_up(k, depth_max)), kernel.depth_step);
    const int64_t lane_bytes = round_up(k, kernel.depth_step) * value_bytes;
    const int64_t blocks = divide_up(k, depth_block);
    const int64_t parts = divide_up(round_up(n, kernel.col_tile) * lane_bytes, kColPanelsBytes);
    depth_part = std::max<int64_t>(1, blocks / std::max<int64_t>(parts, 1)) * depth_block;

    row_tiles = divide_up(m, kernel.row_tile);
    col_tiles = divide_up(n, kernel.col_tile);
    const int64_t tile_bytes = depth_block * value_bytes * kernel.row_tile;
    row_parts = divide_up(row_tiles, std::max<int64_t>(1, kRowBlockBytes / tile_bytes));
    if (threads > 1) {
      row_parts = round_up(std::max(row_parts, threads * kTasksPerThread), threads);
      row_parts = std::min(row_parts, divide_up(row_tiles, kRowTilesMin));
      const int64_t wanted = divide_up(threads * kTasksPerThread, row_parts);
      col_parts = std::clamp<int64_t>(wanted, 1, col_tiles);
    }
  }

  int64_t depth_block = 0;  // summed in registers
  int64_t depth_part = 0;   // of which B is in panels at a time
  int64_t row_tiles = 0;
  int64_t col_tiles = 0;
  int64_t row_parts = 1;
  int64_t col_parts = 1;
};

// The lanes and depths of an operand, whichever way it lies.
GemmSource make_source(ConstMatrixView matrix, bool lanes_are_rows) {
  if (lanes_are_rows) return {matrix.data, matrix.stride, 1, matrix.rows, matrix.cols};
  return {matrix.data, 1, matrix.stride, matrix.cols, matrix.rows};
}

GemmSource part_of(const GemmSource& source, int64_t lane, int64_t lanes, int64_t depth,
                   int64_t depths) {
  GemmSource part = source;
  part.values += lane * source.lane_stride + depth * source.depth_stride;
  part.lanes = std::min(lanes, source.lanes - lane);
  part.depth = std::min(depths, source.depth - depth);
  return part;
}

class Product {
 public:
  Product(const Context& context, const GemmKernel& kernel, const Plan& plan, GemmSource a,
          GemmSource b, MatrixView out, bool accumulate)
      : context_(context),
        kernel_(kernel),
        plan_(plan),
        a_(a),
        b_(b),
        out_(out),
        accumulate_(accumulate) {}

  void run() {
    col_panel_stride_ = plan_.depth_part / kernel_.depth_step * kernel_.col_step_bytes;
    cols_ = operation_scratch().bytes(static_cast<size_t>(plan_.col_tiles * col_panel_stride_));
    for (int64_t depth = 0; depth < a_.depth; depth += plan_.depth_part) {
      pack_cols(depth);
      context_.threads.run(plan_.row_parts * plan_.col_parts,
                           [&](int64_t task) { multiply(task, depth); });
    }
  }

 private:
  void pack_cols(int64_t depth) {
    context_.threads.run_ranges(plan_.col_tiles, 4, [&](int64_t begin, int64_t end) {
      const int64_t tile = kernel_.col_tile;
      kernel_.pack_cols(part_of(b_, begin * tile, (end - begin) * tile, depth, plan_.depth_part),
                        cols_ + begin * col_panel_stride_, col_panel_stride_);
    });
  }

  // One part of the rows by one of the columns, over the depths of which B is packed.
  void multiply(int64_t task, int64_t depth) const {
    const int64_t row_part = task / plan_.col_parts;
    const int64_t col_part = task % plan_.col_parts;
    const int64_t row_begin = plan_.row_tiles * row_part / plan_.row_parts;
    const int64_t row_end = plan_.row_tiles * (row_part + 1) / plan_.row_parts;
    const int64_t col_begin = plan_.col_tiles * col_part / plan_.col_parts;
    const int64_t col_end = plan_.col_tiles * (col_part + 1) / plan_.col_parts;
    if (row_begin == row_end || col_begin == col_end) return;

    kernels::GemmSlice slice;
    slice.row_panel_stride = plan_.depth_block / kernel_.depth_step * kernel_.row_step_bytes;
    std::byte* rows =
        task_scratch().bytes(static_cast<size_t>((row_end - row_begin) * slice.row_panel_stride));
    const int64_t row = row_begin * kernel_.row_tile;
    const int64_t col = col_begin * kernel_.col_tile;
    slice.row_panels = rows;
    slice.col_panel_stride = col_panel_stride_;
    slice.rows = std::min(row_end * kernel_.row_tile, out_.rows) - row;
    slice.cols = std::min(col_end * kernel_.col_tile, out_.cols) - col;
    slice.out = out_.row(row) + col;
    slice.out_stride = out_.stride;
    const int64_t end = std::min(depth + plan_.depth_part, a_.depth);
    for (int64_t at = depth; at < end; at += plan_.depth_block) {
      kernel_.pack_rows(part_of(a_, row, slice.rows, at, plan_.depth_block), rows,
                        slice.row_panel_stride);
      slice.col_panels = cols_ + col_begin * col_panel_stride_ +
                         (at - depth) / kernel_.depth_step * kernel_.col_step_bytes;
      slice.depth = std::min(plan_.depth_block, a_.depth - at);
      slice.accumulate = accumulate_ || at > 0;
      kernel_.multiply(slice);
    }
  }

  const Context& context_;
  const GemmKernel& kernel_;
  const Plan& plan_;
  GemmSource a_;
  GemmSource b_;
  MatrixView out_;
  bool accumulate_;
  std::byte* cols_ = nullptr;
  int64_t col_panel_stride_ = 0;
};

}  // namespace

bool has_bfloat16_gemm(const Context& context) { return context.kernels.bfloat16.gemm != nullptr; }

void gemm(const Context& context, ConstMatrixView a, ConstMatrixView b, MatrixView out,
          const GemmOptions& options) {
  const GemmSource left = make_source(a, !options.transpose_a);
  const GemmSource right = make_source(b, options.transpose_b);
  require_shape(left.depth == right.depth && left.lanes == out.rows && right.lanes == out.cols,
                "gemm: [{}, {}] by [{}, {}] is not [{}, {}]", left.lanes, left.depth, right.depth,
                right.lanes, out.rows, out.cols);
  const GemmKernel& kernel = find_kernel(context, options.precision);
  if (out.rows == 0 || out.cols == 0) return;
  if (left.depth == 0) {
    if (options.accumulate) return;
    for (int64_t row = 0; row < out.rows; ++row) std::fill_n(out.row(row), out.cols, 0.0f);
    return;
  }
  const Plan plan(kernel, out.rows, out.cols, left.depth, context.threads.thread_count());
  Product(context, kernel, plan, left, right, out, options.accumulate).run();
}

size_t gemm_scratch_bytes(const Context& context, int64_t m, int64_t n, int64_t k,
                          const GemmOptions& options) {
  if (m == 0 || n == 0 || k == 0) return 0;
  const GemmKernel& kernel = find_kernel(context, options.precision);
  const int threads = context.threads.thread_count();
  const Plan plan(kernel, m, n, k, threads);
  const int64_t cols =
      plan.col_tiles * (plan.depth_part / kernel.depth_step) * kernel.col_step_bytes;
  const int64_t rows = divide_up(plan.row_tiles, plan.row_parts) *
                       (plan.depth_block / kernel.depth_step) * kernel.row_step_bytes;
  return static_cast<size_t>(cols + threads * rows);
}

}  // namespace minim
