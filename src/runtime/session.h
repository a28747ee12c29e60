// One conversation with a model: what was said (the cache) and what comes next (the logits).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/context.h"
#include "base/file.h"
#include "base/progress.h"
#include "model/activations.h"
#include "model/model.h"
#include "runtime/overflow.h"
#include "runtime/session_state.h"
#include "tensor/matrix_view.h"
#include "text/tokenizer.h"

namespace minim {

// One writer at a time. The context must outlive the session.
class Session {
 public:
  // Throws what Sequence's constructor throws, and kInvalidArgument for no tokens in a batch.
  Session(const Context& context, std::shared_ptr<const Model> model,
          const SessionOptions& options = {});
  Session(Session&&) = default;

  const Context& context() const { return context_; }
  const Model& model() const { return state_.model(); }
  int64_t length() const { return state_.length(); }
  std::span<const TokenId> tokens() const { return state_.tokens(); }
  int64_t context_tokens() const { return state_.context_tokens(); }
  // Blocks that others share included.
  size_t cache_bytes() const { return state_.sequence().cache().bytes(); }
  // Of the last append(), the tokens that the prefix cache knew.
  int64_t reused_tokens() const { return reused_tokens_; }

  // Appends tokens and returns the logits after the last one: [vocabulary], valid until the next
  // call. Throws kLimit, with nothing appended, if they do not fit the context or the pool has no
  // blocks left; kInvalidArgument for ids outside the vocabulary. Nothing appended means as before
  // the call, or empty where the session cannot go back (Sequence::can_rewind()).
  std::span<float> append(std::span<const TokenId> tokens, const ProgressSink& progress = {});

  // Appends tokens and hands over the logits after each one from index `first_output` on, in order
  // and in panels: rows of `logits` belong to indices first, first + 1, ... The visitor may change
  // them.
  using LogitsVisitor = std::function<void(int64_t first, MatrixView logits)>;
  void append(std::span<const TokenId> tokens, int64_t first_output, const LogitsVisitor& visit,
              const ProgressSink& progress = {});

  // The logits after the last token: [vocabulary], or empty after rewind() and after an append()
  // that handed them over.
  std::span<float> logits() { return state_.logits(); }

  // Forgets everything from `length` on. REQUIRES: 0 <= length <= length(). Throws kLimit where
  // every layer of the model sees a window only and what is behind it is gone.
  void rewind(int64_t length) { state_.rewind(length); }
  bool can_rewind(int64_t length) const { return state_.sequence().can_rewind(length); }

  // Another session in the same state, for the cost of the logits: blocks are shared until one of
  // the two writes to them. The two share their scratch memory, and so a thread, as they share the
  // threads of their context.
  Session clone() const;

  // The session as bytes, or as a file, and back: see SessionState.
  std::vector<std::byte> save() const { return state_.save(); }
  void save(const Path& path) const { state_.save(path); }
  void restore(std::span<const std::byte> bytes) { state_.restore(bytes); }
  void load(const Path& path) { state_.load(path); }

  // Makes room by dropping tokens from the middle. Throws what plan_shift() and append() throw.
  ContextShift shift(const ShiftOptions& options = {});

 private:
  Session(const Session& other);
  void forward(std::span<const TokenId> tokens, int64_t first_output, MatrixView logits);
  void check_tokens(std::span<const TokenId> tokens) const;

  const Context& context_;
  SessionState state_;
  int64_t batch_tokens_;
  std::shared_ptr<Activations> activations_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> outputs_;
  int64_t reused_tokens_ = 0;
};

}  // namespace minim
