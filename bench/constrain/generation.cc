#include "bench/constrain/generation.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/error.h"
#include "runtime/scheduler.h"
#include "text/schema/constraint_factory.h"

namespace minim::bench {
namespace {

// Short strings of letters, so that random weights come to an end and what is forced is a share as
// usual in extraction.
constexpr const char* kSchema = R"({"type":"array","minItems":4,"items":{"type":"object",
  "properties":{"first_name":{"type":"string","pattern":"^[a-z]{1,8}$"},"last_name":{"type":
  "string","pattern":"^[a-z]{1,12}$"},"age":{"type":"integer","minimum":1,"maximum":120},"married":
  {"type":"boolean"}},"required":["first_name","last_name","age","married"],
  "additionalProperties":false}})";

struct Run {
  double seconds = 0;
  int64_t tokens = 0, forced = 0;
};

Run generate(const Context& context, const std::shared_ptr<const Model>& model,
             const std::shared_ptr<const Tokenizer>& tokenizer,
             std::shared_ptr<const Constraint> constraint, bool fast_forward, int64_t tokens_max) {
  SchedulerOptions scheduler_options;
  scheduler_options.context_tokens = tokens_max + 64;
  scheduler_options.sequences_max = 1;
  scheduler_options.prefix_bytes_max = 0;
  Scheduler scheduler(context, model, tokenizer, scheduler_options);
  JobRequest request;
  request.tokens = tokenizer->encode("List the people of the story:");
  GeneratorOptions& options = request.options.generator;
  options.sampler.temperature = 1.0f;
  options.sampler.seed = 1;
  options.sampler.ignore_end = constraint == nullptr;
  options.tokens_max = tokens_max;
  options.constraint = std::move(constraint);
  options.fast_forward = fast_forward;
  Job job = scheduler.submit(std::move(request));
  while (scheduler.step()) {
    while (const auto event = job.next(std::chrono::milliseconds(0))) {
      if (event->kind != GenerationEvent::Kind::kError) continue;
      throw Error(event->error_code, event->message);
    }
  }
  const GenerationStatistics statistics = job.statistics();
  return {statistics.decode_seconds, statistics.generated_tokens, statistics.forced_tokens};
}

}  // namespace

GenerationCost measure_generation(const Context& context, std::shared_ptr<const Model> model,
                                  std::shared_ptr<const Tokenizer> tokenizer, int64_t tokens_max) {
  ConstraintFactory factory(tokenizer);
  const ConstraintSource source{ConstraintKind::kSchema, kSchema, JsonSpacing::kSpaced};
  std::vector<double> free, constrained, forward;
  GenerationCost cost;
  for (int round = 0; round < 3; ++round) {
    const auto start = std::make_shared<Constraint>(factory.make(source));
    const Run without = generate(context, model, tokenizer, nullptr, false, tokens_max);
    const Run with = generate(context, model, tokenizer, start, false, tokens_max);
    const Run skipping = generate(context, model, tokenizer, start, true, tokens_max);
    free.push_back(without.seconds / double(without.tokens));
    constrained.push_back(with.seconds / double(with.tokens));
    forward.push_back(skipping.seconds / double(skipping.tokens));
    cost.tokens = skipping.tokens;
    cost.forced_tokens = skipping.forced;
  }
  const auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  cost.free_seconds = median(free);
  cost.constrained_seconds = median(constrained);
  cost.forward_seconds = median(forward);
  return cost;
}

}  // namespace minim::bench
