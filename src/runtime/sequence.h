// What a model has read of one text: the tokens and their keys and values. Whoever computes (a
// Session, a Scheduler) extends it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/adapter/adapter.h"
#include "model/batch.h"
#include "model/model.h"
#include "runtime/kv_cache.h"
#include "runtime/prefix_cache.h"
#include "tensor/ops.h"
#include "text/tokenizer.h"

namespace minim {

struct SessionOptions {
  int64_t context_tokens = 0;         // the most the session can hold; 0: what the model can
  int64_t batch_tokens = 512;         // computed at once while a prompt is read
  DataType kv_type = DataType::kF16;  // of the cache: kF32, kF16, kQ8_0 or kQ4_0
  // Where the cache's blocks come from. Null: the pool of `prefixes`, or one of the session's own.
  std::shared_ptr<KvPool> pool;
  // Where new sessions find what others have read, and leave what they read. Null: nowhere.
  std::shared_ptr<PrefixCache> prefixes;
  // What is shared through `prefixes` stays among sequences of one space.
  uint64_t prefix_space = 0;
  // What it computes with besides the model. Null: nothing.
  std::shared_ptr<const AdapterSet> adapters;
};

// Tokens that are computed as a prompt come in pieces of at least kPromptTokensMin: their keys and
// values are then the same bits however the prompt is cut (tensor/ops.h). How many of the `left`
// tokens of a prompt to compute next: `most` at most, and so that the rest is again enough, which
// needs most >= 2 * kPromptTokensMin. REQUIRES: left >= 1, most >= 1.
int64_t prompt_step(int64_t left, int64_t most);

// One writer at a time; a copy shares the blocks and goes its own way from then on.
class Sequence {
 public:
  // Throws kInvalidArgument or kUnsupported for options outside the model's bounds, and for a pool
  // or a prefix cache of something else.
  Sequence(std::shared_ptr<const Model> model, const SessionOptions& options);

  const Model& model() const { return *model_; }
  const std::shared_ptr<const Model>& shared_model() const { return model_; }
  std::span<const TokenId> tokens() const { return tokens_; }
  int64_t length() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t context_tokens() const { return cache_.slots_max(); }
  const KvCache& cache() const { return cache_; }
  const std::shared_ptr<const AdapterSet>& adapters() const { return adapters_; }
  // Other ones from now on. Throws kInvalidArgument where they are another model's, and where there
  // are tokens: their keys and values were computed with those that it has.
  void set_adapters(std::shared_ptr<const AdapterSet> adapters);
  // Of what computes it: the model's, or, with adapters, another one.
  uint64_t fingerprint() const;
  // Tokens from the first on that were computed as a prompt.
  int64_t prompt_length() const { return prompt_length_; }
  // Tokens that drop() has taken out in all.
  int64_t dropped_tokens() const { return dropped_tokens_; }

  // Takes over what the prefix cache knows of the beginning of `tokens`; returns how many tokens
  // that are, `count_max` at most. REQUIRES: length() == 0.
  int64_t reuse(std::span<const TokenId> tokens, int64_t count_max);

  // Makes room for `count` more tokens: the chunk of a batch, `begin` its first row, whose
  // positions are its slots. Throws what KvPool::allocate() throws. REQUIRES: they fit the context.
  SequenceChunk extend(int64_t begin, int64_t count);
  // They were computed. REQUIRES: extend() made room for as many.
  void commit(std::span<const TokenId> tokens);

  // As whom it takes blocks from the pool.
  void set_claim(KvClaim claim) { cache_.set_claim(claim); }
  // The most blocks that it holds until it holds `length` tokens, while `step` at most are computed
  // at once.
  int64_t blocks_most(int64_t length, int64_t step) const;
  // How many blocks it may have to take until it holds `length` tokens, while `step` at most are
  // computed at once; `drops`: with tokens dropped in between.
  int64_t blocks_to_take(int64_t length, int64_t step, bool drops) const;

  // The first slot that a token after `length` others makes attention read: 0 unless every layer
  // sees a window only.
  int64_t first_slot_needed(int64_t length) const;
  // Whether rewind() can go back to `length`: a model whose every layer sees a window only forgets
  // what lies behind it, and can go back by less than 64 tokens, or to the beginning.
  bool can_rewind(int64_t length) const;
  // Forgets everything from `length` on. REQUIRES: 0 <= length <= length(), can_rewind(length).
  void rewind(int64_t length);

  // Whether drop() can be called: positions are rotary, so that keys can be turned.
  bool can_drop() const;
  // Forgets `count` tokens from `begin` on; those that follow move up to their places, their keys
  // turned to the new positions. What they say still comes from having seen what is gone. Throws
  // what KvPool::allocate() throws, with nothing changed. From then on the prefix cache gets
  // nothing more. REQUIRES: both are whole blocks, they are there, can_drop().
  void drop(const Context& context, int64_t begin, int64_t count);

  // What is saved and restored.
  struct State {
    std::vector<TokenId> tokens;
    std::vector<KvBlock> blocks;  // of the pool; those that were forgotten are empty
    int64_t prompt_length = 0;
    int64_t dropped_tokens = 0;
  };
  // REQUIRES: blocks for all tokens, no more of them than fit, forgotten ones before the others.
  void replace(State state);

 private:
  void keep_full_blocks();
  // Of the prefix cache: only what the same adapters computed is shared.
  uint64_t prefix_space() const;

  std::shared_ptr<const Model> model_;
  std::shared_ptr<PrefixCache> prefixes_;
  uint64_t given_space_;
  std::shared_ptr<const AdapterSet> adapters_;
  KvCache cache_;
  int64_t window_;  // tokens that some layer sees, the current one included; 0: all
  std::vector<TokenId> tokens_;
  int64_t prompt_length_ = 0;
  int64_t dropped_tokens_ = 0;
  int64_t kept_blocks_ = 0;  // that the prefix cache was given
};

}  // namespace minim
