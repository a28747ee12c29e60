// Asks a model the questions of a task and scores what it answers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/progress.h"
#include "eval/task.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace minim {

struct TaskRunOptions {
  int64_t context_tokens = 0;  // of a question and its answer, and of a window of a text; 0: the
                               // model's, at most 2048
  DataType kv_type = DataType::kF16;
  bool chat = true;          // false: prompts as they are, whatever the task and the model say
  bool constrained = false;  // answers are held to the task's constraint, where it has one
};

// What became of one item.
struct TaskOutcome {
  std::string origin;
  std::string expected;
  std::string given;
  bool right = false;        // by the task's first metric, where that is a share
  bool right_bytes = false;  // choices: the likeliest a byte
  double nats = 0;           // text: its surprise
  int64_t bytes = 0;         // text: its length
};

struct MetricResult {
  Metric metric = Metric::kAccuracy;
  Interval interval;
};

struct TaskResult {
  std::string name;
  std::vector<MetricResult> metrics;
  std::vector<TaskOutcome> outcomes;
  int64_t too_long = 0;       // items that did not fit the context, and do not count
  bool chat = false;          // the questions went through the chat template
  bool constrained = false;   // the answers were held to the task's constraint
  int64_t window_tokens = 0;  // text: of a window; each begins half a window after the one before
  int64_t token_count = 0;    // computed
  double seconds = 0;
};

// Throws kInvalidArgument where no item fits the context, or a constraint is none, naming the item;
// and what the model throws.
TaskResult run_task(const Context& context, std::shared_ptr<const Model> model,
                    std::shared_ptr<const Tokenizer> tokenizer, const Task& task,
                    std::span<const TaskItem> items, const TaskRunOptions& options,
                    const ProgressSink& progress = {});

// Says of each outcome whether it is right by the task's first metric, where that is a share.
void mark_right(const TaskOptions& task, std::span<TaskOutcome> outcomes);

// The metrics of a task over outcomes. REQUIRES: outcomes is not empty.
std::vector<MetricResult> score_outcomes(const TaskOptions& task,
                                         std::span<const TaskOutcome> outcomes);

// Both models asked the same: how often one is right where the other is not, and the difference of
// the shares with its interval (paired).
struct PairedShares {
  int64_t count = 0;  // of items that both have
  int64_t only_first = 0;
  int64_t only_second = 0;
  Interval difference;  // second - first
};
PairedShares compare_outcomes(std::span<const TaskOutcome> first,
                              std::span<const TaskOutcome> second);

}  // namespace minim
