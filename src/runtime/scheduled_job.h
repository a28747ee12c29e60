// A job as the stepping thread of a Scheduler sees it: what it still has to read, what it says, and
// how it ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/context.h"
#include "runtime/batch_plan.h"
#include "runtime/job.h"
#include "runtime/job_channel.h"
#include "runtime/speculation.h"
#include "runtime/text_events.h"
#include "runtime/token_chooser.h"

namespace minim {

class ScheduledJob {
 public:
  // `state` is that of the request or a new one. Throws what Scheduler::submit() throws, but for
  // what other jobs and the memory have to do with it.
  ScheduledJob(const Context& context, std::shared_ptr<const Tokenizer> tokenizer,
               JobRequest request, std::shared_ptr<SessionState> state,
               std::shared_ptr<WakeSignal> wake);

  const std::shared_ptr<JobChannel>& channel() const { return channel_; }
  bool ended() const { return ended_; }
  Turn& turn() { return turn_; }
  Sequence& sequence() { return state_->sequence(); }
  const Sequence& sequence() const { return state_->sequence(); }

  // The most tokens that its sequence may come to hold.
  int64_t length_max() const;
  // Whether tokens may be dropped with others moving up.
  bool drops() const {
    return request_.overflow == OverflowPolicy::kShift && !request_.shift.reread;
  }

  // Its turn has come. Takes over what a prefix cache knows of its prompt; returns whether that is
  // anything.
  bool reuse();
  void forget_reused();
  void admit();
  // It would be its turn, but for the memory.
  void wait_for_memory();
  int64_t blocks_available_then = -1;  // when it had to wait

  // Before each step. Ends what was cancelled; makes room where the context is full, or ends.
  void prepare(const Context& context);
  // Whether prepare() would drop tokens.
  bool wants_shift() const;
  // Then: adds what is likely to follow to what it has for a batch; returns how many tokens.
  int64_t speculate(const PassOutlook& outlook);
  bool paused() const { return !ended_ && !ending_ && !channel_->has_room(); }
  void show_state(bool is_paused) const;

  // What it has for a batch; nothing while it is paused, and where it has its logits already.
  std::optional<BatchCandidate> candidate() const;
  // Its next tokens. REQUIRES: candidate() has as many.
  std::span<const TokenId> next_tokens(int64_t count) const;
  // How many of them, the last ones, the logits are wanted after.
  int64_t outputs_of(int64_t count) const;
  // They were computed. logits: [outputs_of(count), vocabulary] of this batch; valid until
  // finish_step().
  void computed(int64_t count, std::span<const float> logits);

  // Whether there are logits to choose from.
  bool can_choose() const;
  // On any thread, beside others' of other jobs.
  void choose();
  // Pushes what the step brought. `rows` were in its batch.
  void finish_step(int64_t rows, const StepCost& cost);

  void fail(const std::exception_ptr& error) noexcept;
  void cancel();
  // The same, without a last step.
  void end_now() noexcept;

  const GenerationStatistics& statistics() const { return statistics_; }

 private:
  using Clock = std::chrono::steady_clock;

  bool reading() const { return read_ < to_read_.size(); }
  bool is_kept() const { return request_.state != nullptr; }
  void check_request() const;
  void start_generating();
  size_t known_count() const { return pending_.size() - guessed_; }
  void take_next(TokenId token);
  void settle_guesses(int64_t rows, const StepCost& cost);
  void take_chosen();
  std::optional<StopReason> reason_to_end() const;
  void shift(const Context& context);
  void roll_back();
  void end_text(StopReason reason);
  void end(GenerationEvent event) noexcept;
  void keep_logits();
  void push(GenerationEvent event);
  void push_progress();

  JobRequest request_;
  std::shared_ptr<JobChannel> channel_;
  StateLease state_;
  TokenChooser chooser_;
  TextEvents events_;
  std::optional<Speculation> speculation_;
  Turn turn_;
  int64_t start_length_ = 0;
  int64_t logits_length_ = 0;  // after so many tokens come the logits that the state has

  std::vector<TokenId> to_read_;  // the prompt, or what is read again
  size_t read_ = 0;
  // Chosen, not read yet, and behind them guesses; fewer than kPromptTokensMin.
  std::vector<TokenId> pending_;
  size_t guessed_ = 0;                   // of pending_
  std::optional<StopReason> ending_;     // once what is pending is read
  std::span<const float> logits_;        // of this batch, or of the state; choose() leaves one row
  std::vector<TokenId> tried_;           // guesses that this batch computed
  size_t right_ = 0;                     // of them, the first ones that were chosen
  std::vector<GenerationEvent> chosen_;  // in this step, a kToken each
  bool did_choose_ = false;
  bool text_ended_ = false;  // no more could be chosen
  std::exception_ptr choice_error_;
  int64_t progress_ = 0;  // tokens of the prompt that were read in this step
  bool generating_ = false;
  bool waited_for_memory_ = false;
  bool ended_ = false;

  Clock::time_point submitted_ = Clock::now();
  Clock::time_point admitted_;
  Clock::time_point generating_since_;
  GenerationStatistics statistics_;
};

}  // namespace minim
