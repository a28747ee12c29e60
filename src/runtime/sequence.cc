#include "runtime/sequence.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "model/rotary.h"
#include "tensor/kv_rows.h"

namespace minim {
namespace {

int64_t checked_context(const Model& model, const SessionOptions& options) {
  const int64_t most = model.config().context_length;
  if (options.context_tokens < 0 || options.context_tokens > most) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("session: a context of {} tokens was asked for, but the model holds 1 "
                            "to {}",
                            options.context_tokens, most));
  }
  return options.context_tokens == 0 ? most : options.context_tokens;
}

KvLayout checked_layout(const Model& model, const SessionOptions& options) {
  if (!is_cache_type(options.kv_type)) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("session: a cache of type {} is not supported; use f32, f16, q8_0 or q4_0",
                    data_type_info(options.kv_type).name));
  }
  return model.kv_layout(options.kv_type);
}

std::shared_ptr<KvPool> checked_pool(const Model& model, const SessionOptions& options) {
  const KvLayout layout = checked_layout(model, options);
  std::shared_ptr<KvPool> pool = options.pool;
  if (options.prefixes != nullptr) {
    if (pool == nullptr) pool = options.prefixes->pool();
    if (&options.prefixes->model() != &model || options.prefixes->pool() != pool) {
      throw Error(ErrorCode::kInvalidArgument,
                  "session: the prefix cache belongs to another model or another pool");
    }
  }
  if (pool == nullptr) return std::make_shared<KvPool>(layout);
  KvLayout expected = layout;
  expected.block_tokens = pool->layout().block_tokens;
  if (pool->layout() != expected) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("session: the pool's blocks do not fit this model with a cache of type "
                            "{}; make the pool with the model's kv_layout() of that type",
                            data_type_info(options.kv_type).name));
  }
  return pool;
}

// The widest window of the layers; 0 where a layer sees everything.
int64_t widest_window(const ModelConfig& config) {
  int64_t widest = 0;
  for (int layer = 0; layer < config.layer_count; ++layer) {
    if (config.window(layer) == 0) return 0;
    widest = std::max<int64_t>(widest, config.window(layer));
  }
  return widest;
}

}  // namespace

int64_t prompt_step(int64_t left, int64_t most) {
  if (left <= most) return left;
  const int64_t missing = kPromptTokensMin - (left - most);
  return missing > 0 ? std::max<int64_t>(most - missing, 1) : most;
}

Sequence::Sequence(std::shared_ptr<const Model> model, const SessionOptions& options)
    : model_(std::move(model)),
      prefixes_(options.prefixes),
      given_space_(options.prefix_space),
      cache_(checked_pool(*model_, options), checked_context(*model_, options)),
      window_(widest_window(model_->config())) {
  set_adapters(options.adapters);
}

void Sequence::set_adapters(std::shared_ptr<const AdapterSet> adapters) {
  if (adapters != nullptr && &adapters->model() != model_.get()) {
    throw Error(ErrorCode::kInvalidArgument, "session: the adapters are another model's");
  }
  if (length() > 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("session: adapters can change while it is empty, and it holds {} "
                            "tokens; rewind it to the beginning first",
                            length()));
  }
  adapters_ = std::move(adapters);
}

uint64_t Sequence::fingerprint() const {
  return model_->fingerprint() + (adapters_ == nullptr ? 0 : adapters_->fingerprint());
}

uint64_t Sequence::prefix_space() const {
  if (adapters_ == nullptr) return given_space_;
  XxHash64 hash(given_space_);
  hash.update_value(adapters_->fingerprint());
  return hash.digest();
}

int64_t Sequence::reuse(std::span<const TokenId> tokens, int64_t count_max) {
  MINIM_CHECK(length() == 0);
  if (prefixes_ == nullptr) return 0;
  const int64_t block_tokens = cache_.layout().block_tokens;
  const auto most = static_cast<int64_t>(tokens.size());
  const int64_t blocks_max = std::min({most, count_max, context_tokens()}) / block_tokens;
  if (blocks_max <= 0) return 0;
  tokens_.reserve(static_cast<size_t>(blocks_max * block_tokens));  // all of it, or nothing
  cache_.adopt(prefixes_->find(tokens.first(static_cast<size_t>(blocks_max * block_tokens)),
                               prefix_space()));
  kept_blocks_ = static_cast<int64_t>(cache_.blocks().size());
  const int64_t count = kept_blocks_ * block_tokens;
  tokens_.assign(tokens.begin(), tokens.begin() + count);
  // Where generated blocks are kept too, nobody knows which of them these are.
  prompt_length_ = count;
  return count;
}

SequenceChunk Sequence::extend(int64_t begin, int64_t count) {
  MINIM_CHECK(count >= 1 && count <= context_tokens() - length());
  cache_.reserve(length(), length() + count);
  return {.begin = begin,
          .count = count,
          .first_slot = length(),
          .cache = cache_.view(),
          .adapters = adapters_.get()};
}

void Sequence::commit(std::span<const TokenId> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  if (prompt_length_ == length() && count >= kPromptTokensMin) prompt_length_ += count;
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  if (prefixes_ != nullptr && dropped_tokens_ == 0) keep_full_blocks();
  if (window_ > 0) {
    const int64_t slack = int64_t{2} * cache_.layout().block_tokens;
    cache_.forget_before(first_slot_needed(length()) - slack);
  }
}

void Sequence::keep_full_blocks() {
  const int64_t block_tokens = cache_.layout().block_tokens;
  const int64_t fit = prefixes_->options().keep_generated ? length() : prompt_length_;
  const int64_t full = fit / block_tokens;
  if (full <= kept_blocks_) return;
  kept_blocks_ = full;
  prefixes_->keep(tokens().first(static_cast<size_t>(full * block_tokens)),
                  std::span(cache_.blocks()).first(static_cast<size_t>(full)), prefix_space());
}

int64_t Sequence::blocks_most(int64_t length, int64_t step) const {
  const int64_t block_tokens = cache_.layout().block_tokens;
  const auto count = [&](int64_t tokens) { return (tokens + block_tokens - 1) / block_tokens; };
  if (window_ == 0) return count(length);
  // What lies behind the windows of all layers is given back: up to two blocks late because keys
  // are read from a multiple of two on, and two more of slack (commit()).
  return std::min(count(length), count(window_ + step + 4 * block_tokens) + 2);
}

int64_t Sequence::blocks_to_take(int64_t length, int64_t step, bool drops) const {
  const int64_t block_tokens = cache_.layout().block_tokens;
  const int64_t most = blocks_most(length, step);
  const std::vector<KvBlock>& blocks = cache_.blocks();
  // A block that others hold too is copied before it is written to: the last one when a token is
  // added to it, any of them when its keys are turned.
  int64_t own = 0;
  for (const KvBlock& block : blocks) own += !block.empty() && !(drops && block.shared()) ? 1 : 0;
  const bool splits = !drops && !blocks.empty() && !blocks.back().empty() &&
                      blocks.back().shared() && this->length() % block_tokens != 0;
  return std::max<int64_t>(most - own, 0) + (splits ? 1 : 0);
}

int64_t Sequence::first_slot_needed(int64_t length) const {
  return window_ == 0 ? 0 : first_key_read(cache_.layout(), window_, length);
}

bool Sequence::can_rewind(int64_t length) const {
  return length == 0 || length >= this->length() ||
         first_slot_needed(length) >= cache_.first_slot();
}

void Sequence::rewind(int64_t length) {
  MINIM_CHECK(length >= 0 && can_rewind(length));
  if (length >= this->length()) {
    cache_.shrink(this->length());
    return;
  }
  tokens_.resize(static_cast<size_t>(length));
  cache_.shrink(length);
  prompt_length_ = std::min(prompt_length_, length);
  kept_blocks_ = std::min(kept_blocks_, length / cache_.layout().block_tokens);
  if (length == 0) dropped_tokens_ = 0;
}

bool Sequence::can_drop() const {
  for (int layer = 0; layer < model_->config().layer_count; ++layer) {
    if (model_->rotary(layer) == nullptr) return false;
  }
  return true;
}

void Sequence::drop(const Context& context, int64_t begin, int64_t count) {
  MINIM_CHECK(begin >= 0 && count >= 0 && begin + count <= length() && can_drop());
  const std::span<std::byte* const> moved = cache_.drop(begin, count);
  for (int layer = 0; layer < model_->config().layer_count; ++layer) {
    turn_keys(context, cache_.layout(), layer, model_->rotary(layer)->table(),
              -static_cast<int32_t>(count), moved);
  }
  tokens_.erase(tokens_.begin() + begin, tokens_.begin() + begin + count);
  prompt_length_ = std::min(prompt_length_, begin);
  dropped_tokens_ += count;
}

void Sequence::replace(State state) {
  cache_.shrink(0);
  cache_.adopt(std::move(state.blocks));
  tokens_ = std::move(state.tokens);
  prompt_length_ = state.prompt_length;
  dropped_tokens_ = state.dropped_tokens;
  kept_blocks_ = 0;
}

}  // namespace minim
