#include "runtime/job_batch.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace minim {
namespace {

constexpr double kNewest = 0.25;  // the share of the newest batch in the pace that is kept

}  // namespace

JobBatch::JobBatch(const Context& context, std::shared_ptr<const Model> model,
                   const BatchLimits& limits, double prompt_seconds_beside)
    : context_(context),
      model_(std::move(model)),
      limits_(limits),
      prompt_seconds_beside_(prompt_seconds_beside),
      activations_(model_->config(), limits.tokens, context.memory),
      logits_(static_cast<size_t>(limits.sequences) *
              static_cast<size_t>(model_->config().vocabulary_size)) {}

JobBatch::Counts JobBatch::compute(std::span<const std::unique_ptr<ScheduledJob>> jobs) {
  Counts counts;
  plan(jobs);
  extend();
  if (parts_.empty()) return counts;
  fill();
  const auto start = std::chrono::steady_clock::now();
  try {
    forward();
  } catch (...) {
    const auto error = std::current_exception();
    for (const Part& part : parts_) part.job->fail(error);
    return counts;
  }
  counts.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  counts.rows = static_cast<int64_t>(tokens_.size());
  for (const Part& part : parts_) counts.decode_rows += part.generates ? part.tokens : 0;
  learn_pace(counts);
  hand_out();
  return counts;
}

void JobBatch::learn_pace(const Counts& counts) {
  if (counts.rows - counts.decode_rows < kPromptTokensMin || !(counts.seconds > 0)) return;
  const double rate = static_cast<double>(counts.rows) / counts.seconds;
  double& kept = prompt_rows_a_second_;
  kept = kept == 0 ? rate : kept + kNewest * (rate - kept);
}

BatchLimits JobBatch::limits() const {
  BatchLimits limits = limits_;
  const double quick = prompt_rows_a_second_ * prompt_seconds_beside_;
  if (quick > static_cast<double>(limits.prompt_tokens_beside)) {
    limits.prompt_tokens_beside =
        static_cast<int64_t>(std::min(quick, static_cast<double>(limits.tokens)));
  }
  return limits;
}

void JobBatch::plan(std::span<const std::unique_ptr<ScheduledJob>> jobs) {
  std::vector<BatchCandidate> candidates;
  std::vector<ScheduledJob*> owners;
  for (const auto& job : jobs) {
    const auto candidate = job->candidate();
    if (!candidate) continue;
    candidates.push_back(*candidate);
    owners.push_back(job.get());
  }
  ++clock_;
  for (ScheduledJob* job : owners) ++job->turn().passed_over;
  parts_.clear();
  for (const BatchShare& share : plan_batch(candidates, limits())) {
    ScheduledJob* job = owners[share.candidate];
    job->turn().passed_over = 0;
    job->turn().last_served = clock_;
    parts_.push_back({job, share.tokens, candidates[share.candidate].generates, {}});
  }
  // Those of few rows come first (model/batch.h), and of the others each has one output at most.
  std::stable_partition(parts_.begin(), parts_.end(),
                        [](const Part& part) { return part.tokens < kPromptTokensMin; });
}

void JobBatch::extend() {
  int64_t begin = 0;
  std::erase_if(parts_, [&](Part& part) {
    try {
      part.chunk = part.job->sequence().extend(begin, part.tokens);
    } catch (...) {
      part.job->fail(std::current_exception());
      return true;
    }
    begin += part.tokens;
    return false;
  });
}

void JobBatch::fill() {
  tokens_.clear();
  positions_.clear();
  outputs_.clear();
  chunks_.clear();
  for (const Part& part : parts_) {
    const auto next = part.job->next_tokens(part.tokens);
    tokens_.insert(tokens_.end(), next.begin(), next.end());
    for (int64_t i = 0; i < part.tokens; ++i) {
      positions_.push_back(static_cast<int32_t>(part.chunk.first_slot + i));
    }
    for (int64_t i = part.job->outputs_of(part.tokens); i > 0; --i) {
      outputs_.push_back(static_cast<int32_t>(static_cast<int64_t>(tokens_.size()) - i));
    }
    chunks_.push_back(part.chunk);
  }
}

void JobBatch::forward() {
  const int64_t width = model_->config().vocabulary_size;
  const size_t wanted = outputs_.size() * static_cast<size_t>(width);
  if (logits_.size() < wanted) logits_.resize(wanted);  // guesses have logits too
  const Batch batch = {
      .tokens = tokens_, .positions = positions_, .chunks = chunks_, .outputs = outputs_};
  model_->forward(context_, batch, activations_,
                  {logits_.data(), static_cast<int64_t>(outputs_.size()), width, width});
}

void JobBatch::hand_out() {
  const auto width = static_cast<size_t>(model_->config().vocabulary_size);
  std::span<const float> rows = logits_;
  for (const Part& part : parts_) {
    const size_t wanted = static_cast<size_t>(part.job->outputs_of(part.tokens)) * width;
    try {
      part.job->computed(part.tokens, rows.first(wanted));
    } catch (...) {
      part.job->fail(std::current_exception());
    }
    rows = rows.subspan(wanted);
  }
}

}  // namespace minim
