// Attention over blocked caches, cut into tasks of one sequence, one key-value head, some of its
// query heads and a tile of tokens. For few tokens in long contexts the keys are cut too, always at
// the same places, and the parts are merged in order, so that the result does not depend on the
// threads. A batch takes two rounds of tasks: new rows go into the caches, then queries read them;
// of single tokens, the task that reads a row also stores it, which leaves one round.
#include <algorithm>
#include <array>
#include <atomic>
#include <new>

#include "kernels/kernel_table.h"
#include "tensor/ops.h"
#include "tensor/scratch.h"
#include "tensor/shape_check.h"

namespace minim {
namespace {

constexpr int64_t kSplitTokensMax = 4;  // with more tokens there are tasks enough
constexpr int64_t kKeysPerPart = 512;
constexpr int64_t kPartsMax = 16;  // bounds the memory that partial results take
// Products below which handing out the work takes longer than doing it: about 3 us.
constexpr int64_t kProductsPerWake = 1 << 15;

void check_cache(const char* operation, const KvView& cache, int layer, int64_t first_slot,
                 int64_t tokens) {
  const KvLayout& layout = *cache.layout;
  require_shape(is_cache_type(layout.type), "{}: a cache of type {}", operation,
                data_type_info(layout.type).name);
  require_shape(layer >= 0 && layer < layout.layer_count, "{}: layer {} of {}", operation, layer,
                layout.layer_count);
  require_shape(layout.kv_head_count > 0 && layout.head_dim > 0 && layout.block_tokens > 0,
                "{}: an empty cache layout", operation);
  const auto slots = static_cast<int64_t>(cache.blocks.size()) * layout.block_tokens;
  require_shape(first_slot >= 0 && tokens >= 0 && first_slot <= slots - tokens,
                "{}: slots {} to {} of {}", operation, first_slot, first_slot + tokens, slots);
}

void check_rows(const AttentionChunk& chunk, int layer) {
  const KvLayout& layout = *chunk.cache.layout;
  require_same_shape("store_kv", chunk.keys, chunk.values);
  if (chunk.keys.rows == 0) return;
  check_cache("store_kv", chunk.cache, layer, chunk.first_slot, chunk.keys.rows);
  require_shape(chunk.keys.cols == int64_t{layout.kv_head_count} * layout.head_dim,
                "store_kv: {} columns for {} heads of {}", chunk.keys.cols, layout.kv_head_count,
                layout.head_dim);
}

void check_queries(const AttentionChunk& chunk, int layer, const AttentionOptions& options) {
  check_cache("attention", chunk.cache, layer, chunk.first_slot, chunk.queries.rows);
  const KvLayout& layout = *chunk.cache.layout;
  require_shape(options.head_count > 0 && options.head_count % layout.kv_head_count == 0,
                "attention: {} query heads over {} key-value heads", options.head_count,
                layout.kv_head_count);
  require_shape(options.window >= 0 && options.soft_cap >= 0, "attention: window {}, soft cap {}",
                options.window, options.soft_cap);
  require_same_shape("attention", chunk.queries, chunk.out);
  require_shape(chunk.queries.cols == int64_t{options.head_count} * layout.head_dim,
                "attention: {} columns for {} heads of {}", chunk.queries.cols, options.head_count,
                layout.head_dim);
}

// ---- storing -----------------------------------------------------------------------------------

// Rows [begin, end) of a chunk's keys and values, of one head.
void store_head(const Context& context, const AttentionChunk& chunk, int layer, int kv_head,
                int64_t begin, int64_t end) {
  const KvLayout& layout = *chunk.cache.layout;
  const int64_t column = int64_t{kv_head} * layout.head_dim;
  kernels::CacheStoreSlice slice;
  slice.cache_type = layout.type;
  slice.blocks = chunk.cache.blocks.data();
  slice.block_tokens = layout.block_tokens;
  slice.group_bytes = layout.group_bytes();
  slice.key_offset = layout.key_offset(layer, kv_head);
  slice.value_offset = layout.value_offset(layer, kv_head);
  slice.head_dim = layout.head_dim;
  slice.first_slot = chunk.first_slot + begin;
  slice.tokens = end - begin;
  slice.keys = chunk.keys.row(begin) + column;
  slice.key_stride = chunk.keys.stride;
  slice.values = chunk.values.row(begin) + column;
  slice.value_stride = chunk.values.stride;
  context.kernels.store_in_cache(slice);
}

// The blocks that a chunk writes to.
int64_t first_block(const AttentionChunk& chunk) {
  return chunk.first_slot / chunk.cache.layout->block_tokens;
}
int64_t block_count(const AttentionChunk& chunk) {
  if (chunk.keys.rows == 0) return 0;
  const int64_t last = chunk.first_slot + chunk.keys.rows - 1;
  return last / chunk.cache.layout->block_tokens - first_block(chunk) + 1;
}

// What goes into the `index`-th of these blocks, so that no two threads write to one group.
void store_block(const Context& context, const AttentionChunk& chunk, int layer, int64_t index) {
  const KvLayout& layout = *chunk.cache.layout;
  const int64_t slot = (first_block(chunk) + index) * layout.block_tokens;
  const int64_t begin = std::max<int64_t>(0, slot - chunk.first_slot);
  const int64_t end = std::min(chunk.keys.rows, slot + layout.block_tokens - chunk.first_slot);
  for (int head = 0; head < layout.kv_head_count; ++head) {
    store_head(context, chunk, layer, head, begin, end);
  }
}

// ---- attending ---------------------------------------------------------------------------------

// How one chunk is cut. A task is (tile of tokens, key-value head, chunk of its query heads, part
// of the keys), the last of them the quickest to change.
struct Plan {
  int heads_per_task;
  int head_chunks;
  int tokens_per_task;
  int token_tiles;
  int parts;
  int64_t blocks_per_part;  // where parts > 1: of the cache, from the first that is read
  bool stores;              // the task of the last part stores its head's new row
  int64_t products;         // about

  int64_t tiles(const KvLayout& layout) const {
    return int64_t{layout.kv_head_count} * head_chunks * token_tiles;
  }
};

// Whole chunks of keys of attention_many.inl.h, which take two spans of up to 32 keys of a block.
int64_t key_chunk_tokens(const KvLayout& layout) { return int64_t{2} * layout.block_tokens; }

struct KeyRange {
  int64_t begin;
  int64_t end;
};
// What tokens [token, token + count) of a chunk see together.
KeyRange keys_of(const AttentionChunk& chunk, const AttentionOptions& options, int64_t token,
                 int64_t count) {
  const int64_t position = chunk.first_slot + token;
  const int64_t begin =
      options.window > 0 ? std::max<int64_t>(0, position - options.window + 1) : 0;
  return {begin, position + count};
}

void plan_parts(const AttentionChunk& chunk, const AttentionOptions& options, Plan& plan) {
  const KeyRange keys = keys_of(chunk, options, 0, chunk.queries.rows);
  const int64_t wanted = std::min((keys.end - keys.begin) / kKeysPerPart, kPartsMax);
  if (wanted <= 1 || plan.token_tiles > 1) return;
  const int block_tokens = chunk.cache.layout->block_tokens;
  const int64_t blocks = (keys.end - 1) / block_tokens - keys.begin / block_tokens + 1;
  plan.blocks_per_part = (blocks + wanted - 1) / wanted;
  plan.parts = static_cast<int>((blocks + plan.blocks_per_part - 1) / plan.blocks_per_part);
}

Plan make_plan(const Context& context, const AttentionChunk& chunk,
               const AttentionOptions& options) {
  Plan plan{};
  plan.parts = 1;
  const int64_t tokens = chunk.queries.rows;
  if (tokens == 0) return plan;
  const int rows = context.kernels.attention_rows;
  const int group = options.head_count / chunk.cache.layout->kv_head_count;
  plan.heads_per_task = std::min(group, rows);
  plan.head_chunks = (group + plan.heads_per_task - 1) / plan.heads_per_task;
  plan.tokens_per_task = std::max(1, rows / plan.heads_per_task);
  plan.token_tiles = static_cast<int>((tokens + plan.tokens_per_task - 1) / plan.tokens_per_task);
  // A rest that is few rows goes to the tile before it, because few rows would sum in another
  // order.
  const int64_t rest = tokens % plan.tokens_per_task;
  if (plan.token_tiles > 1 && rest > 0 && rest * plan.heads_per_task <= kernels::kFewRowsMax) {
    --plan.token_tiles;
  }
  if (tokens <= kSplitTokensMax) plan_parts(chunk, options, plan);
  plan.stores = chunk.keys.rows == 1 && tokens == 1 && plan.head_chunks == 1;
  const KeyRange keys = keys_of(chunk, options, 0, tokens);
  plan.products = tokens * (keys.end - keys.begin) * 2 * chunk.queries.cols;
  return plan;
}

// All keys of a tile; scratch, partial results and parts are left to the caller.
kernels::AttentionSlice make_slice(const AttentionChunk& chunk, int layer,
                                   const AttentionOptions& options, const Plan& plan, int tile) {
  const KvLayout& layout = *chunk.cache.layout;
  const int group = options.head_count / layout.kv_head_count;
  // Later tokens see more keys: they go first, so that the last tasks are short.
  const int heads = layout.kv_head_count * plan.head_chunks;
  const int token_tile = plan.token_tiles - 1 - tile / heads;
  const int64_t token = int64_t{token_tile} * plan.tokens_per_task;
  const bool is_last = token_tile == plan.token_tiles - 1;
  const int kv_head = tile % heads / plan.head_chunks;
  const int first_head = tile % plan.head_chunks * plan.heads_per_task;
  const int64_t column = (int64_t{kv_head} * group + first_head) * layout.head_dim;

  kernels::AttentionSlice slice;
  slice.cache_type = layout.type;
  slice.blocks = chunk.cache.blocks.data();
  slice.block_tokens = layout.block_tokens;
  slice.group_bytes = layout.group_bytes();
  slice.key_offset = layout.key_offset(layer, kv_head);
  slice.value_offset = layout.value_offset(layer, kv_head);
  slice.head_dim = layout.head_dim;
  slice.queries = chunk.queries.row(token) + column;
  slice.query_stride = chunk.queries.stride;
  slice.tokens = is_last ? static_cast<int>(chunk.queries.rows - token) : plan.tokens_per_task;
  slice.heads = std::min(plan.heads_per_task, group - first_head);
  slice.first_position = chunk.first_slot + token;
  slice.window = options.window;
  const KeyRange keys = keys_of(chunk, options, token, slice.tokens);
  // Many rows take keys in chunks of two spans: those begin at the same slots wherever a tile does.
  const bool many = slice.tokens * slice.heads > kernels::kFewRowsMax;
  slice.key_begin = many ? keys.begin - keys.begin % key_chunk_tokens(layout) : keys.begin;
  slice.key_end = keys.end;
  slice.scale = options.scale;
  slice.soft_cap = options.soft_cap;
  slice.out = chunk.out.row(token) + column;
  slice.out_stride = chunk.out.stride;
  return slice;
}

// One batch in one layer, with the memory of its partial results.
class Attention {
 public:
  Attention(const Context& context, int layer, const AttentionOptions& options,
            std::span<const AttentionChunk> chunks)
      : context_(context), layer_(layer), options_(options), chunks_(chunks) {
    first_tasks_[0] = first_stores_[0] = 0;
    for (size_t i = 0; i < chunks.size(); ++i) {
      plans_[i] = make_plan(context, chunks[i], options);
      const int64_t tiles = plans_[i].tiles(*chunks[i].cache.layout);
      first_tasks_[i + 1] = first_tasks_[i] + tiles * plans_[i].parts;
      first_stores_[i + 1] = first_stores_[i] + (plans_[i].stores ? 0 : block_count(chunks[i]));
      products_ += plans_[i].products;
    }
    allocate_partials();
  }

  void run() {
    run_all(first_stores_, [this](size_t chunk, int64_t index) {
      store_block(context_, chunks_[chunk], layer_, index);
    });
    run_all(first_tasks_, [this](size_t chunk, int64_t index) { run_task(chunk, index); });
  }

 private:
  using Starts = std::array<int64_t, kAttentionChunksMax + 1>;

  // Results of the parts of a chunk's tiles: [tiles][parts][rows, 2 + head_dim], and for each tile
  // how many parts are not done.
  struct Partials {
    float* values;
    std::atomic<int32_t>* left;
    int64_t row_values;
    int64_t part_values;
  };

  void allocate_partials() {
    size_t counters = 0;
    size_t values = 0;
    for (size_t i = 0; i < chunks_.size(); ++i) {
      if (plans_[i].parts == 1) continue;
      const KvLayout& layout = *chunks_[i].cache.layout;
      partials_[i].row_values = 2 + layout.head_dim;
      partials_[i].part_values =
          plans_[i].heads_per_task * chunks_[i].queries.rows * partials_[i].row_values;
      const int64_t tiles = plans_[i].tiles(layout);
      counters += static_cast<size_t>(tiles);
      values += static_cast<size_t>(tiles * plans_[i].parts * partials_[i].part_values);
    }
    if (counters == 0) return;
    std::byte* memory =
        operation_scratch().bytes(values * sizeof(float) + counters * sizeof(std::atomic<int32_t>));
    auto* next_values = reinterpret_cast<float*>(memory);
    std::byte* next_counter = memory + values * sizeof(float);
    for (size_t i = 0; i < chunks_.size(); ++i) {
      if (plans_[i].parts == 1) continue;
      const int64_t tiles = plans_[i].tiles(*chunks_[i].cache.layout);
      partials_[i].values = next_values;
      next_values += tiles * plans_[i].parts * partials_[i].part_values;
      for (int64_t tile = 0; tile < tiles; ++tile) {
        auto* counter =
            new (next_counter) std::atomic<int32_t>(static_cast<int32_t>(plans_[i].parts));
        if (tile == 0) partials_[i].left = counter;
        next_counter += sizeof(*counter);
      }
    }
  }

  template <typename Body>
  void run_all(const Starts& starts, const Body& body) {
    const int64_t count = starts[chunks_.size()];
    auto run_one = [&](int64_t task) {
      const auto end = starts.begin() + static_cast<int64_t>(chunks_.size());
      const auto after = std::upper_bound(starts.begin(), end, task);
      const auto chunk = static_cast<size_t>(after - starts.begin()) - 1;
      body(chunk, task - starts[chunk]);
    };
    if (products_ >= kProductsPerWake) return context_.threads.run(count, run_one);
    for (int64_t task = 0; task < count; ++task) run_one(task);
  }

  void run_task(size_t index, int64_t task) {
    const AttentionChunk& chunk = chunks_[index];
    const Plan& plan = plans_[index];
    const int tile = static_cast<int>(task) / plan.parts;
    const int part = static_cast<int>(task) % plan.parts;
    if (plan.stores && part == plan.parts - 1) {
      store_head(context_, chunk, layer_, tile, 0, 1);
    }
    kernels::AttentionSlice slice = make_slice(chunk, layer_, options_, plan, tile);
    slice.scratch = task_scratch().floats(context_.kernels.attention_scratch_values(
        slice.cache_type, slice.tokens, slice.heads, slice.head_dim));
    if (plan.parts == 1) return attend(slice);

    const Partials& partials = partials_[index];
    float* parts = partials.values + tile * plan.parts * partials.part_values;
    slice.partial = parts + part * partials.part_values;
    const int64_t blocks = slice.key_begin / slice.block_tokens + part * plan.blocks_per_part;
    slice.key_begin = std::max(slice.key_begin, blocks * slice.block_tokens);
    slice.key_end = std::min(slice.key_end, (blocks + plan.blocks_per_part) * slice.block_tokens);
    attend(slice);
    // Whoever finishes the last part puts them together.
    if (partials.left[tile].fetch_sub(1, std::memory_order_acq_rel) == 1) {
      merge(partials, slice, plan.parts, parts);
    }
  }

  void attend(const kernels::AttentionSlice& slice) const {
    const bool coded = slice.cache_type == DataType::kQ8_0 || slice.cache_type == DataType::kQ4_0;
    (coded ? context_.kernels.int8.attention : context_.kernels.attention)(slice);
  }

  void merge(const Partials& partials, const kernels::AttentionSlice& slice, int part_count,
             const float* parts) const {
    for (int row = 0; row < slice.tokens * slice.heads; ++row) {
      context_.kernels.merge_attention(parts + row * partials.row_values, part_count,
                                       partials.part_values, slice.head_dim,
                                       slice.out + row / slice.heads * slice.out_stride +
                                           int64_t{row % slice.heads} * slice.head_dim);
    }
  }

  const Context& context_;
  const int layer_;
  const AttentionOptions& options_;
  const std::span<const AttentionChunk> chunks_;
  int64_t products_ = 0;
  // Only as many are ever touched as there are chunks.
  std::array<Plan, kAttentionChunksMax> plans_;
  std::array<Partials, kAttentionChunksMax> partials_;
  Starts first_tasks_;
  Starts first_stores_;
};

}  // namespace

int64_t first_key_read(const KvLayout& layout, int64_t window, int64_t slot) {
  if (window == 0) return 0;
  const int64_t first = std::max<int64_t>(0, slot - window + 1);
  return first - first % key_chunk_tokens(layout);
}

void store_kv(const Context& context, const KvView& cache, int layer, int64_t first_slot,
              ConstMatrixView keys, ConstMatrixView values) {
  const AttentionChunk chunk{cache, first_slot, keys, values, {}, {}};
  check_rows(chunk, layer);
  context.threads.run(block_count(chunk),
                      [&](int64_t index) { store_block(context, chunk, layer, index); });
}

void attention(const Context& context, const KvView& cache, int layer, int64_t first_slot,
               const AttentionOptions& options, ConstMatrixView queries, MatrixView out) {
  const AttentionChunk chunk{cache, first_slot, {}, {}, queries, out};
  check_queries(chunk, layer, options);
  Attention(context, layer, options, {&chunk, 1}).run();
}

void attention(const Context& context, int layer, const AttentionOptions& options,
               std::span<const AttentionChunk> chunks) {
  require_shape(chunks.size() <= kAttentionChunksMax, "attention: {} chunks at once",
                chunks.size());
  for (const AttentionChunk& chunk : chunks) {
    check_rows(chunk, layer);
    check_queries(chunk, layer, options);
  }
  Attention(context, layer, options, chunks).run();
}

}  // namespace minim
