#include "api/session.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "api/arguments.h"
#include "api/draft.h"
#include "api/guard.h"
#include "api/saved_session.h"
#include "api/structured.h"
#include "base/error.h"
#include "base/system_random.h"

namespace minim::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kEventsMax = 64;
constexpr std::chrono::milliseconds kEnergyInterval{200};

OverflowPolicy overflow_policy(const minim_session_options& options) {
  switch (enum_argument<minim_overflow>(options.overflow, 3, "overflow")) {
    case MINIM_OVERFLOW_STOP: return OverflowPolicy::kStop;
    case MINIM_OVERFLOW_ERROR: return OverflowPolicy::kError;
    case MINIM_OVERFLOW_SHIFT: return OverflowPolicy::kShift;
  }
  return OverflowPolicy::kStop;
}

void check_session_options(const minim_session_options& options, int64_t context_tokens) {
  overflow_policy(options);
  count_argument(options.context_tokens, 0, "context_tokens");
  if (options.context_tokens > context_tokens) {
    refuse(fmt::format("'context_tokens' is {}, but the model was opened for {}",
                       options.context_tokens, context_tokens));
  }
  count_argument(options.shift_sinks, 0, "shift_sinks");
  // Written so that NaN fails.
  if (!(options.shift_share > 0.0 && options.shift_share <= 1.0)) {
    refuse(fmt::format("'shift_share' is {}, but must be above 0, at most 1", options.shift_share));
  }
}

minim_energy_source energy_source(EnergySource source) {
  switch (source) {
    case EnergySource::kCounters: return MINIM_ENERGY_RAPL;
    case EnergySource::kBattery: return MINIM_ENERGY_BATTERY;
    case EnergySource::kEstimate: return MINIM_ENERGY_ESTIMATED;
  }
  return MINIM_ENERGY_NONE;
}

SamplerOptions seeded(SamplerOptions sampler) {
  while (sampler.seed == 0) sampler.seed = system_random();
  return sampler;
}

// Where the text of a generation stands in what it must follow.
std::shared_ptr<const Constraint> constraint_of(const minim_generate_options& options) {
  if (options.constraint != nullptr && options.tools != nullptr) {
    refuse("'constraint' and 'tools' are both given, and each says what the whole text may be");
  }
  if (options.constraint_prefix != nullptr && options.constraint == nullptr) {
    refuse("'constraint_prefix' needs a 'constraint'");
  }
  if (options.tools != nullptr) return options.tools->constraint;
  if (options.constraint == nullptr) return nullptr;
  auto constraint = std::make_shared<Constraint>(options.constraint->start);
  const char* const prefix = options.constraint_prefix;
  if (prefix != nullptr && *prefix != '\0' && !constraint->accept_text(prefix)) {
    refuse("no text of the constraint begins with 'constraint_prefix'");
  }
  return constraint;
}

std::optional<ToolCallParser> parser_of(const minim_generate_options& options,
                                        const OpenModel& model) {
  if (options.tools != nullptr) return options.tools->parser();
  if (options.tool_calls == 0) return {};
  return ToolCallParser(model.tool_notation(nullptr));
}

// Where two texts begin to differ.
size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                             a.begin());
}

}  // namespace

void EventListener::set(void (*function)(void* user), void* user) {
  const std::lock_guard lock(mutex_);
  function_ = function;
  user_ = user;
}

void EventListener::call() {
  const std::lock_guard lock(mutex_);
  if (function_ != nullptr) function_(user_);
}

LiveSession::LiveSession(std::shared_ptr<OpenModel> model, const minim_session_options& options)
    : model_(std::move(model)), options_(options) {
  check_session_options(options_, model_->context_tokens());
  state_ = model_->scheduler().make_state({.context_tokens = options_.context_tokens});
  model_->sessions.fetch_add(1);
}

LiveSession::LiveSession(const LiveSession& other, std::shared_ptr<SessionState> state)
    : model_(other.model_),
      options_(other.options_),
      state_(std::move(state)),
      pending_(other.pending_),
      told_fallbacks_(other.told_fallbacks_),
      answers_(other.answers_) {
  model_->sessions.fetch_add(1);
}

LiveSession::~LiveSession() {
  listener_->set(nullptr, nullptr);
  job_.reset();
  state_.reset();
  model_->wake();  // memory is free
  model_->sessions.fetch_sub(1);
}

void LiveSession::require_idle() const {
  if (job_ == nullptr) return;
  throw Failure(MINIM_BUSY,
                "api: the session is generating; cancel it, or pull its events to the end, first");
}

// ---- what it holds -----------------------------------------------------------------------------

int64_t LiveSession::length() const {
  if (job_ != nullptr) return job_length_;
  return state_->length() + static_cast<int64_t>(pending_.size());
}

std::vector<TokenId> LiveSession::tokens() const {
  require_idle();
  std::vector<TokenId> all(state_->tokens().begin(), state_->tokens().end());
  all.insert(all.end(), pending_.begin(), pending_.end());
  return all;
}

void LiveSession::append(std::span<const TokenId> tokens) {
  require_idle();
  const int32_t vocabulary = model_->model().config().vocabulary_size;
  for (const TokenId token : tokens) {
    if (token >= 0 && token < vocabulary) continue;
    refuse(fmt::format("token {} is outside the vocabulary of {}", token, vocabulary));
  }
  const auto count = static_cast<int64_t>(tokens.size());
  // A session that shifts makes room for what it reads.
  const int64_t held = overflow_policy(options_) == OverflowPolicy::kShift
                           ? static_cast<int64_t>(pending_.size())
                           : length();
  if (count > state_->context_tokens() - held) {
    throw Error(ErrorCode::kLimit,
                fmt::format("api: {} tokens do not fit; {} of the context of {} are used", count,
                            held, state_->context_tokens()));
  }
  pending_.insert(pending_.end(), tokens.begin(), tokens.end());
  answers_ = answers_ && tokens.empty();
}

void LiveSession::rewind(int64_t length) {
  require_idle();
  if (length < 0 || length > this->length()) {
    refuse(fmt::format("a session of {} tokens cannot go back to {}", this->length(), length));
  }
  rewind_to(length);
  answers_ = false;
  model_->wake();  // memory is free
}

void LiveSession::rewind_to(int64_t length) {
  if (length >= state_->length()) {
    pending_.resize(static_cast<size_t>(length - state_->length()));
    return;
  }
  if (length == 0) {
    state_->rewind(0);
    pending_.clear();
    return;
  }
  // What comes next is known once the last token is read again.
  const TokenId last = state_->tokens()[static_cast<size_t>(length - 1)];
  std::vector<TokenId> pending = {last};
  state_->rewind(length - 1);
  pending_ = std::move(pending);
}

void LiveSession::prepare_to_continue() {
  if (!pending_.empty() || !state_->logits().empty()) return;
  const int64_t length = state_->length();
  if (length == 0) {
    refuse("the session is empty; append a text or messages, to be continued");
  }
  std::vector<TokenId> pending = {state_->tokens().back()};
  state_->rewind(length - 1);
  pending_ = std::move(pending);
}

void LiveSession::replace(std::span<const TokenId> tokens) {
  require_idle();
  if (static_cast<int64_t>(tokens.size()) > state_->context_tokens()) {
    throw Error(ErrorCode::kLimit,
                fmt::format("api: the conversation has {} tokens, and the context {}; leave out "
                            "its oldest messages, or open the model with a longer context",
                            tokens.size(), state_->context_tokens()));
  }
  const std::vector<TokenId> held = this->tokens();
  size_t kept = common_prefix(tokens, held);
  const auto read = static_cast<size_t>(state_->length());
  // What is kept of what was read ends before a token that is read again, if nothing else is.
  if (kept < read && kept == tokens.size() && kept > 0) --kept;
  const bool from_start =
      state_->sequence().dropped_tokens() > 0 ||
      (kept < read && !state_->sequence().can_rewind(static_cast<int64_t>(kept)));
  if (from_start) kept = 0;
  std::vector<TokenId> rest(tokens.begin() + static_cast<std::ptrdiff_t>(std::min(kept, read)),
                            tokens.end());
  if (kept < read) state_->rewind(static_cast<int64_t>(kept));
  pending_ = std::move(rest);
  answers_ = true;
  model_->wake();  // memory may be free
}

// ---- copies ------------------------------------------------------------------------------------

void LiveSession::set_adapters(std::shared_ptr<const AdapterSet> adapters) {
  require_idle();
  state_->sequence().set_adapters(std::move(adapters));
}

std::unique_ptr<LiveSession> LiveSession::clone() const {
  require_idle();
  return std::unique_ptr<LiveSession>(new LiveSession(*this, state_->clone()));
}

void LiveSession::save(const Path& path) const {
  require_idle();
  save_session(*state_, pending_, path);
}

std::vector<std::byte> LiveSession::save() const {
  require_idle();
  return save_session(*state_, pending_);
}

void LiveSession::load(const Path& path) {
  require_idle();
  load(MappedFile::open(path)->bytes());
}

void LiveSession::load(std::span<const std::byte> bytes) {
  require_idle();
  pending_ = load_session(bytes, *state_);
  answers_ = false;
  model_->wake();  // memory may be free
}

// ---- generating --------------------------------------------------------------------------------

void LiveSession::generate(const NamedSampling* sampling, const minim_generate_options& options) {
  require_idle();
  count_argument(options.tokens_max, -1, "tokens_max");
  std::shared_ptr<const Constraint> constraint = constraint_of(options);
  std::optional<ToolCallParser> calls = parser_of(options, *model_);
  SpeculationOptions speculation = speculation_of(options, *model_);
  const NamedSampling defaults;
  if (sampling == nullptr) sampling = &defaults;
  prepare_to_continue();

  JobRequest request;
  request.options.generator.sampler = seeded(sampling->sampler());
  request.options.generator.tokens_max = options.tokens_max;
  request.options.generator.stop_tokens = sampling->stop_tokens();
  request.options.stop_strings = sampling->stop_strings();
  // A text with a constraint is what its tokens spell.
  request.options.decode.strip_leading_space = answers_ && options.constraint == nullptr;
  request.options.generator.constraint = std::move(constraint);
  request.speculation = std::move(speculation);
  request.prompt_progress = options.progress != 0;
  EventStream events({.partial_json = options.partial_json != 0, .calls = std::move(calls)});
  if (!told_fallbacks_) {
    for (const std::string& sentence : model_->fallbacks()) events.push_fallback(sentence);
  }
  auto notices = std::make_shared<Notices>();
  model_->engine().notices().add(notices);  // before the first step
  start(std::move(request));
  events_.emplace(std::move(events));
  notices_ = std::move(notices);
  told_fallbacks_ = true;
  answers_ = false;
}

void LiveSession::start(JobRequest request) {
  request.state = state_;
  request.tokens = pending_;
  request.priority = options_.priority;
  request.overflow = overflow_policy(options_);
  request.shift = {.sinks = options_.shift_sinks,
                   .drop_share = options_.shift_share,
                   .reread = options_.shift_reread != 0};
  request.events_max = kEventsMax;
  request.on_events = [listener = listener_] { listener->call(); };
  std::vector<TokenId> before(state_->tokens().begin(), state_->tokens().end());
  energy_start_ = model_->engine().energy();
  energy_time_ = Clock::now();
  auto job = std::make_shared<Job>();
  *job = model_->scheduler().submit(std::move(request));
  before_ = std::move(before);
  prompt_ = std::exchange(pending_, {});
  job_length_ = static_cast<int64_t>(before_.size() + prompt_.size());
  last_token_ = -1;
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
    last_statistics_ = {};
    energy_ = {0, energy_start_.source};
  }
  model_->wake();
}

// Often, because a battery tells its power at the moment only.
void LiveSession::measure_energy() {
  const Energy now = model_->engine().energy();
  energy_time_ = Clock::now();
  const std::lock_guard lock(mutex_);
  energy_ = {now.joules - energy_start_.joules, now.source};
}

void LiveSession::count(const GenerationEvent& event) {
  if (event.kind == GenerationEvent::Kind::kToken) {
    ++job_length_;
    last_token_ = event.token;
    if (Clock::now() - energy_time_ >= kEnergyInterval) measure_energy();
    model_->generated_tokens.fetch_add(1, std::memory_order_relaxed);
  } else if (event.kind == GenerationEvent::Kind::kShift) {
    job_length_ -= event.shift.dropped;
  } else if (event.kind == GenerationEvent::Kind::kDone ||
             event.kind == GenerationEvent::Kind::kError) {
    finish();
  }
}

// What was not read is still to be read.
void LiveSession::finish() {
  if (events_) take_notices();
  notices_.reset();
  measure_energy();
  const GenerationStatistics statistics = job_->statistics();
  {
    const std::lock_guard lock(mutex_);
    last_statistics_ = statistics;
    job_.reset();
  }
  const int64_t length = state_->length();
  const auto start = static_cast<int64_t>(before_.size());
  if (statistics.generated_tokens > 0) {
    if (length == job_length_ - 1) pending_ = {last_token_};
  } else if (statistics.dropped_tokens == 0 && length == start) {
    pending_ = std::move(prompt_);
  } else if (statistics.dropped_tokens == 0 && length == 0) {
    pending_ = std::move(before_);
    pending_.insert(pending_.end(), prompt_.begin(), prompt_.end());
  }
  before_.clear();
  prompt_.clear();
}

void LiveSession::take_notices() {
  if (notices_ == nullptr) return;
  while (const auto sentence = notices_->pop()) events_->push_thermal(*sentence);
}

const OutgoingEvent* LiveSession::next(std::optional<std::chrono::milliseconds> timeout) {
  const auto start = Clock::now();
  while (events_) {
    take_notices();
    if (auto event = events_->pop()) {
      current_ = std::move(*event);
      return &current_;
    }
    if (job_ == nullptr) break;
    std::optional<GenerationEvent> event;
    if (timeout) {
      const auto passed =
          std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
      event = job_->next(std::max(*timeout - passed, std::chrono::milliseconds(0)));
    } else {
      event = job_->next();
    }
    if (!event) return nullptr;
    model_->wake();  // it may have waited for room
    count(*event);
    events_->push(*std::move(event));
  }
  return nullptr;
}

void LiveSession::read(const ProgressSink& progress) {
  require_idle();
  if (pending_.empty()) return;
  JobRequest request;
  request.options.generator.tokens_max = 0;
  request.prompt_progress = true;
  events_.reset();
  start(std::move(request));
  bool stopped = false;
  while (job_ != nullptr) {
    const auto event = job_->next();
    model_->wake();
    if (event->kind == GenerationEvent::Kind::kPrompt && progress &&
        !progress({.stage = "reading",
                   .done = static_cast<uint64_t>(event->prompt_done),
                   .total = static_cast<uint64_t>(event->prompt_total),
                   .unit = "tokens"})) {
      stopped = true;  // even where all was read before anybody could stop
      cancel();
    }
    count(*event);
    if (event->kind == GenerationEvent::Kind::kError) {
      throw Failure(error_status(*event), event->message);
    }
    stopped = stopped || event->reason == StopReason::kCancelled;
  }
  if (stopped) throw Error(ErrorCode::kCancelled, "api: stopped on request");
}

void LiveSession::cancel() {
  std::shared_ptr<Job> job;
  {
    const std::lock_guard lock(mutex_);
    job = job_;
  }
  if (job == nullptr) return;
  job->cancel();
  model_->engine().interrupt_rest();
  model_->wake();
}

minim_session_statistics LiveSession::statistics() const {
  GenerationStatistics counts;
  Energy energy;
  {
    const std::lock_guard lock(mutex_);
    counts = job_ != nullptr ? job_->statistics() : last_statistics_;
    energy = energy_;
  }
  minim_session_statistics result = MINIM_SESSION_STATISTICS_INIT;
  result.prompt_tokens = counts.prompt_tokens;
  result.reused_tokens = counts.reused_tokens;
  result.generated_tokens = counts.generated_tokens;
  result.decode_steps = counts.decode_tokens;
  result.queue_seconds = counts.queue_seconds;
  result.prompt_seconds = counts.prompt_seconds;
  if (counts.generated_tokens > 0) {
    result.first_token_seconds = counts.queue_seconds + counts.prompt_seconds;
  }
  result.decode_seconds = counts.decode_seconds;
  result.joules = energy.joules;
  result.decode_passes = counts.decode_steps;
  result.forced_tokens = counts.forced_tokens;
  result.mask_seconds = counts.mask_seconds;
  result.guessed_tokens = counts.guessed_tokens;
  result.right_tokens = counts.right_tokens;
  result.draft_seconds = counts.draft_seconds;
  result.saved_seconds = counts.saved_seconds;
  if (counts.prompt_tokens > 0) result.energy_source = energy_source(energy.source);
  return result;
}

}  // namespace minim::api
