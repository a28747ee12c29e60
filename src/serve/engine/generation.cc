#include "serve/engine/generation.h"

#include <fmt/core.h>

#include <utility>

namespace minim::serve {
namespace {

// Written, but not taken by the client: more is not pulled from the jobs, which then pause.
constexpr size_t kWaitingBytesMax = size_t{64} << 10;
constexpr int64_t kEventsMax = 32;
constexpr int kRoundsMax = 8;  // of pulling from each job before others get their turn

Refusal refusal_of(const GenerationEvent& event) {
  if (event.out_of_memory) {
    return {503, "the machine has no memory left; try again later", {}, "overloaded"};
  }
  return serve::refusal_of(Error(event.error_code, event.message));
}

}  // namespace

Refusal refusal_of(const Error& error, const std::string& param) {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument: return {400, error.what(), param, "invalid_value"};
    case ErrorCode::kUnsupported: return {400, error.what(), param, "unsupported_value"};
    case ErrorCode::kLimit: return {400, error.what(), param, "limit_exceeded"};
    case ErrorCode::kCancelled: return {503, error.what(), {}, "cancelled"};
    default: return {500, error.what(), {}, "internal_error"};
  }
}

void Admission::take(int64_t texts) {
  const int64_t before = texts_.fetch_add(texts);
  if (before + texts <= texts_max_) return;
  texts_.fetch_sub(texts);
  throw Refusal(503,
                fmt::format("{} texts are generated or wait for it, and {} may; try again later",
                            before, texts_max_),
                {}, "overloaded");
}

void Generation::start(const std::shared_ptr<Exchange>& exchange, Admission& admission,
                       GenerationRequest request, std::unique_ptr<GenerationReply> reply) {
  admission.take(static_cast<int64_t>(request.texts.size()));
  const std::shared_ptr<Generation> self(
      new Generation(exchange, admission, std::move(request), std::move(reply)));
  self->submit();
  // The exchange keeps it, and it the exchange, until end().
  exchange->on_closed([self] { self->end(); });
  exchange->on_drained([self] { self->pump(); });
  exchange->call_after(self->request_.deadline, [self] {
    self->fail({504, "the request took longer than the server allows", {}, "timeout"});
  });
}

Generation::Generation(std::shared_ptr<Exchange> exchange, Admission& admission,
                       GenerationRequest request, std::unique_ptr<GenerationReply> reply)
    : exchange_(std::move(exchange)),
      admission_(admission),
      request_(std::move(request)),
      admitted_(static_cast<int64_t>(request_.texts.size())),
      reply_(std::move(reply)) {}

Generation::~Generation() {
  admission_.give_back(admitted_);
  if (request_.ended) request_.ended(end_);
}

void Generation::submit() {
  std::vector<Job> jobs;
  for (TextRequest& text : request_.texts) {
    JobRequest job;
    job.tokens = std::move(text.prompt);
    job.options = std::move(text.options);
    job.adapters = request_.model->adapters();
    job.prefix_space = request_.prefix_space;
    job.priority = request_.priority;
    job.overflow = OverflowPolicy::kStop;
    job.speculation.prompt_lookup = true;
    job.events_max = kEventsMax;
    // The last share of this must not go within the callback, so that only the posted call has one.
    job.on_events = [exchange = exchange_, weak = weak_from_this()] {
      exchange->post([weak] {
        if (const auto self = weak.lock()) self->pump();
      });
    };
    try {
      jobs.push_back(request_.model->scheduler().submit(std::move(job)));
    } catch (const Error& error) {
      throw refusal_of(error);
    }
  }
  jobs_ = std::move(jobs);
  counted_.resize(jobs_.size());
  if (request_.energy == nullptr) return;
  for (size_t i = 0; i < jobs_.size(); ++i) energy_.push_back(request_.energy->begin());
}

// One event of each text in turn, so that they grow side by side.
void Generation::pump() {
  const auto self = shared_from_this();
  bool any = true;
  for (int round = 0; any && !jobs_.empty(); ++round) {
    // Deadlines and others of this thread get their turn, however fast the events come.
    if (round == kRoundsMax) return exchange_->post([self] { self->pump(); });
    any = false;
    for (size_t text = 0; text < jobs_.size(); ++text) {
      if (exchange_->waiting_bytes() >= kWaitingBytesMax) return;  // on_drained() goes on
      any = pull(text) || any;
    }
  }
}

bool Generation::pull(size_t text) {
  const auto event = jobs_[text].next(std::chrono::milliseconds(0));
  if (!event) return false;
  switch (event->kind) {
    case GenerationEvent::Kind::kToken:
      count_token(text);
      reply_->token(text, *event);
      break;
    case GenerationEvent::Kind::kDone:
      if (event->reason == StopReason::kCancelled) {
        fail({503, "the server is about to end", {}, "cancelled"});
        break;
      }
      finish_text(text, *event);
      if (++done_ < jobs_.size()) break;
      end_.complete = true;
      reply_->finish();
      end();
      break;
    case GenerationEvent::Kind::kError: fail(refusal_of(*event)); break;
    default: break;
  }
  return true;
}

void Generation::count_token(size_t text) {
  ++end_.tokens;
  if (!request_.count_gap) return;
  const auto now = std::chrono::steady_clock::now();
  told_.resize(jobs_.size());
  const auto before = std::exchange(told_[text], now);
  if (before.time_since_epoch().count() == 0) return;
  request_.count_gap(std::chrono::duration<double>(now - before).count());
}

void Generation::finish_text(size_t text, const GenerationEvent& event) {
  GenerationStatistics statistics = jobs_[text].statistics();
  if (request_.energy != nullptr) statistics.energy = energy_[text].end();
  count(text, event.reason, statistics);
  reply_->done(text, event, statistics);
}

void Generation::count(size_t text, StopReason reason, const GenerationStatistics& statistics) {
  if (counted_[text]) return;
  counted_[text] = true;
  if (request_.count) request_.count(reason, statistics);
}

void Generation::fail(const Refusal& refusal) {
  if (jobs_.empty()) return;
  end_.status = refusal.status();
  reply_->fail(refusal);
  end();
}

// Jobs that are let go are cancelled; what they took until now counts too.
void Generation::end() {
  const auto self = shared_from_this();
  for (size_t text = 0; text < jobs_.size(); ++text) {
    count(text, StopReason::kCancelled, jobs_[text].statistics());
  }
  jobs_.clear();
  energy_.clear();
  exchange_->on_drained(nullptr);
  exchange_->on_closed(nullptr);
}

}  // namespace minim::serve
