// The table of steps: their names, their order, and how each is made.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/error.h"
#include "runtime/sampling/step.h"

namespace minim {
namespace {

using TokenizerPtr = std::shared_ptr<const Tokenizer>;

// What a step can do to the distribution that a greedy choice would notice.
enum class Kind {
  kChanges,      // logits
  kKeepsBest,    // leaves out tokens, but never the best one
  kMayDropBest,  // leaves out tokens
};

struct StepRow {
  SamplerStep step;
  const char* name;
  Kind kind;
  SamplingStepPtr (*make)(const SamplerOptions&, const TokenizerPtr&);
};

// In the default order: logits first; then what leaves out tokens, the cheapest of a vocabulary
// first; temperature last, so that a hot sampler still avoids nonsense.
constexpr StepRow kSteps[] = {
    {SamplerStep::kPenalties, "penalties", Kind::kChanges,
     [](const SamplerOptions& o, const TokenizerPtr&) { return make_penalties(o.penalties); }},
    {SamplerStep::kDry, "dry", Kind::kChanges,
     [](const SamplerOptions& o, const TokenizerPtr& t) { return make_dry(o.dry, t); }},
    {SamplerStep::kTopNSigma, "top-n-sigma", Kind::kKeepsBest,
     [](const SamplerOptions& o, const TokenizerPtr&) { return make_top_n_sigma(o.top_n_sigma); }},
    {SamplerStep::kTopK, "top-k", Kind::kKeepsBest,
     [](const SamplerOptions& o, const TokenizerPtr&) { return make_top_k(o.top_k); }},
    {SamplerStep::kTypical, "typical", Kind::kMayDropBest,
     [](const SamplerOptions& o, const TokenizerPtr&) { return make_typical(o.typical_p); }},
    {SamplerStep::kTopP, "top-p", Kind::kKeepsBest,
     [](const SamplerOptions& o, const TokenizerPtr&) { return make_top_p(o.top_p); }},
    {SamplerStep::kMinP, "min-p", Kind::kKeepsBest,
     [](const SamplerOptions& o, const TokenizerPtr&) { return make_min_p(o.min_p); }},
    {SamplerStep::kXtc, "xtc", Kind::kMayDropBest,
     [](const SamplerOptions& o, const TokenizerPtr&) { return make_xtc(o.xtc); }},
    {SamplerStep::kTemperature, "temperature", Kind::kChanges,
     [](const SamplerOptions& o, const TokenizerPtr&) { return make_temperature(o); }},
    {SamplerStep::kMirostat, "mirostat", Kind::kKeepsBest,
     [](const SamplerOptions& o, const TokenizerPtr&) { return make_mirostat(o.mirostat); }},
};

static_assert([] {
  for (size_t i = 0; i < std::size(kSteps); ++i) {
    if (kSteps[i].step != static_cast<SamplerStep>(i)) return false;
  }
  return std::size(kSteps) == static_cast<size_t>(SamplerStep::kMirostat) + 1;
}());

const StepRow& row_of(SamplerStep step) { return kSteps[static_cast<size_t>(step)]; }

bool narrows(const StepRow& row) {
  return row.kind != Kind::kChanges && row.step != SamplerStep::kMirostat;
}

std::vector<SamplerStep> default_order(const SamplerOptions& options) {
  std::vector<SamplerStep> order;
  for (const StepRow& row : kSteps) {
    if (options.mirostat.version == 0 || !narrows(row)) order.push_back(row.step);
  }
  return order;
}

void check_order(const SamplerOptions& options, const std::vector<SamplerStep>& order) {
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument, "sampler: " + what);
  };
  for (size_t i = 0; i < order.size(); ++i) {
    if (std::count(order.begin(), order.end(), order[i]) > 1) {
      refuse(fmt::format("step '{}' is listed twice", row_of(order[i]).name));
    }
    if (order[i] == SamplerStep::kMirostat && i + 1 < order.size()) {
      refuse("step 'mirostat' can only be the last one");
    }
  }
  const bool listed = std::find(order.begin(), order.end(), SamplerStep::kMirostat) != order.end();
  if (options.mirostat.version != 0 && !listed) {
    refuse("mirostat is on, but its step is not listed; list it last");
  }
}

}  // namespace

const char* sampler_step_name(SamplerStep step) { return row_of(step).name; }

std::span<const SamplerStep> sampler_steps() {
  static constexpr auto kOrder = [] {
    std::array<SamplerStep, std::size(kSteps)> order = {};
    for (size_t i = 0; i < order.size(); ++i) order[i] = kSteps[i].step;
    return order;
  }();
  return kOrder;
}

std::vector<SamplerStep> parse_sampler_steps(std::string_view names) {
  std::vector<SamplerStep> steps;
  while (!names.empty()) {
    const size_t end = std::min(names.find_first_of(";,"), names.size());
    std::string name(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
    std::replace(name.begin(), name.end(), '_', '-');
    const auto row = std::find_if(std::begin(kSteps), std::end(kSteps),
                                  [&](const StepRow& r) { return name == r.name; });
    if (row == std::end(kSteps)) {
      std::string all;
      for (const StepRow& r : kSteps) all += std::string(all.empty() ? "" : ", ") + r.name;
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("sampler: there is no step '{}'; the steps are {}", name, all));
    }
    steps.push_back(row->step);
  }
  return steps;
}

std::vector<SamplerStep> listed_sampler_steps(const SamplerOptions& options) {
  return options.steps.empty() ? default_order(options) : options.steps;
}

std::vector<SamplerStep> active_sampler_steps(const SamplerOptions& options) {
  auto steps = listed_sampler_steps(options);
  std::erase_if(steps,
                [&](SamplerStep step) { return row_of(step).make(options, nullptr) == nullptr; });
  return steps;
}

std::vector<SamplingStepPtr> make_steps(const SamplerOptions& options,
                                        const TokenizerPtr& tokenizer) {
  const auto order = listed_sampler_steps(options);
  check_order(options, order);
  // What only leaves out tokens below the best does nothing to a greedy choice.
  const bool greedy =
      options.temperature == 0 && options.temperature_range == 0 &&
      std::find(order.begin(), order.end(), SamplerStep::kTemperature) != order.end();
  std::vector<const StepRow*> rows;
  for (const SamplerStep step : order) rows.push_back(&row_of(step));
  std::vector<SamplingStepPtr> steps;
  for (const StepRow* row : rows) steps.push_back(row->make(options, tokenizer));
  const auto drops_best = [&](size_t i) {
    return steps[i] != nullptr && rows[i]->kind == Kind::kMayDropBest;
  };
  bool only_below = greedy;
  for (size_t i = 0; i < steps.size(); ++i) only_below &= !drops_best(i);
  for (size_t i = 0; i < steps.size(); ++i) {
    if (only_below && rows[i]->kind == Kind::kKeepsBest) steps[i] = nullptr;
  }
  std::erase(steps, nullptr);
  return steps;
}

}  // namespace minim
