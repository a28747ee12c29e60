// Many sequences of one model, stepped together: each batch holds the next token of every running
// sequence and pieces of the prompts of others (continuous batching: Yu et al., 2022, Orca; prompts
// in pieces: Agrawal et al., 2024, Sarathi-Serve).
//
// What a sequence says is bit for bit what it would have said alone in a Session: other sequences,
// the pieces of prompts and the number of threads change nothing. The one exception is asked for:
// SchedulerOptions::keep_generated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/context.h"
#include "model/model.h"
#include "runtime/governor.h"
#include "runtime/job.h"
#include "runtime/kv_pool.h"
#include "runtime/prefix_cache.h"
#include "runtime/session_state.h"
#include "runtime/turns.h"
#include "text/tokenizer.h"

namespace minim {

struct SchedulerOptions {
  int64_t context_tokens = 0;         // the most a sequence can hold; 0: what the model can
  DataType kv_type = DataType::kF16;  // of the caches: kF32, kF16, kQ8_0 or kQ4_0
  int64_t batch_tokens = 512;         // computed at once; at least sequences_max + 18
  // Of them, those of prompts while other sequences wait for their next token, which bounds the gap
  // between two tokens: so many, at least 18, and more where the batches before were so fast that
  // they take no longer than these seconds.
  int64_t prompt_tokens_beside = 64;
  double prompt_seconds_beside = 0.1;
  int64_t sequences_max = 16;                   // computed together; others wait
  int64_t jobs_max = 4096;                      // at once; more are refused
  size_t kv_bytes_max = 0;                      // of keys and values in all; 0: no bound
  size_t prefix_bytes_max = size_t{256} << 20;  // of them kept for later prompts; 0: none
  // Keep generated tokens for later prompts too. Their last bits are those of generating, so that
  // what is said after them may differ from what a Session says that reads them in its prompt.
  bool keep_generated = false;
  // Of the context's threads: sets the pace of start()'s thread, between steps. Must outlive the
  // scheduler. Null: full speed.
  Governor* governor = nullptr;
  // Where others compute with the context's threads too: start()'s thread takes a turn for each
  // step. Must outlive the scheduler. Null: nobody does.
  Turns* turns = nullptr;
};

struct SchedulerStatistics {
  int64_t jobs_waiting = 0;
  int64_t jobs_running = 0;  // paused ones included
  int64_t jobs_paused = 0;
  int64_t jobs_ended = 0;       // so far, as all that follows
  int64_t steps = 0;            // batches
  int64_t batch_rows = 0;       // tokens computed, of all batches
  int64_t batch_rows_max = 0;   // of one
  int64_t decode_rows = 0;      // of batch_rows, generated tokens and guesses
  int64_t decode_rows_max = 0;  // of one batch
  double compute_seconds = 0;   // in forward passes
  int64_t blocks_used = 0;      // now, of the pool
  int64_t blocks_max = 0;       // 0: no bound
  PrefixStatistics prefixes;
};

class Scheduler {
 public:
  // Throws kInvalidArgument or kUnsupported, naming the option. The context must outlive it, and
  // nobody else may compute with the context's threads while it steps, but in turns.
  Scheduler(const Context& context, std::shared_ptr<const Model> model,
            std::shared_ptr<const Tokenizer> tokenizer, const SchedulerOptions& options = {});
  // stop(), and ends all jobs with kCancelled. States may live on.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  const Model& model() const;
  const std::shared_ptr<const Tokenizer>& tokenizer() const;
  const SchedulerOptions& options() const;  // as given
  int64_t context_tokens() const;

  // From any thread:

  // A state that jobs can continue, empty; its keys and values count into kv_bytes_max.
  std::shared_ptr<SessionState> make_state(const StateOptions& options = {}) const;
  // Throws kInvalidArgument for what makes no sense, naming it; kLimit for more tokens than the
  // context holds, for a job that could never get the memory that it may need, and for too many
  // jobs.
  Job submit(JobRequest request);
  SchedulerStatistics statistics() const;
  // Has `work` done by the thread that steps, between two steps, and waits for it: for what
  // computes otherwise with the same context. Throws what it throws, and kCancelled where the
  // scheduler ends first. Not from the thread that steps.
  void run(std::function<void()> work);

  // From one thread at a time, and not between start() and stop():

  // Computes one batch; false if there was nothing to do.
  bool step();

  // A thread that steps, and sleeps while there is nothing to do. stop() waits for the batch at
  // hand; jobs stay, for another start().
  void start();
  void stop();

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace minim
