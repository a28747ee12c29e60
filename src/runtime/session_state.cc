#include "runtime/session_state.h"

#include <fmt/core.h>

#include <utility>

#include "base/error.h"
#include "runtime/session_file.h"

namespace minim {

SessionState::SessionState(std::shared_ptr<const Model> model, const SessionOptions& options)
    : sequence_(std::move(model), options) {}

SessionState::SessionState(const SessionState& other)
    : sequence_(other.sequence_), has_logits_(other.has_logits_) {
  const auto logits = other.logits();
  logits_.assign(logits.begin(), logits.end());
}

SessionState::SessionState(SessionState&& other) noexcept
    : sequence_(std::move(other.sequence_)),
      logits_(std::move(other.logits_)),
      has_logits_(std::exchange(other.has_logits_, false)) {}

std::shared_ptr<SessionState> SessionState::clone() const {
  return std::make_shared<SessionState>(*this);
}

std::span<float> SessionState::logits() {
  if (!has_logits_) return {};
  return std::span(logits_).first(static_cast<size_t>(model().config().vocabulary_size));
}

std::span<const float> SessionState::logits() const {
  if (!has_logits_) return {};
  return std::span(logits_).first(static_cast<size_t>(model().config().vocabulary_size));
}

MatrixView SessionState::overwrite_logits(int64_t rows) {
  has_logits_ = false;
  const int64_t width = model().config().vocabulary_size;
  const auto wanted = static_cast<size_t>(rows * width);
  if (logits_.size() < wanted) logits_.resize(wanted);
  return {logits_.data(), rows, width, width};
}

void SessionState::keep_logits() {
  MINIM_CHECK(logits_.size() >= static_cast<size_t>(model().config().vocabulary_size));
  has_logits_ = true;
}

void SessionState::rewind(int64_t length) {
  MINIM_CHECK(length >= 0);
  if (!sequence_.can_rewind(length)) {
    throw Error(ErrorCode::kLimit,
                fmt::format("session: cannot go back from {} tokens to {}: all layers see a window "
                            "only, and what was behind it is gone; go back to 0 and read again",
                            this->length(), length));
  }
  has_logits_ = has_logits_ && length >= this->length();
  sequence_.rewind(length);
}

std::vector<std::byte> SessionState::save() const {
  std::vector<std::byte> saved;
  write_session(sequence_, logits(), [&](std::span<const std::byte> bytes) {
    saved.insert(saved.end(), bytes.begin(), bytes.end());
  });
  return saved;
}

void SessionState::save(const Path& path) const {
  FileWriter file(path);
  write_session(sequence_, logits(), [&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.commit();
}

void SessionState::restore(std::span<const std::byte> bytes) {
  RestoredSession restored = restore_session(bytes, sequence_);
  sequence_.replace(std::move(restored.state));
  logits_ = std::move(restored.logits);
  has_logits_ = !logits_.empty();
}

void SessionState::load(const Path& path) { restore(MappedFile::open(path)->bytes()); }

StateLease::StateLease(std::shared_ptr<SessionState> state) {
  if (state->in_use_.exchange(true, std::memory_order_acq_rel)) {
    throw Error(ErrorCode::kInvalidArgument,
                "scheduler: another job has this session; wait for its last event");
  }
  state_ = std::move(state);
}

StateLease& StateLease::operator=(StateLease&& other) noexcept {
  release();
  state_ = std::move(other.state_);
  return *this;
}

void StateLease::release() {
  if (state_ != nullptr) state_->in_use_.store(false, std::memory_order_release);
  state_.reset();
}

}  // namespace minim
