// Attention over a blocked cache, cut into tasks of one key-value head, some of its query heads and
// a tile of tokens. For single tokens in long contexts the keys are cut too, always at the same
// places, and the parts are merged in order, so that the result does not depend on the threads.
#include <algorithm>
#include <cstring>

#include "kernels/kernel_table.h"
#include "tensor/ops.h"
#include "tensor/scratch.h"
#include "tensor/shape_check.h"

namespace minim {
namespace {

constexpr int64_t kSplitTokensMax = 4;  // with more tokens there are tasks enough
constexpr int64_t kKeysPerPart = 512;
constexpr int64_t kPartsMax = 16;  // bounds the memory that partial results take

struct Job {
  const KvView& cache;
  int layer;
  int64_t first_slot;
  const AttentionOptions& options;
  ConstMatrixView queries;
  MatrixView out;
};

// A task is (key-value head, chunk of its query heads, tile of tokens).
struct Tiling {
  int heads_per_task = 1;
  int head_chunks = 1;
  int64_t tokens_per_task = 1;
  int64_t token_tiles = 1;
};

void check_cache(const char* operation, const KvView& cache, int layer, int64_t first_slot,
                 int64_t tokens) {
  const KvLayout& layout = *cache.layout;
  require_shape(layout.type == DataType::kF32 || layout.type == DataType::kF16,
                "{}: a cache of type {}", operation, data_type_info(layout.type).name);
  require_shape(layer >= 0 && layer < layout.layer_count, "{}: layer {} of {}", operation, layer,
                layout.layer_count);
  require_shape(layout.kv_head_count > 0 && layout.head_dim > 0 && layout.block_tokens > 0,
                "{}: an empty cache layout", operation);
  const auto slots = static_cast<int64_t>(cache.blocks.size()) * layout.block_tokens;
  require_shape(first_slot >= 0 && tokens >= 0 && first_slot <= slots - tokens,
                "{}: slots {} to {} of {}", operation, first_slot, first_slot + tokens, slots);
}

void check_attention(const Job& job) {
  check_cache("attention", job.cache, job.layer, job.first_slot, job.queries.rows);
  const KvLayout& layout = *job.cache.layout;
  const AttentionOptions& options = job.options;
  require_shape(options.head_count > 0 && options.head_count % layout.kv_head_count == 0,
                "attention: {} query heads over {} key-value heads", options.head_count,
                layout.kv_head_count);
  require_shape(options.window >= 0 && options.soft_cap >= 0, "attention: window {}, soft cap {}",
                options.window, options.soft_cap);
  require_same_shape("attention", job.queries, job.out);
  require_shape(job.queries.cols == int64_t{options.head_count} * layout.head_dim,
                "attention: {} columns for {} heads of {}", job.queries.cols, options.head_count,
                layout.head_dim);
}

Tiling plan_tiles(const Context& context, const Job& job) {
  const int rows = context.kernels.attention_rows;
  const int group = job.options.head_count / job.cache.layout->kv_head_count;
  Tiling tiling;
  tiling.heads_per_task = std::min(group, rows);
  tiling.head_chunks = (group + tiling.heads_per_task - 1) / tiling.heads_per_task;
  tiling.tokens_per_task = std::max(1, rows / tiling.heads_per_task);
  tiling.token_tiles = (job.queries.rows + tiling.tokens_per_task - 1) / tiling.tokens_per_task;
  return tiling;
}

// The slice of task `task`, all its keys; scratch and destination are left to the caller.
kernels::AttentionSlice make_slice(const Job& job, const Tiling& tiling, int64_t task) {
  const KvLayout& layout = *job.cache.layout;
  const int group = job.options.head_count / layout.kv_head_count;
  // Later tokens see more keys: they go first, so that the last tasks are short.
  const int64_t heads = int64_t{layout.kv_head_count} * tiling.head_chunks;
  const int64_t tile = tiling.token_tiles - 1 - task / heads;
  const auto kv_head = static_cast<int>(task % heads / tiling.head_chunks);
  const auto first_head = static_cast<int>(task % tiling.head_chunks) * tiling.heads_per_task;
  const int64_t token = tile * tiling.tokens_per_task;
  const int64_t column = (int64_t{kv_head} * group + first_head) * layout.head_dim;

  kernels::AttentionSlice slice;
  slice.cache_type = layout.type;
  slice.blocks = job.cache.blocks.data();
  slice.block_tokens = layout.block_tokens;
  slice.key_offset = layout.key_offset(job.layer, kv_head);
  slice.value_offset = layout.value_offset(job.layer, kv_head);
  slice.head_dim = layout.head_dim;
  slice.queries = job.queries.row(token) + column;
  slice.query_stride = job.queries.stride;
  slice.tokens = static_cast<int>(std::min(tiling.tokens_per_task, job.queries.rows - token));
  slice.heads = std::min(tiling.heads_per_task, group - first_head);
  slice.first_position = job.first_slot + token;
  slice.window = job.options.window;
  slice.key_begin =
      slice.window > 0 ? std::max<int64_t>(0, slice.first_position - slice.window + 1) : 0;
  slice.key_end = slice.first_position + slice.tokens;
  slice.scale = job.options.scale;
  slice.soft_cap = job.options.soft_cap;
  slice.out = job.out.row(token) + column;
  slice.out_stride = job.out.stride;
  return slice;
}

void attend(const Context& context, kernels::AttentionSlice slice) {
  slice.scratch = task_scratch().floats(
      context.kernels.attention_scratch_values(slice.tokens, slice.heads, slice.head_dim));
  context.kernels.attention(slice);
}

// Every task's keys in `parts` parts of `part_keys`, then the parts of each row together.
void attend_in_parts(const Context& context, const Job& job, const Tiling& tiling, int64_t tasks,
                     int64_t parts, int64_t part_keys) {
  const KvLayout& layout = *job.cache.layout;
  const int64_t row_values = 2 + layout.head_dim;
  const int64_t rows_max = tiling.tokens_per_task * tiling.heads_per_task;
  const int64_t part_values = rows_max * row_values;
  float* partial = operation_scratch().floats(static_cast<size_t>(tasks * parts * part_values));
  context.threads.run(tasks * parts, [&](int64_t index) {
    kernels::AttentionSlice slice = make_slice(job, tiling, index / parts);
    slice.partial = partial + index * part_values;
    const int64_t begin = slice.key_begin;
    slice.key_begin = std::min(begin + index % parts * part_keys, slice.key_end);
    slice.key_end = std::min(slice.key_begin + part_keys, slice.key_end);
    attend(context, slice);
  });
  for (int64_t task = 0; task < tasks; ++task) {
    const kernels::AttentionSlice slice = make_slice(job, tiling, task);
    for (int row = 0; row < slice.tokens * slice.heads; ++row) {
      context.kernels.merge_attention(partial + task * parts * part_values + row * row_values,
                                      static_cast<int>(parts), part_values, layout.head_dim,
                                      slice.out + row / slice.heads * slice.out_stride +
                                          int64_t{row % slice.heads} * layout.head_dim);
    }
  }
}

}  // namespace

void store_kv(const Context& context, const KvView& cache, int layer, int64_t first_slot,
              ConstMatrixView keys, ConstMatrixView values) {
  const KvLayout& layout = *cache.layout;
  require_same_shape("store_kv", keys, values);
  check_cache("store_kv", cache, layer, first_slot, keys.rows);
  require_shape(keys.cols == int64_t{layout.kv_head_count} * layout.head_dim,
                "store_kv: {} columns for {} heads of {}", keys.cols, layout.kv_head_count,
                layout.head_dim);
  const auto store = [&](const float* from, std::byte* to) {
    if (layout.type == DataType::kF16) {
      context.kernels.store_half(from, to, layout.head_dim);
    } else {
      std::memcpy(to, from, layout.row_bytes());
    }
  };
  context.threads.run_ranges(keys.rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t slot = first_slot + t;
      std::byte* block = cache.blocks[static_cast<size_t>(slot / layout.block_tokens)] +
                         static_cast<size_t>(slot % layout.block_tokens) * layout.row_bytes();
      for (int head = 0; head < layout.kv_head_count; ++head) {
        const int64_t column = int64_t{head} * layout.head_dim;
        store(keys.row(t) + column, block + layout.key_offset(layer, head));
        store(values.row(t) + column, block + layout.value_offset(layer, head));
      }
    }
  });
}

void attention(const Context& context, const KvView& cache, int layer, int64_t first_slot,
               const AttentionOptions& options, ConstMatrixView queries, MatrixView out) {
  const Job job{cache, layer, first_slot, options, queries, out};
  check_attention(job);
  if (queries.rows == 0) return;
  const Tiling tiling = plan_tiles(context, job);
  const int64_t tasks =
      int64_t{cache.layout->kv_head_count} * tiling.head_chunks * tiling.token_tiles;
  if (queries.rows <= kSplitTokensMax) {
    const kernels::AttentionSlice last = make_slice(job, tiling, 0);
    const int64_t keys = last.key_end - last.key_begin;
    const int64_t parts = std::min((keys + kKeysPerPart - 1) / kKeysPerPart, kPartsMax);
    if (parts > 1) {
      const int64_t part_keys = (keys + parts - 1) / parts;
      return attend_in_parts(context, job, tiling, tasks, parts, part_keys);
    }
  }
  context.threads.run(tasks, [&](int64_t task) { attend(context, make_slice(job, tiling, task)); });
}

}  // namespace minim
