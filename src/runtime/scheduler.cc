#include "runtime/scheduler.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "runtime/job_batch.h"
#include "runtime/scheduled_job.h"
#include "runtime/step_cost.h"

namespace minim {
namespace {

constexpr int64_t kPieceMin = 2 * kPromptTokensMin;
// How often somebody looks whether sessions that no job has gave up memory.
constexpr std::chrono::milliseconds kMemoryPoll{5};

void check_range(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("scheduler: {} of {}: must be {} to {}", name, value, least, most));
}

SchedulerOptions checked(const SchedulerOptions& options) {
  constexpr int64_t kTokensMax = int64_t{1} << 20;
  constexpr double kSecondsMax = 1e6;
  check_range("sequences_max", options.sequences_max, 1, 4096);
  check_range("batch_tokens", options.batch_tokens, options.sequences_max + kPieceMin, kTokensMax);
  check_range("prompt_tokens_beside", options.prompt_tokens_beside, kPieceMin, kTokensMax);
  if (!(options.prompt_seconds_beside >= 0 && options.prompt_seconds_beside <= kSecondsMax)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("scheduler: prompt_seconds_beside of {}: must be 0 to {}",
                            options.prompt_seconds_beside, kSecondsMax));
  }
  check_range("jobs_max", options.jobs_max, 1, int64_t{1} << 24);
  return options;
}

std::shared_ptr<KvPool> make_pool(const Context& context, const std::shared_ptr<const Model>& model,
                                  const SchedulerOptions& options) {
  const Sequence checked(model,
                         {.context_tokens = options.context_tokens, .kv_type = options.kv_type});
  return std::make_shared<KvPool>(checked.cache().layout(), options.kv_bytes_max, context.memory);
}

std::shared_ptr<PrefixCache> make_prefixes(const std::shared_ptr<const Model>& model,
                                           const std::shared_ptr<KvPool>& pool,
                                           const SchedulerOptions& options) {
  if (options.prefix_bytes_max == 0) return nullptr;
  return std::make_shared<PrefixCache>(
      model, pool,
      PrefixCacheOptions{.bytes_max = options.prefix_bytes_max,
                         .keep_generated = options.keep_generated});
}

using Jobs = std::vector<std::unique_ptr<ScheduledJob>>;

}  // namespace

// The stepping thread has everything but what mutex_ guards.
class Scheduler::Engine {
 public:
  Engine(const Context& context, std::shared_ptr<const Model> model,
         std::shared_ptr<const Tokenizer> tokenizer, const SchedulerOptions& options)
      : context_(context),
        model_(std::move(model)),
        tokenizer_(std::move(tokenizer)),
        options_(checked(options)),
        pool_(make_pool(context_, model_, options_)),
        prefixes_(make_prefixes(model_, pool_, options_)),
        batch_(context, model_,
               {.tokens = options_.batch_tokens,
                .prompt_tokens_beside = options_.prompt_tokens_beside,
                .sequences = options_.sequences_max},
               options_.prompt_seconds_beside) {
    publish();
  }
  ~Engine() {
    stop();
    cancel_all();
  }

  const Model& model() const { return *model_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const { return tokenizer_; }
  const SchedulerOptions& options() const { return options_; }

  std::shared_ptr<SessionState> make_state(const StateOptions& options) const;
  Job submit(JobRequest request);
  SchedulerStatistics statistics() const;
  void run(std::function<void()> work);
  bool step();
  void start();
  void stop();

 private:
  void check_memory(const ScheduledJob& job) const;
  int64_t blocks_to_take(const ScheduledJob& job) const;
  void take_submitted();
  bool end_cancelled();
  bool remove_ended(Jobs& jobs);
  void admit();
  bool try_admit(ScheduledJob& job);
  void set_reserved(int64_t more);
  void prepare_jobs();
  void speculate();
  bool choose_tokens();
  bool finish_jobs(int64_t rows);
  bool try_step();
  void publish();
  bool do_work();
  void cancel_all();
  bool step_in_turn();
  void step_on();

  const Context& context_;
  const std::shared_ptr<const Model> model_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const SchedulerOptions options_;
  const std::shared_ptr<KvPool> pool_;
  const std::shared_ptr<PrefixCache> prefixes_;
  const std::shared_ptr<WakeSignal> wake_ = std::make_shared<WakeSignal>();

  JobBatch batch_;
  StepCost cost_;  // of batches without prompts
  Jobs waiting_;
  Jobs running_;
  bool waits_for_memory_ = false;
  SchedulerStatistics counts_;

  mutable std::mutex mutex_;  // guards what follows
  Jobs submitted_;
  std::deque<std::packaged_task<void()>> work_;
  uint64_t arrivals_ = 0;
  int64_t job_count_ = 0;  // that have not ended
  SchedulerStatistics published_;

  std::thread thread_;
  std::atomic<bool> stopping_{false};
};

// ---- from any thread ---------------------------------------------------------------------------

std::shared_ptr<SessionState> Scheduler::Engine::make_state(const StateOptions& options) const {
  const int64_t asked = options.context_tokens;
  return std::make_shared<SessionState>(
      model_, SessionOptions{.context_tokens = asked != 0 ? asked : options_.context_tokens,
                             .kv_type = options_.kv_type,
                             .pool = pool_,
                             .prefixes = prefixes_,
                             .prefix_space = options.prefix_space,
                             .adapters = options.adapters});
}

void Scheduler::Engine::check_memory(const ScheduledJob& job) const {
  if (pool_->blocks_max() == 0) return;
  const int64_t tokens = job.length_max();
  const int64_t most = job.sequence().blocks_most(tokens, options_.batch_tokens);
  if (most <= pool_->blocks_max()) return;
  throw Error(
      ErrorCode::kLimit,
      fmt::format("scheduler: {} tokens may need {} bytes of keys and values, and all there "
                  "may be are {}; ask for fewer tokens or give kv_bytes_max more",
                  tokens, static_cast<size_t>(most) * pool_->layout().block_bytes(),
                  options_.kv_bytes_max));
}

Job Scheduler::Engine::submit(JobRequest request) {
  const std::shared_ptr<SessionState> state =
      request.state != nullptr
          ? request.state
          : make_state({.adapters = request.adapters, .prefix_space = request.prefix_space});
  if (state->sequence().cache().pool() != pool_) {
    throw Error(ErrorCode::kInvalidArgument,
                "scheduler: the session belongs to somebody else; make it with make_state()");
  }
  auto job = std::make_unique<ScheduledJob>(context_, tokenizer_, std::move(request), state, wake_);
  check_memory(*job);
  const std::shared_ptr<JobChannel> channel = job->channel();
  {
    const std::lock_guard lock(mutex_);
    if (job_count_ >= options_.jobs_max) {
      throw Error(ErrorCode::kLimit,
                  fmt::format("scheduler: there are {} jobs, and no more may wait; try again later",
                              job_count_));
    }
    job->turn().arrival = ++arrivals_;
    submitted_.push_back(std::move(job));
    ++job_count_;
  }
  wake_->set();
  return Job(channel);
}

SchedulerStatistics Scheduler::Engine::statistics() const {
  SchedulerStatistics statistics;
  {
    const std::lock_guard lock(mutex_);
    statistics = published_;
    statistics.jobs_waiting = job_count_ - published_.jobs_running;
  }
  statistics.blocks_used = pool_->blocks_used();
  statistics.blocks_max = pool_->blocks_max();
  if (prefixes_ != nullptr) statistics.prefixes = prefixes_->statistics();
  return statistics;
}

void Scheduler::Engine::run(std::function<void()> work) {
  std::packaged_task<void()> task(std::move(work));
  std::future<void> done = task.get_future();
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(task));
  }
  wake_->set();
  try {
    done.get();
  } catch (const std::future_error&) {
    throw Error(ErrorCode::kCancelled, "scheduler: it ended before the work was done");
  }
}

// One piece, so that a step comes between two.
bool Scheduler::Engine::do_work() {
  std::packaged_task<void()> task;
  {
    const std::lock_guard lock(mutex_);
    if (work_.empty()) return false;
    task = std::move(work_.front());
    work_.pop_front();
  }
  task();
  return true;
}

// ---- who runs ----------------------------------------------------------------------------------

void Scheduler::Engine::take_submitted() {
  const std::lock_guard lock(mutex_);
  waiting_.reserve(waiting_.size() + submitted_.size());  // half of them moved would be some lost
  std::move(submitted_.begin(), submitted_.end(), std::back_inserter(waiting_));
  submitted_.clear();
}

bool Scheduler::Engine::end_cancelled() {
  for (const auto& job : waiting_) {
    if (!job->channel()->cancelled()) continue;
    try {
      job->cancel();
    } catch (...) {
      job->fail(std::current_exception());
    }
  }
  return remove_ended(waiting_);
}

bool Scheduler::Engine::remove_ended(Jobs& jobs) {
  const auto count =
      static_cast<int64_t>(std::erase_if(jobs, [](const auto& job) { return job->ended(); }));
  counts_.jobs_ended += count;
  const std::lock_guard lock(mutex_);
  job_count_ -= count;
  return count > 0;
}

int64_t Scheduler::Engine::blocks_to_take(const ScheduledJob& job) const {
  return job.sequence().blocks_to_take(job.length_max(), options_.batch_tokens, job.drops());
}

// Sets aside what the running jobs may still need, so that none of them ever finds the pool full.
void Scheduler::Engine::set_reserved(int64_t more) {
  if (pool_->blocks_max() == 0) return;
  int64_t blocks = more;
  for (const auto& job : running_) {
    if (!job->ended()) blocks += blocks_to_take(*job);
  }
  pool_->set_reserved_blocks(blocks);
}

bool Scheduler::Engine::try_admit(ScheduledJob& job) {
  if (pool_->blocks_max() == 0) {
    job.reuse();
    return true;
  }
  // Nothing has changed since it was refused.
  if (pool_->blocks_available() == job.blocks_available_then) return false;
  const auto fits = [&] { return blocks_to_take(job) <= pool_->blocks_available(); };
  if (job.reuse()) {
    if (fits()) return true;
    job.forget_reused();
  }
  if (fits()) return true;
  job.blocks_available_then = pool_->blocks_available();
  return false;
}

// Nobody overtakes one who waits for memory, or large jobs would wait for ever.
void Scheduler::Engine::admit() {
  waits_for_memory_ = false;
  int64_t active = std::count_if(running_.begin(), running_.end(),
                                 [](const auto& job) { return !job->paused(); });
  if (active >= options_.sequences_max) return;
  std::sort(waiting_.begin(), waiting_.end(),
            [](const auto& a, const auto& b) { return a->turn().before(b->turn()); });
  while (!waiting_.empty() && active < options_.sequences_max) {
    ScheduledJob& job = *waiting_.front();
    running_.reserve(running_.size() + 1);  // before the job knows that it runs
    try {
      if (!try_admit(job)) {
        waits_for_memory_ = true;
        job.wait_for_memory();
        return;
      }
      job.admit();
    } catch (...) {
      job.fail(std::current_exception());
      remove_ended(waiting_);
      continue;
    }
    for (const auto& other : waiting_) {
      if (other->turn().arrival < job.turn().arrival) ++other->turn().passed_over;
    }
    job.turn().passed_over = 0;
    running_.push_back(std::move(waiting_.front()));
    waiting_.erase(waiting_.begin());
    set_reserved(0);
    ++active;
  }
}

// ---- a step ------------------------------------------------------------------------------------

void Scheduler::Engine::prepare_jobs() {
  for (const auto& job : running_) {
    try {
      // What is dropped comes back to the pool, and may be needed again.
      if (job->wants_shift() && pool_->blocks_max() > 0) set_reserved(pool_->blocks_max());
      job->prepare(context_);
    } catch (...) {
      job->fail(std::current_exception());
    }
  }
  set_reserved(0);
}

void Scheduler::Engine::speculate() {
  PassOutlook outlook{.cost = cost_, .rows = 0, .sequences = 0};
  for (const auto& job : running_) {
    const auto candidate = job->candidate();
    if (!candidate || !candidate->generates) continue;
    ++outlook.sequences;
    outlook.rows += candidate->left;
  }
  if (outlook.sequences == 0) return;
  for (const auto& job : running_) {
    try {
      outlook.rows += job->speculate(outlook);
    } catch (...) {
      job->fail(std::current_exception());
    }
  }
}

bool Scheduler::Engine::choose_tokens() {
  std::vector<ScheduledJob*> choosing;
  for (const auto& job : running_) {
    if (job->can_choose()) choosing.push_back(job.get());
  }
  context_.threads.run(static_cast<int64_t>(choosing.size()),
                       [&](int64_t i) { choosing[static_cast<size_t>(i)]->choose(); });
  return !choosing.empty();
}

bool Scheduler::Engine::finish_jobs(int64_t rows) {
  for (const auto& job : running_) {
    try {
      job->finish_step(rows, cost_);
    } catch (...) {
      job->fail(std::current_exception());
    }
    job->show_state(job->paused());
  }
  return remove_ended(running_);
}

bool Scheduler::Engine::try_step() {
  take_submitted();
  const bool cancelled = end_cancelled();
  admit();
  prepare_jobs();
  speculate();
  const JobBatch::Counts batch = batch_.compute(running_);
  if (batch.decode_rows == batch.rows) cost_.add(batch.rows, batch.seconds);
  const bool chose = choose_tokens();
  if (batch.rows > 0) {
    ++counts_.steps;
    counts_.batch_rows += batch.rows;
    counts_.batch_rows_max = std::max(counts_.batch_rows_max, batch.rows);
    counts_.decode_rows += batch.decode_rows;
    counts_.decode_rows_max = std::max(counts_.decode_rows_max, batch.decode_rows);
    counts_.compute_seconds += batch.seconds;
  }
  const bool ended = finish_jobs(batch.rows);
  set_reserved(0);
  return batch.rows > 0 || chose || ended || cancelled;
}

bool Scheduler::Engine::step() {
  wake_->take();
  bool worked = true;
  try {
    worked = try_step();
  } catch (...) {
    for (const auto& job : running_) job->fail(std::current_exception());
    finish_jobs(0);
  }
  publish();
  return do_work() || worked;
}

void Scheduler::Engine::publish() {
  counts_.jobs_running = static_cast<int64_t>(running_.size());
  counts_.jobs_paused = std::count_if(running_.begin(), running_.end(),
                                      [](const auto& job) { return job->paused(); });
  const std::lock_guard lock(mutex_);
  published_ = counts_;
}

// ---- the thread --------------------------------------------------------------------------------

bool Scheduler::Engine::step_in_turn() {
  if (options_.turns == nullptr) return step();
  const Turns::Turn turn(*options_.turns);
  return step();
}

void Scheduler::Engine::step_on() {
  Governor* const governor = options_.governor;
  bool was_idle = true;
  while (!stopping_.load(std::memory_order_acquire)) {
    const int64_t decoded = counts_.decode_rows;
    if (step_in_turn()) {
      if (governor == nullptr) continue;
      if (std::exchange(was_idle, false)) governor->begin_work();
      governor->pause_before_next(counts_.decode_rows > decoded ? GovernedWork::kToken
                                                                : GovernedWork::kPromptBatch);
      continue;
    }
    was_idle = true;
    if (waits_for_memory_) {
      wake_->wait_for(kMemoryPoll);
    } else {
      wake_->wait();
    }
  }
}

void Scheduler::Engine::start() {
  MINIM_CHECK(!thread_.joinable());
  stopping_.store(false, std::memory_order_release);
  thread_ = std::thread([this] { step_on(); });
}

void Scheduler::Engine::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  wake_->set();
  if (options_.governor != nullptr) options_.governor->interrupt();
  thread_.join();
}

void Scheduler::Engine::cancel_all() {
  const std::lock_guard lock(mutex_);
  work_.clear();
  for (const Jobs* jobs : {&running_, &waiting_, &submitted_}) {
    for (const auto& job : *jobs) job->end_now();
  }
}

// ---- the outside -------------------------------------------------------------------------------

Scheduler::Scheduler(const Context& context, std::shared_ptr<const Model> model,
                     std::shared_ptr<const Tokenizer> tokenizer, const SchedulerOptions& options)
    : engine_(std::make_unique<Engine>(context, std::move(model), std::move(tokenizer), options)) {}

Scheduler::~Scheduler() = default;

const Model& Scheduler::model() const { return engine_->model(); }
const std::shared_ptr<const Tokenizer>& Scheduler::tokenizer() const {
  return engine_->tokenizer();
}
const SchedulerOptions& Scheduler::options() const { return engine_->options(); }
int64_t Scheduler::context_tokens() const {
  const int64_t asked = options().context_tokens;
  return asked > 0 ? asked : model().config().context_length;
}
std::shared_ptr<SessionState> Scheduler::make_state(const StateOptions& options) const {
  return engine_->make_state(options);
}
Job Scheduler::submit(JobRequest request) { return engine_->submit(std::move(request)); }
SchedulerStatistics Scheduler::statistics() const { return engine_->statistics(); }
void Scheduler::run(std::function<void()> work) { engine_->run(std::move(work)); }
bool Scheduler::step() { return engine_->step(); }
void Scheduler::start() { engine_->start(); }
void Scheduler::stop() { engine_->stop(); }

}  // namespace minim
