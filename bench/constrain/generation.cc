#include "bench/constrain/generation.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "runtime/sampler.h"
#include "runtime/session.h"
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
             const std::shared_ptr<const Tokenizer>& tokenizer, Constraint* constraint,
             bool fast_forward, int64_t tokens_max) {
  SessionOptions session_options;
  session_options.context_tokens = tokens_max + 64;
  Session session(context, model, session_options);
  SamplerOptions options;
  options.temperature = 1.0f;
  options.seed = 1;
  options.ignore_end = constraint == nullptr;
  Sampler sampler(context, options, tokenizer);
  std::vector<TokenId> next = tokenizer->encode("List the people of the story:");
  sampler.start(next);
  std::span<const float> logits = session.append(next);
  std::vector<uint64_t> bits;
  if (constraint != nullptr) bits.resize(constraint->mask_words());
  Run run;
  const auto begin = std::chrono::steady_clock::now();
  while (run.tokens < tokens_max) {
    next.clear();
    if (constraint != nullptr) constraint->allowed(bits);
    const TokenId token = sampler.sample(logits, bits);
    if (tokenizer->ends_generation(token)) break;
    next.push_back(token);
    if (constraint != nullptr) {
      constraint->accept(token);
      if (fast_forward) {
        for (const TokenId forced : constraint->forced_tokens()) {
          constraint->accept(forced);
          next.push_back(forced);
          ++run.forced;
        }
      }
    }
    for (const TokenId one : next) sampler.accept(one);
    run.tokens += int64_t(next.size());
    if (constraint != nullptr && constraint->is_finished()) break;
    logits = session.append(next);
  }
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return run;
}

}  // namespace

GenerationCost measure_generation(const Context& context, std::shared_ptr<const Model> model,
                                  std::shared_ptr<const Tokenizer> tokenizer, int64_t tokens_max) {
  ConstraintFactory factory(tokenizer);
  const ConstraintSource source{ConstraintKind::kSchema, kSchema, JsonSpacing::kSpaced};
  std::vector<double> free, constrained, forward;
  GenerationCost cost;
  for (int round = 0; round < 3; ++round) {
    Constraint a = factory.make(source), b = factory.make(source);
    const Run without = generate(context, model, tokenizer, nullptr, false, tokens_max);
    const Run with = generate(context, model, tokenizer, &a, false, tokens_max);
    const Run skipping = generate(context, model, tokenizer, &b, true, tokens_max);
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
