#include "runtime/scheduled_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <new>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

using Kind = GenerationEvent::Kind;

constexpr int64_t kEventsMax = int64_t{1} << 20;

double seconds_between(std::chrono::steady_clock::time_point begin,
                       std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

[[noreturn]] void throw_request(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "scheduler: " + message);
}

// Where not even the message finds memory, a shorter one that needs none.
GenerationEvent error_event(const std::exception_ptr& error) noexcept try {
  GenerationEvent event;
  event.kind = Kind::kError;
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    event.error_code = e.code();
    event.message = e.what();
  } catch (const std::bad_alloc&) {
    event.error_code = ErrorCode::kLimit;
    event.out_of_memory = true;
    event.message =
        "scheduler: the machine has no memory left; allow fewer sequences, or less "
        "memory for keys and values";
  } catch (const std::exception& e) {
    event.error_code = ErrorCode::kUnsupported;
    event.message = fmt::format("scheduler: a step failed: {}", e.what());
  }
  return event;
} catch (...) {
  GenerationEvent event;
  event.kind = Kind::kError;
  event.error_code = ErrorCode::kLimit;
  event.out_of_memory = true;
  event.message = "out of memory";
  return event;
}

}  // namespace

ScheduledJob::ScheduledJob(const Context& context, std::shared_ptr<const Tokenizer> tokenizer,
                           JobRequest request, std::shared_ptr<SessionState> state,
                           std::shared_ptr<WakeSignal> wake)
    : request_(std::move(request)),
      channel_(std::make_shared<JobChannel>(std::move(wake), request_.events_max,
                                            std::move(request_.on_events))),
      state_(std::move(state)),
      chooser_(context, tokenizer, request_.options.generator),
      events_(tokenizer, request_.options),
      speculation_(request_.speculation.given() ? std::optional<Speculation>(request_.speculation)
                                                : std::nullopt),
      start_length_(state_->length()),
      logits_length_(start_length_),
      to_read_(std::move(request_.tokens)) {
  check_request();
  turn_.priority = request_.priority;
  statistics_.prompt_tokens = static_cast<int64_t>(to_read_.size());
}

void ScheduledJob::check_request() const {
  if (request_.events_max < 1 || request_.events_max > kEventsMax) {
    throw_request(
        fmt::format("room for {} events: must be 1 to {}", request_.events_max, kEventsMax));
  }
  if (request_.options.generator.tokens_max < -1) {
    throw_request(fmt::format("at most {} tokens make no sense; -1 is without a bound",
                              request_.options.generator.tokens_max));
  }
  if (request_.options.generator.governor != nullptr ||
      request_.options.generator.energy != nullptr) {
    throw_request("a governor or an energy meter of one job; they are for all jobs together");
  }
  const int32_t vocabulary = state_->model().config().vocabulary_size;
  for (const TokenId token : to_read_) {
    if (token >= 0 && token < vocabulary) continue;
    throw_request(fmt::format("token {} is outside the vocabulary of {}", token, vocabulary));
  }
  if (to_read_.empty() && state_->logits().empty()) {
    throw_request("there are no tokens to append, and no logits to go on from");
  }
  const int64_t context = state_->context_tokens();
  if (request_.overflow == OverflowPolicy::kShift) {
    plan_shift(request_.shift, {.length = context,
                                .first_slot = 0,
                                .block_tokens = state_->sequence().cache().layout().block_tokens});
    return;
  }
  if (static_cast<int64_t>(to_read_.size()) > context - start_length_) {
    throw Error(ErrorCode::kLimit, fmt::format("scheduler: {} tokens do not fit; {} of {} are used",
                                               to_read_.size(), start_length_, context));
  }
}

int64_t ScheduledJob::length_max() const {
  const int64_t context = state_->context_tokens();
  const int64_t tokens_max = request_.options.generator.tokens_max;
  const int64_t room = context - state_->length();
  const int64_t unread = static_cast<int64_t>(to_read_.size() - read_ + known_count());
  if (tokens_max < 0 || unread >= room) return context;
  return state_->length() + std::min(room, unread + std::min(tokens_max - chooser_.count(), room));
}

// ---- waiting -----------------------------------------------------------------------------------

// As much as a Session would take over, so that what is left is computed as it would be.
bool ScheduledJob::reuse() {
  if (state_->length() > 0) return false;
  const auto count = static_cast<int64_t>(to_read_.size());
  const int64_t reused = sequence().reuse(to_read_, count - kPromptTokensMin);
  statistics_.reused_tokens = reused;
  read_ = static_cast<size_t>(reused);
  return reused > 0;
}

void ScheduledJob::forget_reused() {
  sequence().rewind(0);
  statistics_.reused_tokens = 0;
  read_ = 0;
}

void ScheduledJob::admit() {
  admitted_ = Clock::now();
  statistics_.queue_seconds = seconds_between(submitted_, admitted_);
  sequence().set_claim(KvClaim::kReserved);
  if (!reading()) start_generating();
}

void ScheduledJob::wait_for_memory() {
  channel_->set_state(JobState::kWaitingForMemory);
  if (std::exchange(waited_for_memory_, true)) return;
  GenerationEvent event;
  event.kind = Kind::kWaiting;
  event.message = fmt::format(
      "scheduler: up to {} tokens of keys and values may be needed, and "
      "other jobs and sessions hold the memory",
      length_max());
  push(std::move(event));
}

// ---- before a step -----------------------------------------------------------------------------

bool ScheduledJob::wants_shift() const {
  if (request_.overflow != OverflowPolicy::kShift || ending_) return false;
  const int64_t room = state_->context_tokens() - state_->length();
  if (reading()) {
    const auto left = static_cast<int64_t>(to_read_.size() - read_);
    return left > room && room < 2 * kPromptTokensMin;
  }
  return !pending_.empty() && room == 0;
}

void ScheduledJob::prepare(const Context& context) {
  pending_.resize(known_count());
  guessed_ = 0;
  if (channel_->cancelled() && !ending_) return cancel();
  if (paused()) return;
  if (wants_shift()) return shift(context);
  if (reading() || pending_.empty() || state_->length() < state_->context_tokens()) return;
  if (request_.overflow == OverflowPolicy::kError && !ending_) {
    throw Error(ErrorCode::kLimit,
                fmt::format("scheduler: the context of {} tokens is full; ask for a longer one, or "
                            "to stop or drop tokens there",
                            state_->context_tokens()));
  }
  const StopReason reason = ending_.value_or(StopReason::kContextFull);
  pending_.clear();
  end_text(reason);
}

void ScheduledJob::shift(const Context& context) {
  Sequence& sequence = state_->sequence();
  const KvCache& cache = sequence.cache();
  const ContextShift shift =
      plan_shift(request_.shift, {.length = sequence.length(),
                                  .first_slot = cache.first_slot(),
                                  .block_tokens = cache.layout().block_tokens});
  if (!request_.shift.reread && sequence.can_drop()) {
    sequence.drop(context, shift.kept, shift.dropped);
  } else {
    const auto rest = sequence.tokens().subspan(static_cast<size_t>(shift.kept + shift.dropped));
    std::vector<TokenId> again(rest.begin(), rest.end());
    again.insert(again.end(), to_read_.begin() + static_cast<std::ptrdiff_t>(read_),
                 to_read_.end());
    sequence.rewind(shift.kept);
    to_read_ = std::move(again);
    read_ = 0;
  }
  state_->forget_logits();
  statistics_.dropped_tokens += shift.dropped;
  GenerationEvent event;
  event.kind = Kind::kShift;
  event.shift = shift;
  push(std::move(event));
}

void ScheduledJob::show_state(bool is_paused) const {
  if (ended_) return;
  channel_->set_state(is_paused     ? JobState::kPaused
                      : generating_ ? JobState::kGenerating
                                    : JobState::kReading);
}

std::optional<BatchCandidate> ScheduledJob::candidate() const {
  if (ended_ || paused() || (!reading() && pending_.empty())) return std::nullopt;
  BatchCandidate candidate;
  candidate.turn = turn_;
  candidate.generates = !reading();
  candidate.left = static_cast<int64_t>(reading() ? to_read_.size() - read_ : pending_.size());
  candidate.room = state_->context_tokens() - state_->length();
  return candidate;
}

std::span<const TokenId> ScheduledJob::next_tokens(int64_t count) const {
  const auto from = reading() ? std::span(to_read_).subspan(read_) : std::span(pending_);
  return from.first(static_cast<size_t>(count));
}

// As many as are computed bit for bit as one by one, and no more than may follow.
int64_t ScheduledJob::speculate(const PassOutlook& outlook) {
  if (!speculation_ || ended_ || ending_ || reading() || pending_.empty() || paused()) return 0;
  const auto known = static_cast<int64_t>(known_count());
  int64_t most = std::min(kPromptTokensMin - 1, state_->context_tokens() - state_->length());
  most -= known;
  const int64_t tokens_max = request_.options.generator.tokens_max;
  if (tokens_max >= 0) most = std::min(most, tokens_max - chooser_.count() - 1);
  const auto guesses = speculation_->guess(most, outlook);
  pending_.insert(pending_.end(), guesses.begin(), guesses.end());
  guessed_ = guesses.size();
  return static_cast<int64_t>(guessed_);
}

// ---- a step ------------------------------------------------------------------------------------

int64_t ScheduledJob::outputs_of(int64_t count) const {
  if (reading()) {
    return read_ + static_cast<size_t>(count) == to_read_.size() && pending_.empty() ? 1 : 0;
  }
  return std::max<int64_t>(count + 1 - static_cast<int64_t>(known_count()), 0);
}

void ScheduledJob::computed(int64_t count, std::span<const float> logits) {
  logits_ = logits;
  if (!reading()) {
    const auto rows = next_tokens(count);
    const auto known = rows.first(std::min(rows.size(), known_count()));
    tried_.assign(rows.begin() + static_cast<std::ptrdiff_t>(known.size()), rows.end());
    state_->sequence().commit(known);
    pending_.resize(known_count());
    guessed_ = 0;
    const auto read = std::min(static_cast<size_t>(count), pending_.size());
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(read));
    ++statistics_.decode_steps;
    statistics_.decode_tokens += static_cast<int64_t>(read);
    return;
  }
  state_->sequence().commit(next_tokens(count));
  read_ += static_cast<size_t>(count);
  if (!generating_) progress_ = count;
  if (!reading() && pending_.empty()) start_generating();
}

void ScheduledJob::start_generating() {
  generating_ = true;
  generating_since_ = Clock::now();
  statistics_.prompt_seconds = seconds_between(admitted_, generating_since_);
  if (logits_.empty()) logits_ = state_->logits();
  chooser_.start(state_->tokens());
  if (speculation_) speculation_->start(state_->tokens());
  ending_ = reason_to_end();
}

std::optional<StopReason> ScheduledJob::reason_to_end() const {
  if (events_.stopped()) return StopReason::kStopString;
  if (chooser_.finished()) return StopReason::kEndOfText;
  if (chooser_.full()) return StopReason::kTokensMax;
  return std::nullopt;
}

bool ScheduledJob::can_choose() const {
  return !ended_ && !logits_.empty() && !ending_ && !reading() && pending_.empty();
}

void ScheduledJob::choose() {
  try {
    did_choose_ = true;
    const auto width = static_cast<size_t>(state_->model().config().vocabulary_size);
    const auto rows = logits_;
    for (right_ = 0;; ++right_) {
      logits_ = rows.subspan(right_ * width, width);
      const auto token = chooser_.choose(logits_);
      text_ended_ = !token;
      if (!token) return;
      take_next(*token);
      const bool was_guessed = right_ < tried_.size() && tried_[right_] == *token;
      if (!was_guessed || reason_to_end()) break;
    }
    // So few are computed bit for bit as one by one.
    const int64_t room = state_->context_tokens() - state_->length() - static_cast<int64_t>(right_);
    const auto most = right_ + static_cast<size_t>(std::min(room, kPromptTokensMin - 1));
    while (chosen_.size() < most && !events_.stopped()) {
      const auto forced = chooser_.take_forced();
      if (!forced) break;
      take_next(*forced);
    }
  } catch (...) {
    choice_error_ = std::current_exception();
  }
}

void ScheduledJob::take_next(TokenId token) {
  chosen_.push_back(events_.token(token, chooser_.sampler()));
}

void ScheduledJob::finish_step(int64_t rows, const StepCost& cost) {
  if (ended_) return;
  push_progress();
  if (generating_) statistics_.decode_seconds = seconds_between(generating_since_, Clock::now());
  statistics_.mask_seconds = chooser_.mask_seconds();
  statistics_.forced_tokens = chooser_.forced_count();
  const bool ends_here = ending_ && pending_.empty() && !reading();
  settle_guesses(rows, cost);
  if (std::exchange(did_choose_, false)) take_chosen();
  if (choice_error_ != nullptr) return fail(choice_error_);
  if (ended_) return;
  if (ends_here || text_ended_) {
    keep_logits();
    return end_text(ending_.value_or(chooser_.reason()));
  }
  logits_ = {};
}

// What was guessed right is read; of the rest nothing stays.
void ScheduledJob::settle_guesses(int64_t rows, const StepCost& cost) {
  if (!speculation_) return;
  const auto right = static_cast<int64_t>(right_);
  const auto guessed = static_cast<int64_t>(tried_.size());
  speculation_->learn(guessed, right, rows, cost);
  if (guessed > 0) {
    Sequence& sequence = state_->sequence();
    sequence.commit(std::span(tried_).first(static_cast<size_t>(right)));
    sequence.rewind(sequence.length());
    tried_.clear();
  }
  statistics_.decode_tokens += right;
  statistics_.guessed_tokens = speculation_->statistics().guessed_tokens;
  statistics_.right_tokens = speculation_->statistics().right_tokens;
  statistics_.draft_seconds = speculation_->statistics().draft_seconds;
  statistics_.saved_seconds = speculation_->statistics().saved_seconds;
}

void ScheduledJob::take_chosen() {
  std::vector<GenerationEvent> chosen = std::exchange(chosen_, {});
  const size_t read = std::exchange(right_, 0);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const TokenId token = chosen[i].token;
    if (i >= read) pending_.push_back(token);
    if (speculation_) speculation_->add(token);
    ++statistics_.generated_tokens;
    push(std::move(chosen[i]));
  }
  if (chosen.empty()) return;
  ending_ = reason_to_end();
  // Whoever goes on with the state finds the last tokens there; otherwise nobody needs them.
  if (ending_ && !is_kept()) end_text(*ending_);
}

void ScheduledJob::push_progress() {
  const int64_t count = std::exchange(progress_, 0);
  if (count == 0 || !request_.prompt_progress) return;
  GenerationEvent event;
  event.kind = Kind::kPrompt;
  event.prompt_done = static_cast<int64_t>(read_);
  event.prompt_total = static_cast<int64_t>(to_read_.size());
  push(std::move(event));
}

// ---- the end -----------------------------------------------------------------------------------

void ScheduledJob::keep_logits() {
  if (!is_kept() || logits_.empty() || logits_.data() == state_->logits().data()) return;
  std::copy(logits_.begin(), logits_.end(), state_->overwrite_logits(1).row(0));
  state_->keep_logits();
  logits_length_ = state_->length();
}

void ScheduledJob::cancel() {
  if (ended_) return;
  if (!generating_) {
    roll_back();
    return end_text(StopReason::kCancelled);
  }
  const bool fits = state_->length() < state_->context_tokens();
  if (is_kept() && !pending_.empty() && !reading() && fits) {
    ending_ = StopReason::kCancelled;
    return;
  }
  end_text(StopReason::kCancelled);
}

void ScheduledJob::end_now() noexcept {
  if (ended_) return;
  if (!generating_) roll_back();
  try {
    end_text(StopReason::kCancelled);
  } catch (...) {
    fail(std::current_exception());
  }
}

void ScheduledJob::fail(const std::exception_ptr& error) noexcept {
  if (ended_) return;
  if (generating_) {
    // Rows that were not computed go; what was read stays.
    state_->sequence().rewind(state_->length());
  } else {
    roll_back();
  }
  end(error_event(error));
}

void ScheduledJob::roll_back() {
  Sequence& sequence = state_->sequence();
  if (statistics_.dropped_tokens > 0) return sequence.rewind(sequence.length());
  sequence.rewind(sequence.can_rewind(start_length_) ? start_length_ : 0);
}

void ScheduledJob::end_text(StopReason reason) { end(events_.done(reason, chooser_.complete())); }

void ScheduledJob::end(GenerationEvent event) noexcept {
  ended_ = true;
  logits_ = {};
  if (state_->length() != logits_length_) state_->forget_logits();
  state_->sequence().set_claim(KvClaim::kOpen);
  state_.release();
  channel_->set_state(JobState::kEnded);
  channel_->push_last(std::move(event), statistics_);
}

void ScheduledJob::push(GenerationEvent event) { channel_->push(std::move(event), statistics_); }

}  // namespace minim
