// Attention at depth (decode), over a prompt (prefill), and of several sequences at once. Calls go
// through the layers of a model one after the other, so that its cache, not the processor's, is
// what they read.
#include <fmt/core.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "tensor/limits_bench.h"
#include "tensor/ops.h"
#include "tensor/weight_memory.h"

namespace minim::bench {
namespace {

struct Heads {
  int query;
  int key_value;
  int dim;
  int layers;
};

struct Shape {
  Heads heads;
  DataType type = DataType::kF16;
  int64_t first_slot = 0;
  int64_t tokens = 1;
  int sequences = 1;
};

// A sequence that has first_slot tokens and gets more.
class Sequence {
 public:
  explicit Sequence(const Shape& shape)
      : layout_{shape.type, shape.heads.layers, shape.heads.key_value, shape.heads.dim, 32} {
    const int64_t slots = shape.first_slot + shape.tokens;
    const auto count =
        static_cast<size_t>((slots + layout_.block_tokens - 1) / layout_.block_tokens);
    memory_ = WeightMemory().allocate(count * layout_.block_bytes());
    std::memset(memory_.get(), 0, count * layout_.block_bytes());
    for (size_t i = 0; i < count; ++i) blocks_.push_back(memory_.get() + i * layout_.block_bytes());
  }
  KvView view() const { return {&layout_, blocks_}; }

 private:
  KvLayout layout_;
  std::shared_ptr<std::byte> memory_;  // on huge pages, as that of sessions
  std::vector<std::byte*> blocks_;
};

std::string name_of(const Shape& shape) {
  const std::string batch = shape.sequences > 1 ? fmt::format("{} x ", shape.sequences) : "";
  return fmt::format("attention {} {}/{} of {}, {}{} at {}", data_type_info(shape.type).name,
                     shape.heads.query, shape.heads.key_value, shape.heads.dim, batch, shape.tokens,
                     shape.first_slot);
}

void run_attention(const Context& context, const Options& options, const Limits& limits,
                   const Shape& shape) {
  if (name_of(shape).find(options.filter) == std::string::npos) return;
  const Heads& heads = shape.heads;
  const int64_t cols = int64_t{heads.query} * heads.dim;
  const int64_t kv_cols = int64_t{heads.key_value} * heads.dim;
  const auto rows = static_cast<size_t>(shape.tokens * shape.sequences);
  std::vector<float> queries(rows * static_cast<size_t>(cols), 0.5f);
  std::vector<float> keys(rows * static_cast<size_t>(kv_cols), 0.25f);
  std::vector<float> out(queries.size());
  std::vector<Sequence> sequences;
  for (int i = 0; i < shape.sequences; ++i) sequences.emplace_back(shape);
  std::vector<AttentionChunk> chunks;
  for (int i = 0; i < shape.sequences; ++i) {
    const int64_t row = i * shape.tokens;
    const ConstMatrixView new_rows{keys.data() + row * kv_cols, shape.tokens, kv_cols, kv_cols};
    chunks.push_back({sequences[static_cast<size_t>(i)].view(),
                      shape.first_slot,
                      new_rows,
                      new_rows,
                      {queries.data() + row * cols, shape.tokens, cols, cols},
                      {out.data() + row * cols, shape.tokens, cols, cols}});
  }
  const double pairs =
      static_cast<double>(shape.tokens) *
      (static_cast<double>(shape.first_slot) + static_cast<double>(shape.tokens + 1) / 2);
  const double slots = static_cast<double>(shape.first_slot + shape.tokens);
  const KvLayout& layout = *chunks[0].cache.layout;
  int layer = 0;
  run_work(context, options, limits,
           {name_of(shape), 4.0 * pairs * static_cast<double>(cols) * shape.sequences,
            slots * 2 * static_cast<double>(layout.row_bytes()) * heads.key_value * shape.sequences,
            [&] {
              layer = (layer + 1) % heads.layers;
              attention(context, layer,
                        {.head_count = heads.query,
                         .scale = 1.0f / std::sqrt(static_cast<float>(heads.dim))},
                        chunks);
            }});
}

}  // namespace

void run_attention_benchmarks(const Context& context, const Options& options,
                              const Limits& limits) {
  constexpr Heads kTiny{6, 6, 48, 6};     // 15 million parameters
  constexpr Heads kSmall{9, 3, 64, 30};   // 125 million
  constexpr Heads kLarge{32, 8, 64, 16};  // 1.1 billion
  constexpr DataType kTypes[] = {DataType::kF16, DataType::kQ8_0, DataType::kQ4_0};
  const auto run = [&](const Shape& shape) { run_attention(context, options, limits, shape); };
  if (options.tiny) {
    for (const DataType type : kTypes) {
      run({.heads = kTiny, .type = type, .first_slot = 40, .sequences = 2});
      run({.heads = kTiny, .type = type, .tokens = 40});
    }
    return;
  }
  run({.heads = kTiny, .first_slot = 100});
  run({.heads = kTiny, .tokens = 512});
  for (const Heads& heads : {kSmall, kLarge}) {
    for (const DataType type : kTypes) {
      run({.heads = heads, .type = type, .first_slot = 4095});
      run({.heads = heads, .type = type, .first_slot = 16383});
      run({.heads = heads, .type = type, .tokens = 512});
      run({.heads = heads, .type = type, .first_slot = 3584, .tokens = 512});
    }
  }
  run({.heads = kSmall, .first_slot = 128, .sequences = 16});
}

}  // namespace minim::bench
