#include "eval/speed_run.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace minim {

SpeedRun::SpeedRun(const Context& context, const Model& model, const SpeedRunOptions& options)
    : context_(context),
      model_(model),
      pool_(std::make_shared<KvPool>(model.kv_layout(options.kv_type))),
      activations_(model.config(), std::max(options.batch_tokens, options.sequence_count)) {
  for (int64_t i = 0; i < options.sequence_count; ++i) {
    caches_.emplace_back(pool_, std::max<int64_t>(options.slots, 1));
  }
  const int64_t width = std::max(model.config().vocabulary_size, model.config().dim);
  logits_.resize(static_cast<size_t>(options.sequence_count * width));
}

void SpeedRun::read(int64_t sequence, int64_t begin, int64_t count, bool last) {
  MINIM_CHECK(count >= 1 && count <= activations_.rows_max());
  KvCache& cache = caches_[static_cast<size_t>(sequence)];
  cache.reserve(begin, begin + count);
  fill(count);
  std::iota(positions_.begin(), positions_.end(), static_cast<int32_t>(begin));
  chunks_.assign(1, {.begin = 0, .count = count, .first_slot = begin, .cache = cache.view()});
  const auto output = static_cast<int32_t>(count - 1);
  const int64_t width = model_.config().vocabulary_size;
  const std::span<const int32_t> outputs(&output, last ? 1 : 0);
  model_.forward(context_, batch(outputs), activations_,
                 {logits_.data(), static_cast<int64_t>(outputs.size()), width, width});
}

void SpeedRun::prepare_step(int64_t length) {
  const auto rows = static_cast<int64_t>(caches_.size());
  fill(rows);
  std::fill(positions_.begin(), positions_.end(), static_cast<int32_t>(length));
  outputs_.resize(static_cast<size_t>(rows));
  std::iota(outputs_.begin(), outputs_.end(), 0);
  chunks_.clear();
  for (int64_t i = 0; i < rows; ++i) {
    KvCache& cache = caches_[static_cast<size_t>(i)];
    cache.reserve(length, length + 1);
    chunks_.push_back({.begin = i, .count = 1, .first_slot = length, .cache = cache.view()});
  }
}

void SpeedRun::step(int64_t length) {
  prepare_step(length);
  const int64_t width = model_.config().vocabulary_size;
  model_.forward(context_, batch(outputs_), activations_,
                 {logits_.data(), static_cast<int64_t>(outputs_.size()), width, width});
}

void SpeedRun::step_hidden(int64_t length) {
  prepare_step(length);
  const int64_t width = model_.config().dim;
  model_.forward_hidden(context_, batch(outputs_), activations_,
                        {logits_.data(), static_cast<int64_t>(outputs_.size()), width, width});
}

void SpeedRun::skip_to(int64_t length) {
  for (KvCache& cache : caches_) cache.reserve(0, length);
}

size_t SpeedRun::cache_bytes() const {
  size_t bytes = 0;
  for (const KvCache& cache : caches_) bytes += cache.bytes();
  return bytes;
}

void SpeedRun::fill(int64_t rows) {
  tokens_.resize(static_cast<size_t>(rows));
  positions_.resize(static_cast<size_t>(rows));
  const auto vocabulary = static_cast<uint32_t>(model_.config().vocabulary_size);
  for (int32_t& token : tokens_) token = static_cast<int32_t>(rng_.below(vocabulary));
}

Batch SpeedRun::batch(std::span<const int32_t> outputs) const {
  return {.tokens = tokens_, .positions = positions_, .chunks = chunks_, .outputs = outputs};
}

}  // namespace minim
