#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/kernel_table.h"
#include "tensor/scratch.h"
#include "tensor/shape_check.h"
#include "train/ops/ops.h"

namespace minim::train {
namespace {

using kernels::GemmKernel;
using kernels::KernelTable;

constexpr int64_t kQueryBlock = 60;  // whole tiles of 2, 6 and 12 rows
constexpr int64_t kKeyBlock = 64;

struct Operands {
  ConstMatrixView query;
  ConstMatrixView key;
  ConstMatrixView value;
};

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Panels of a matrix that B is made of: `lanes` columns by `depth`.
struct Panels {
  float* data = nullptr;
  int64_t stride = 0;  // from one panel to the next

  static int64_t values(const GemmKernel& gemm, int64_t lanes, int64_t depth) {
    return round_up(lanes, gemm.col_tile) * round_up(depth, 16);
  }
  void pack(const GemmKernel& gemm, const kernels::GemmSource& source) {
    stride = source.depth * gemm.col_tile;
    gemm.pack_cols(source, reinterpret_cast<std::byte*>(data),
                   stride * static_cast<int64_t>(sizeof(float)));
  }
};

// Rows of a matrix as B's columns, or as B's depth.
kernels::GemmSource rows_as_lanes(ConstMatrixView m) {
  return {m.data, m.stride, 1, m.rows, m.cols};
}
kernels::GemmSource rows_as_depth(ConstMatrixView m) {
  return {m.data, 1, m.stride, m.cols, m.rows};
}

// Cuts the memory of one task into pieces on cache lines.
class Carver {
 public:
  explicit Carver(float* next) : next_(next) {}
  float* take(int64_t count) {
    float* taken = next_;
    next_ += round_up(count, 16);
    return taken;
  }

 private:
  float* next_;
};

// One key and value head of one document, and the query heads that read it.
struct HeadTask {
  const KernelTable& kernels;
  const AttentionShape& shape;
  Segment segment;
  int kv_head;
  ConstMatrixView keys;    // [tokens of the document, head_dim]
  ConstMatrixView values;  // likewise

  HeadTask(const KernelTable& table, const AttentionShape& options, const Segment& document,
           int head, const Operands& operands)
      : kernels(table),
        shape(options),
        segment(document),
        kv_head(head),
        keys(part(operands.key, document.begin, document.count, head)),
        values(part(operands.value, document.begin, document.count, head)) {}

  int group() const { return shape.head_count / shape.kv_head_count; }
  int query_head(int i) const { return kv_head * group() + i; }

  template <typename T>
  BasicMatrixView<T> part(BasicMatrixView<T> m, int64_t begin, int64_t count, int head) const {
    return m.row_range(begin, count).col_range(int64_t{head} * shape.head_dim, shape.head_dim);
  }

  // The first key of the blocks that queries from `query` on need.
  int64_t key_begin(int64_t query) const {
    const int64_t first = shape.window > 0 ? std::max<int64_t>(0, query - shape.window + 1) : 0;
    return first / kKeyBlock * kKeyBlock;
  }
};

// Some queries of one head, scaled.
struct QueryBlock {
  int64_t begin = 0;
  int64_t count = 0;
  float* scaled = nullptr;  // [count, head_dim]
  float* scores = nullptr;  // [count, kKeyBlock]
};

void load_queries(const HeadTask& task, ConstMatrixView queries, QueryBlock& block) {
  const int64_t dim = task.shape.head_dim;
  for (int64_t i = 0; i < block.count; ++i) {
    float* row = block.scaled + i * dim;
    std::copy_n(queries.row(block.begin + i), dim, row);
    task.kernels.scale(task.shape.scale, row, dim);
  }
}

void multiply(const GemmKernel& gemm, const float* a, int64_t a_row, int64_t a_depth,
              const Panels& b, int64_t b_offset, int64_t depth, MatrixView out, bool accumulate) {
  gemm.multiply_strided({a, a_row, a_depth, b.data + b_offset, b.stride, out.rows, out.cols, depth,
                         out.data, out.stride, accumulate});
}

// block.scores = queries by keys [key, key + count), capped.
void make_scores(const HeadTask& task, const Panels& key_columns, const QueryBlock& block,
                 int64_t key, int64_t count) {
  const GemmKernel& gemm = task.kernels.gemm;
  const int64_t dim = task.shape.head_dim;
  multiply(gemm, block.scaled, dim, 1, key_columns, key / gemm.col_tile * key_columns.stride, dim,
           {block.scores, block.count, count, kKeyBlock}, false);
  if (task.shape.soft_cap <= 0.0f) return;
  for (int64_t i = 0; i < block.count; ++i) {
    task.kernels.soft_cap(task.shape.soft_cap, block.scores + i * kKeyBlock, count);
  }
}

// The keys of a block that a query sees: [begin, end) within it; may be empty.
struct Range {
  int64_t begin;
  int64_t end;
};
Range visible(const HeadTask& task, int64_t query, int64_t key, int64_t count) {
  const int64_t first = task.shape.window > 0 ? query - task.shape.window + 1 : 0;
  const int64_t begin = std::clamp<int64_t>(first - key, 0, count);
  const int64_t end = std::clamp<int64_t>(query + 1 - key, 0, count);
  return {std::min(begin, end), end};
}

// What was summed of each query so far.
struct Sums {
  float* maximum;  // [queries]
  float* sum;      // [queries]
  float* out;      // [queries, head_dim]
};

// Scores become weights; sums so far are brought to the new maximum.
void weigh(const HeadTask& task, const QueryBlock& block, int64_t key, int64_t count,
           const Sums& sums) {
  const KernelTable& kernels = task.kernels;
  for (int64_t i = 0; i < block.count; ++i) {
    float* row = block.scores + i * kKeyBlock;
    const Range range = visible(task, block.begin + i, key, count);
    std::fill(row, row + range.begin, 0.0f);
    std::fill(row + range.end, row + count, 0.0f);
    if (range.begin == range.end) continue;
    const float largest = kernels.maximum(row + range.begin, range.end - range.begin);
    const float maximum = std::max(largest, sums.maximum[i]);
    const float kept = std::exp(sums.maximum[i] - maximum);
    if (kept != 1.0f) {
      kernels.scale(kept, sums.out + i * task.shape.head_dim, task.shape.head_dim);
    }
    sums.sum[i] = sums.sum[i] * kept + kernels.training.softmax_numerators(
                                           maximum, row + range.begin, range.end - range.begin);
    sums.maximum[i] = maximum;
  }
}

// log_sums: [heads][tokens], of all tokens.
struct Forward {
  const HeadTask& task;
  ConstMatrixView query;
  MatrixView out;
  float* log_sums;
  int64_t token_count;

  static int64_t scratch_values(const KernelTable& kernels, const AttentionShape& shape,
                                int64_t tokens) {
    const int64_t dim = shape.head_dim;
    return Panels::values(kernels.gemm, tokens, dim) + Panels::values(kernels.gemm, dim, tokens) +
           kQueryBlock * (2 * dim + kKeyBlock + 2) + 256;
  }

  void run(float* scratch) const {
    Carver carver(scratch);
    const int64_t dim = task.shape.head_dim;
    const GemmKernel& gemm = task.kernels.gemm;
    Panels keys{carver.take(Panels::values(gemm, task.segment.count, dim))};
    Panels values{carver.take(Panels::values(gemm, dim, task.segment.count))};
    keys.pack(gemm, rows_as_lanes(task.keys));
    values.pack(gemm, rows_as_depth(task.values));
    QueryBlock block;
    block.scaled = carver.take(kQueryBlock * dim);
    block.scores = carver.take(kQueryBlock * kKeyBlock);
    const Sums sums = {carver.take(kQueryBlock), carver.take(kQueryBlock),
                       carver.take(kQueryBlock * dim)};
    for (block.begin = 0; block.begin < task.segment.count; block.begin += kQueryBlock) {
      block.count = std::min(kQueryBlock, task.segment.count - block.begin);
      for (int i = 0; i < task.group(); ++i) attend(block, task.query_head(i), keys, values, sums);
    }
  }

 private:
  void attend(QueryBlock& block, int head, const Panels& keys, const Panels& values,
              const Sums& sums) const {
    const int64_t dim = task.shape.head_dim;
    load_queries(task, task.part(query, task.segment.begin, task.segment.count, head), block);
    std::fill_n(sums.maximum, block.count, -std::numeric_limits<float>::infinity());
    std::fill_n(sums.sum, block.count, 0.0f);
    std::fill_n(sums.out, block.count * dim, 0.0f);
    const int64_t end = block.begin + block.count;
    for (int64_t key = task.key_begin(block.begin); key < end; key += kKeyBlock) {
      const int64_t count = std::min(kKeyBlock, end - key);
      make_scores(task, keys, block, key, count);
      weigh(task, block, key, count, sums);
      multiply(task.kernels.gemm, block.scores, kKeyBlock, 1, values,
               key * task.kernels.gemm.col_tile, count, {sums.out, block.count, dim, dim}, true);
    }
    const MatrixView to = task.part(out, task.segment.begin + block.begin, block.count, head);
    for (int64_t i = 0; i < block.count; ++i) {
      task.kernels.scale(1.0f / sums.sum[i], sums.out + i * dim, dim);
      std::copy_n(sums.out + i * dim, dim, to.row(i));
      log_sums[head * token_count + task.segment.begin + block.begin + i] =
          sums.maximum[i] + std::log(sums.sum[i]);
    }
  }
};

// Where gradients go, all zero or partly summed.
struct Gradients {
  MatrixView query;
  MatrixView key;
  MatrixView value;
};

struct BackwardInput {
  ConstMatrixView query;
  ConstMatrixView out;
  ConstMatrixView out_gradient;
  const float* log_sums;
};

class Backward {
 public:
  Backward(const HeadTask& task, const BackwardInput& input, const Gradients& gradients)
      : task_(task), input_(input), gradients_(gradients) {}

  static int64_t scratch_values(const KernelTable& kernels, const AttentionShape& shape,
                                int64_t tokens) {
    const int64_t dim = shape.head_dim;
    const GemmKernel& gemm = kernels.gemm;
    return 2 * Panels::values(gemm, tokens, dim) + Panels::values(gemm, dim, tokens) +
           2 * Panels::values(gemm, dim, kQueryBlock) +
           kQueryBlock * (2 * dim + 3 * kKeyBlock + 1) + 256;
  }

  void run(float* scratch) {
    Carver carver(scratch);
    const int64_t dim = task_.shape.head_dim;
    const int64_t tokens = task_.segment.count;
    const GemmKernel& gemm = task_.kernels.gemm;
    key_columns_.data = carver.take(Panels::values(gemm, tokens, dim));
    value_columns_.data = carver.take(Panels::values(gemm, tokens, dim));
    key_depths_.data = carver.take(Panels::values(gemm, dim, tokens));
    query_panels_.data = carver.take(Panels::values(gemm, dim, kQueryBlock));
    out_panels_.data = carver.take(Panels::values(gemm, dim, kQueryBlock));
    key_columns_.pack(gemm, rows_as_lanes(task_.keys));
    value_columns_.pack(gemm, rows_as_lanes(task_.values));
    key_depths_.pack(gemm, rows_as_depth(task_.keys));
    block_.scaled = carver.take(kQueryBlock * dim);
    block_.scores = carver.take(kQueryBlock * kKeyBlock);
    weights_ = carver.take(kQueryBlock * kKeyBlock);
    slopes_ = carver.take(kQueryBlock * kKeyBlock);
    query_gradient_ = carver.take(kQueryBlock * dim);
    means_ = carver.take(kQueryBlock);
    for (block_.begin = 0; block_.begin < tokens; block_.begin += kQueryBlock) {
      block_.count = std::min(kQueryBlock, tokens - block_.begin);
      for (int i = 0; i < task_.group(); ++i) go_back(task_.query_head(i));
    }
  }

 private:
  void go_back(int head) {
    const int64_t dim = task_.shape.head_dim;
    const int64_t first = task_.segment.begin + block_.begin;
    const ConstMatrixView gradient = task_.part(input_.out_gradient, first, block_.count, head);
    const ConstMatrixView result = task_.part(input_.out, first, block_.count, head);
    load_queries(task_, task_.part(input_.query, task_.segment.begin, task_.segment.count, head),
                 block_);
    query_panels_.pack(task_.kernels.gemm, rows_as_depth({block_.scaled, block_.count, dim, dim}));
    out_panels_.pack(task_.kernels.gemm, rows_as_depth(gradient));
    for (int64_t i = 0; i < block_.count; ++i) {
      means_[i] = task_.kernels.training.dot(gradient.row(i), result.row(i), dim);
    }
    std::fill_n(query_gradient_, block_.count * dim, 0.0f);
    const float* log_sum = input_.log_sums + head * input_.out.rows + first;
    const int64_t end = block_.begin + block_.count;
    for (int64_t key = task_.key_begin(block_.begin); key < end; key += kKeyBlock) {
      go_back_keys(gradient, log_sum, key, std::min(kKeyBlock, end - key));
    }
    const MatrixView to = task_.part(gradients_.query, first, block_.count, head);
    for (int64_t i = 0; i < block_.count; ++i) {
      task_.kernels.training.add_scaled(task_.shape.scale, query_gradient_ + i * dim, to.row(i),
                                        dim);
    }
  }

  // One block of queries by one of keys: the five products.
  void go_back_keys(ConstMatrixView gradient, const float* log_sum, int64_t key, int64_t count) {
    const GemmKernel& gemm = task_.kernels.gemm;
    const int64_t dim = task_.shape.head_dim;
    make_scores(task_, key_columns_, block_, key, count);
    multiply(gemm, gradient.data, gradient.stride, 1, value_columns_,
             key / gemm.col_tile * value_columns_.stride, dim,
             {slopes_, block_.count, count, kKeyBlock}, false);
    for (int64_t i = 0; i < block_.count; ++i) slope_row(i, key, count, log_sum[i]);
    const auto rows_of = [&](MatrixView m) {
      return task_.part(m, task_.segment.begin + key, count, task_.kv_head);
    };
    multiply(gemm, weights_, 1, kKeyBlock, out_panels_, 0, block_.count, rows_of(gradients_.value),
             true);
    multiply(gemm, slopes_, 1, kKeyBlock, query_panels_, 0, block_.count, rows_of(gradients_.key),
             true);
    multiply(gemm, slopes_, kKeyBlock, 1, key_depths_, key * gemm.col_tile, count,
             {query_gradient_, block_.count, dim, dim}, true);
  }

  // Weights from scores, and the gradients of scores from those of weights.
  void slope_row(int64_t i, int64_t key, int64_t count, float log_sum) {
    const KernelTable& kernels = task_.kernels;
    const float* scores = block_.scores + i * kKeyBlock;
    float* weights = weights_ + i * kKeyBlock;
    float* slopes = slopes_ + i * kKeyBlock;
    const Range range = visible(task_, block_.begin + i, key, count);
    std::fill(weights, weights + range.begin, 0.0f);
    std::fill(weights + range.end, weights + count, 0.0f);
    std::fill(slopes, slopes + range.begin, 0.0f);
    std::fill(slopes + range.end, slopes + count, 0.0f);
    const int64_t seen = range.end - range.begin;
    if (seen == 0) return;
    std::copy_n(scores + range.begin, seen, weights + range.begin);
    kernels.training.softmax_numerators(log_sum, weights + range.begin, seen);
    kernels.training.softmax_gradient(weights + range.begin, means_[i], slopes + range.begin, seen);
    if (task_.shape.soft_cap > 0.0f) {
      kernels.training.soft_cap_gradient(task_.shape.soft_cap, scores + range.begin,
                                         slopes + range.begin, seen);
    }
  }

  const HeadTask& task_;
  BackwardInput input_;
  Gradients gradients_;
  Panels key_columns_;    // keys as columns: scores
  Panels value_columns_;  // values as columns: gradients of weights
  Panels key_depths_;     // keys as depth: gradients of queries
  Panels query_panels_;   // of the block at hand: gradients of keys
  Panels out_panels_;     // the gradient of its result: gradients of values
  QueryBlock block_;
  float* weights_ = nullptr;         // [queries, kKeyBlock]
  float* slopes_ = nullptr;          // [queries, kKeyBlock]: gradients of weights, then of scores
  float* query_gradient_ = nullptr;  // [queries, head_dim]
  float* means_ = nullptr;           // [queries]
};

void check_shapes(const Variable& query, const Variable& key, const Variable& value,
                  const AttentionShape& shape) {
  const int64_t kv_dim = int64_t{shape.kv_head_count} * shape.head_dim;
  require_shape(shape.kv_head_count > 0 && shape.head_count % shape.kv_head_count == 0,
                "train: {} query heads for {} key heads", shape.head_count, shape.kv_head_count);
  require_shape(query.cols == int64_t{shape.head_count} * shape.head_dim && key.cols == kv_dim &&
                    value.cols == kv_dim && query.rows == key.rows && query.rows == value.rows,
                "train: attention of [{}, {}], [{}, {}] and [{}, {}]", query.rows, query.cols,
                key.rows, key.cols, value.rows, value.cols);
}

// task(segment, kv head) on all threads. A task has a document and a key head to itself.
template <typename Body>
void for_each_task(const Context& context, const AttentionShape& shape,
                   std::span<const Segment> segments, Body&& body) {
  const int64_t heads = shape.kv_head_count;
  context.threads.run(static_cast<int64_t>(segments.size()) * heads, [&](int64_t task) {
    body(segments[static_cast<size_t>(task / heads)], static_cast<int>(task % heads));
  });
}

}  // namespace

Variable attention(Tape& tape, const Variable& query, const Variable& key, const Variable& value,
                   const AttentionShape& shape, std::span<const Segment> segments) {
  check_shapes(query, key, value, shape);
  const Variable out = tape.make(query.rows, query.cols);
  const SharedBuffer log_sums = tape.scratch(query.rows * shape.head_count);
  const auto operands = [=] { return Operands{query.view(), key.view(), value.view()}; };
  tape.compute([&] {
    const KernelTable& kernels = tape.context().kernels;
    for_each_task(tape.context(), shape, segments, [&](const Segment& segment, int head) {
      const HeadTask task(kernels, shape, segment, head, operands());
      float* scratch = task_scratch().floats(
          static_cast<size_t>(Forward::scratch_values(kernels, shape, segment.count)));
      Forward{task, query.view(), out.view(), log_sums->data(), query.rows}.run(scratch);
    });
  });
  tape.record([query, key, value, shape, segments, log_sums, result = out.buffer, operands,
               gradient = out.gradient](Tape& back) {
    if (gradient->empty()) return;
    const Gradients targets = {query.gradient->zeroed_target(back),
                               key.gradient->zeroed_target(back),
                               value.gradient->zeroed_target(back)};
    back.compute([&] {
      const KernelTable& kernels = back.context().kernels;
      for_each_task(back.context(), shape, segments, [&](const Segment& segment, int head) {
        const HeadTask task(kernels, shape, segment, head, operands());
        float* scratch = task_scratch().floats(
            static_cast<size_t>(Backward::scratch_values(kernels, shape, segment.count)));
        const MatrixView out_view{result->data(), query.rows, query.cols, query.cols};
        Backward(task, {query.view(), out_view, gradient->view(), log_sums->data()}, targets)
            .run(scratch);
      });
    });
  });
  return out;
}

}  // namespace minim::train
