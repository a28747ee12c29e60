// What there is to a session apart from the memory that it computes in: what was read, and what the
// model expects next. A Session computes with one; a Scheduler with those of many.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/file.h"
#include "runtime/sequence.h"
#include "tensor/matrix_view.h"

namespace minim {

// One writer at a time.
class SessionState {
 public:
  // Throws what Sequence's constructor throws.
  SessionState(std::shared_ptr<const Model> model, const SessionOptions& options);

  const Model& model() const { return sequence_.model(); }
  Sequence& sequence() { return sequence_; }
  const Sequence& sequence() const { return sequence_; }
  int64_t length() const { return sequence_.length(); }
  std::span<const TokenId> tokens() const { return sequence_.tokens(); }
  int64_t context_tokens() const { return sequence_.context_tokens(); }

  // The logits after the last token: [vocabulary], or empty where they are not known.
  std::span<float> logits();
  std::span<const float> logits() const;
  // Memory for `rows` rows of logits, [rows, vocabulary], of which the first is where those after
  // the last token are. What was known is gone until keep_logits().
  MatrixView overwrite_logits(int64_t rows);
  // The first row of that memory holds the logits after the last token.
  void keep_logits();
  void forget_logits() { has_logits_ = false; }

  // Forgets everything from `length` on. REQUIRES: 0 <= length <= length(). Throws kLimit where
  // every layer of the model sees a window only and what is behind it is gone.
  void rewind(int64_t length);

  // Another one of the same, for the cost of the logits: blocks are shared until one of the two
  // writes to them.
  std::shared_ptr<SessionState> clone() const;
  SessionState(const SessionState& other);
  SessionState(SessionState&& other) noexcept;

  // As bytes, or as a file; restore() and load() bring it back, here or into another state of the
  // same model and cache type, and what follows is what would have followed: bit for bit on the
  // same kind of processor. A failure leaves the state as it was. Throw what restore_session()
  // throws, and kNotFound or kIo where a file cannot be read or written.
  std::vector<std::byte> save() const;
  void save(const Path& path) const;
  void restore(std::span<const std::byte> bytes);
  void load(const Path& path);

  // Whether a job of a Scheduler has it: nobody else may then touch it.
  bool in_use() const { return in_use_.load(std::memory_order_acquire); }

 private:
  friend class StateLease;

  Sequence sequence_;
  std::vector<float> logits_;
  bool has_logits_ = false;  // those after the last token are the first of logits_
  std::atomic<bool> in_use_{false};
};

// Holds a state for one job, so that no other gets it.
class StateLease {
 public:
  StateLease() = default;
  // Throws kInvalidArgument where another job has it.
  explicit StateLease(std::shared_ptr<SessionState> state);
  StateLease(StateLease&& other) noexcept = default;
  StateLease& operator=(StateLease&& other) noexcept;
  ~StateLease() { release(); }

  void release();
  SessionState* operator->() const { return state_.get(); }
  SessionState& operator*() const { return *state_; }
  explicit operator bool() const { return state_ != nullptr; }

 private:
  std::shared_ptr<SessionState> state_;
};

}  // namespace minim
