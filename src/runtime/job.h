// What a Scheduler is asked to do for one sequence, and what comes back.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/generation_event.h"
#include "runtime/overflow.h"
#include "runtime/session_state.h"
#include "runtime/speculation.h"
#include "runtime/text_generator.h"
#include "text/tokenizer.h"

namespace minim {

struct StateOptions {
  int64_t context_tokens = 0;  // that it holds at most; 0: as many as the scheduler's sequences
  std::shared_ptr<const AdapterSet> adapters;  // see SessionOptions, as for the next
  uint64_t prefix_space = 0;
};

struct JobRequest {
  // What to continue, from Scheduler::make_state(): the job's until its last event was pushed. It
  // then holds all tokens of the job's events, and the logits after them; except the last token
  // where the context is full. After an error, or cancelled while it read the prompt, it is as
  // before the job, or empty where it cannot go back (Sequence::can_rewind()), or, once tokens were
  // dropped, what was read until then.
  // Null: a new one, which goes with the job, of the adapters and the prefix space here.
  std::shared_ptr<SessionState> state;
  std::shared_ptr<const AdapterSet> adapters;
  uint64_t prefix_space = 0;
  std::vector<TokenId> tokens;  // to append; empty: go on from the logits of `state`
  // tokens_max of 0: only read.
  TextGeneratorOptions options;
  SpeculationOptions speculation;  // changes how soon the text is said, and nothing of it
  int priority = 0;                // higher ones first
  OverflowPolicy overflow = OverflowPolicy::kError;
  ShiftOptions shift;  // with kShift
  // Events that wait to be pulled at most; the job pauses while there are as many.
  int64_t events_max = 64;
  bool prompt_progress = false;  // whether there are kPrompt events
  // Called when events are there and none were before, by the thread that steps or ends the
  // scheduler, and not any more once the handle is gone. It must return soon, not throw, and call
  // neither the job nor the scheduler.
  std::function<void()> on_events;
};

enum class JobState {
  kWaiting,           // for its turn
  kWaitingForMemory,  // it is its turn, but others hold the memory that it may need
  kReading,           // its prompt
  kGenerating,
  kPaused,  // its events are not pulled
  kEnded,
};
// "waiting", "waiting for memory", "reading", "generating", "paused", "ended"
const char* job_state_name(JobState state);

class JobChannel;  // job_channel.h

// A handle: letting it go cancels the job. Any one thread at a time; cancel() from any.
class Job {
 public:
  Job() = default;  // no job
  explicit Job(std::shared_ptr<JobChannel> channel) : channel_(std::move(channel)) {}
  Job(Job&&) noexcept = default;
  Job& operator=(Job&& other) noexcept;
  ~Job() { let_go(); }

  // The next event; nothing if none came in time, and after the last one.
  std::optional<GenerationEvent> next(std::chrono::milliseconds timeout);
  // Waits as long as it takes; nothing after the last event.
  std::optional<GenerationEvent> next();
  // Whether the last event was pulled.
  bool finished() const;

  // At most two more batches have a part of it. The last event is kDone with kCancelled, unless the
  // job ended before.
  void cancel();

  JobState state() const;
  GenerationStatistics statistics() const;

 private:
  void let_go();

  std::shared_ptr<JobChannel> channel_;
};

}  // namespace minim
