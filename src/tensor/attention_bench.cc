// Attention at depth (decode) and over a prompt (prefill).
#include <fmt/core.h>

#include <cmath>
#include <vector>

#include "tensor/limits_bench.h"
#include "tensor/ops.h"

namespace minim::bench {
namespace {

struct Heads {
  int query;
  int key_value;
  int dim;
};

void run_attention(const Context& context, const Options& options, const Limits& limits,
                   const Heads& heads, int64_t first_slot, int64_t tokens) {
  const KvLayout layout{DataType::kF16, 1, heads.key_value, heads.dim, 32};
  const int64_t slots = first_slot + tokens;
  std::vector<std::vector<std::byte>> memory(static_cast<size_t>((slots + 31) / 32));
  std::vector<std::byte*> blocks;
  for (auto& block : memory) {
    block.resize(layout.block_bytes());
    blocks.push_back(block.data());
  }
  const int64_t cols = int64_t{heads.query} * heads.dim;
  std::vector<float> queries(static_cast<size_t>(tokens * cols), 0.5f);
  std::vector<float> out(queries.size());
  const double pairs = static_cast<double>(tokens) *
                       (static_cast<double>(first_slot) + static_cast<double>(tokens + 1) / 2);
  run_work(
      context, options, limits,
      {fmt::format("attention f16 {}/{} heads of {}, {} tokens at {}", heads.query, heads.key_value,
                   heads.dim, tokens, first_slot),
       4.0 * pairs * static_cast<double>(cols),
       static_cast<double>(slots) * 2 * static_cast<double>(layout.row_bytes()) * heads.key_value,
       [&] {
         attention(
             context, {&layout, blocks}, 0, first_slot,
             {.head_count = heads.query, .scale = 1.0f / std::sqrt(static_cast<float>(heads.dim))},
             {queries.data(), tokens, cols, cols}, {out.data(), tokens, cols, cols});
       }});
}

}  // namespace

void run_attention_benchmarks(const Context& context, const Options& options,
                              const Limits& limits) {
  constexpr Heads kSmall{9, 3, 64};   // 125 million parameters
  constexpr Heads kLarge{32, 8, 64};  // 1.2 billion
  if (options.tiny) {
    run_attention(context, options, limits, kSmall, 40, 1);
    run_attention(context, options, limits, kSmall, 0, 40);
    return;
  }
  for (const Heads& heads : {kSmall, kLarge}) {
    run_attention(context, options, limits, heads, 4095, 1);
    run_attention(context, options, limits, heads, 16383, 1);
    run_attention(context, options, limits, heads, 0, 512);
    run_attention(context, options, limits, heads, 3584, 512);
  }
}

}  // namespace minim::bench
