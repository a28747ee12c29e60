// A scheduler over a tiny model, for tests: jobs, what they say, and what they would have said
// alone.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "runtime/scheduler.h"
#include "runtime/session.h"
#include "runtime/text_generator.h"
#include "tests/support/test_data.h"

namespace minim::testing {

// What came of a job, to the last bit.
struct Said {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  std::string text;
  StopReason reason = StopReason::kRunning;
  std::string stop_string;
  bool complete = true;
  bool failed = false;
  ErrorCode error = ErrorCode::kInvalidArgument;
  std::string message;
  std::vector<ContextShift> shifts;
  int waits = 0;

  bool operator==(const Said& other) const {
    return tokens == other.tokens && logprobs == other.logprobs && text == other.text &&
           reason == other.reason && stop_string == other.stop_string &&
           complete == other.complete && failed == other.failed;
  }

  void add(const GenerationEvent& event) {
    using Kind = GenerationEvent::Kind;
    text += event.text;
    switch (event.kind) {
      case Kind::kToken:
        tokens.push_back(event.token);
        logprobs.push_back(event.logprob);
        for (const TokenLogprob& top : event.top_logprobs) logprobs.push_back(top.logprob);
        break;
      case Kind::kDone:
        reason = event.reason;
        stop_string = event.stop_string;
        complete = event.complete;
        break;
      case Kind::kError:
        failed = true;
        error = event.error_code;
        message = event.message;
        break;
      case Kind::kPrompt: break;
      case Kind::kWaiting: ++waits; break;
      case Kind::kShift: shifts.push_back(event.shift); break;
    }
  }
};

inline void PrintTo(const Said& said, std::ostream* out) {
  *out << said.tokens.size() << " tokens:";
  for (const TokenId token : said.tokens) *out << ' ' << token;
  *out << " (" << stop_reason_name(said.reason) << ") " << said.message;
}

// The events that are there.
inline void pull(Job& job, Said& said) {
  while (const auto event = job.next(std::chrono::milliseconds(0))) said.add(*event);
}

// Steps until all jobs have ended, or nothing more happens.
inline std::vector<Said> run_all(Scheduler& scheduler, std::span<Job> jobs) {
  std::vector<Said> said(jobs.size());
  for (bool worked = true; worked;) {
    worked = scheduler.step();
    for (size_t i = 0; i < jobs.size(); ++i) pull(jobs[i], said[i]);
  }
  return said;
}

inline Said run_one(Scheduler& scheduler, JobRequest request) {
  Job job = scheduler.submit(std::move(request));
  return run_all(scheduler, {&job, 1}).front();
}

// With a thread that steps: waits for the end.
inline Said wait_for(Job& job) {
  Said said;
  while (const auto event = job.next()) said.add(*event);
  return said;
}

// The same request in a session of its own.
inline Said alone(const Context& context, const TinyModel& tiny, const JobRequest& request,
                  const SessionOptions& options = {}) {
  Session session(context, tiny.model, options);
  TextGenerator generator(session, tiny.tokenizer, request.options);
  generator.start(request.tokens);
  Said said;
  while (const auto event = generator.next()) said.add(*event);
  return said;
}

inline std::vector<TokenId> some_tokens(size_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<TokenId> tokens = {1};
  while (tokens.size() < count) tokens.push_back(static_cast<TokenId>(3 + rng.below(390)));
  tokens.resize(count);
  return tokens;
}

inline JobRequest request_of(std::vector<TokenId> tokens, int64_t tokens_max, uint64_t seed = 1) {
  JobRequest request;
  request.tokens = std::move(tokens);
  request.options.generator.tokens_max = tokens_max;
  request.options.generator.sampler.seed = seed;
  request.options.generator.sampler.ignore_end = true;
  request.options.generator.sampler.logprobs = 2;
  return request;
}

// Bounds that make every batch a mixture.
inline SchedulerOptions small_steps() {
  SchedulerOptions options;
  options.batch_tokens = 40;
  options.prompt_tokens_beside = 18;
  options.prompt_seconds_beside = 0;
  options.sequences_max = 20;
  return options;
}

class SchedulerTest : public ::testing::Test {
 protected:
  Scheduler make(const SchedulerOptions& options = small_steps()) {
    return Scheduler(*context_, tiny_.model, tiny_.tokenizer, options);
  }

  TemporaryFolder folder_;
  ModelTestContext context_;
  TinyModel tiny_ = make_tiny_model(*context_, folder_.path() / "tiny.gguf");
};

}  // namespace minim::testing
