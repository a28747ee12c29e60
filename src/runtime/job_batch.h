// The forward passes of a Scheduler: a batch of the jobs that run, and the memory it takes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/context.h"
#include "model/activations.h"
#include "model/model.h"
#include "runtime/batch_plan.h"
#include "runtime/scheduled_job.h"

namespace minim {

class JobBatch {
 public:
  // `prompt_seconds_beside`: where more than limits.prompt_tokens_beside take no longer, these.
  JobBatch(const Context& context, std::shared_ptr<const Model> model, const BatchLimits& limits,
           double prompt_seconds_beside);

  struct Counts {
    int64_t rows = 0;
    int64_t decode_rows = 0;  // generated tokens
    double seconds = 0;
  };
  // Computes what is next for the jobs whose turn it is, and tells them. A job that cannot take
  // part fails alone; where the batch fails, all that are in it do.
  Counts compute(std::span<const std::unique_ptr<ScheduledJob>> jobs);

 private:
  struct Part {
    ScheduledJob* job;
    int64_t tokens;
    bool generates;
    SequenceChunk chunk;
  };
  void learn_pace(const Counts& counts);
  BatchLimits limits() const;
  void plan(std::span<const std::unique_ptr<ScheduledJob>> jobs);
  void extend();
  void fill();
  void forward();
  void hand_out();

  const Context& context_;
  const std::shared_ptr<const Model> model_;
  const BatchLimits limits_;
  const double prompt_seconds_beside_;
  double prompt_rows_a_second_ = 0;  // of batches with prompts, smoothed; 0: there was none yet
  Activations activations_;
  std::vector<float> logits_;  // [outputs, vocabulary]
  uint64_t clock_ = 0;

  // Of the batch at hand.
  std::vector<Part> parts_;
  std::vector<SequenceChunk> chunks_;
  std::vector<int32_t> tokens_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> outputs_;
};

}  // namespace minim
