#include "runtime/sampling/option_table.h"

#include <fmt/core.h>

#include <limits>
#include <type_traits>

#include "base/error.h"

namespace minim {
namespace {

using Group = SamplerOptionGroup;
using Role = SamplerOptionRole;
using Step = SamplerStep;

constexpr double kIntMax = std::numeric_limits<int>::max();
constexpr size_t kTextBytesMax = 1024;

// A field reached through its members, as a function.
#define MINIM_FIELD(type, member) +[](SamplerOptions& options) -> type& { return options.member; }

const SamplerOptionRow kRows[] = {
    {"temperature", Group::kSampling, Step::kTemperature, Role::kSwitch,
     MINIM_FIELD(float, temperature), "Randomness; 0 is greedy", 0, 100, "between 0 and 100"},
    {"top-k", Group::kSampling, Step::kTopK, Role::kSwitch, MINIM_FIELD(int, top_k),
     "Choose among this many; 0: all", 0, kIntMax, "0 or more"},
    {"top-p", Group::kSampling, Step::kTopP, Role::kSwitch, MINIM_FIELD(float, top_p),
     "Choose among this much probability", 0, 1, "above 0, at most 1", true},
    {"min-p", Group::kSampling, Step::kMinP, Role::kSwitch, MINIM_FIELD(float, min_p),
     "Drop what is less probable than this share of the best", 0, 1, "between 0 and 1"},
    {"seed", Group::kSampling, std::nullopt, Role::kSwitch, MINIM_FIELD(uint64_t, seed),
     "The same seed gives the same text; 0: a new one each time", 0, 0x1p64, "0 or more"},

    {"repetition-penalty", Group::kRepetition, Step::kPenalties, Role::kSwitch,
     MINIM_FIELD(float, penalties.repetition),
     "Divide the logits of tokens seen before by this; 1: off", 0, 100, "above 0, at most 100",
     true},
    {"presence-penalty", Group::kRepetition, Step::kPenalties, Role::kSwitch,
     MINIM_FIELD(float, penalties.presence), "Subtract this from the logits of tokens seen before",
     -100, 100, "between -100 and 100"},
    {"frequency-penalty", Group::kRepetition, Step::kPenalties, Role::kSwitch,
     MINIM_FIELD(float, penalties.frequency), "Subtract this for each time that a token was seen",
     -100, 100, "between -100 and 100"},
    {"penalty-window", Group::kRepetition, Step::kPenalties, Role::kDetail,
     MINIM_FIELD(int, penalties.window), "Tokens that these three look back at; -1: all", -1,
     kIntMax, "-1 or more"},
    {"penalty-generated-only", Group::kRepetition, Step::kPenalties, Role::kDetail,
     MINIM_FIELD(bool, penalties.generated_only), "They do not look at the prompt"},
    {"dry-multiplier", Group::kRepetition, Step::kDry, Role::kSwitch,
     MINIM_FIELD(float, dry.multiplier),
     "DRY: penalty for repeating a sequence; 0: off, 0.8 is usual", 0, 100, "between 0 and 100"},
    {"dry-base", Group::kRepetition, Step::kDry, Role::kDetail, MINIM_FIELD(float, dry.base),
     "DRY: how it grows with each further token", 1, 100, "between 1 and 100"},
    {"dry-allowed-length", Group::kRepetition, Step::kDry, Role::kDetail,
     MINIM_FIELD(int, dry.allowed_length), "DRY: repeated tokens before it begins", 1, kIntMax,
     "1 or more"},
    {"dry-window", Group::kRepetition, Step::kDry, Role::kDetail, MINIM_FIELD(int, dry.window),
     "DRY: tokens looked back at; -1: all", -1, kIntMax, "-1 or more"},
    {"dry-breaker", Group::kRepetition, Step::kDry, Role::kDetail,
     MINIM_FIELD(std::vector<std::string>, dry.breakers),
     "DRY: a text that ends repetitions, instead of newline : \" and *"},

    {"typical", Group::kSteps, Step::kTypical, Role::kSwitch, MINIM_FIELD(float, typical_p),
     "Keep this much probability, of what is nearest to the expected surprise; 1: off", 0, 1,
     "above 0, at most 1", true},
    {"top-n-sigma", Group::kSteps, Step::kTopNSigma, Role::kSwitch, MINIM_FIELD(float, top_n_sigma),
     "Drop logits this many standard deviations below the best; 0: off", 0, 1000,
     "between 0 and 1000"},
    {"xtc-probability", Group::kSteps, Step::kXtc, Role::kSwitch,
     MINIM_FIELD(float, xtc.probability),
     "How often all of several good choices but the last are dropped; 0: off", 0, 1,
     "between 0 and 1"},
    {"xtc-threshold", Group::kSteps, Step::kXtc, Role::kDetail, MINIM_FIELD(float, xtc.threshold),
     "How probable a good choice is", 0, 1, "above 0, at most 1", true},
    {"temperature-range", Group::kSteps, Step::kTemperature, Role::kSwitch,
     MINIM_FIELD(float, temperature_range),
     "Move the temperature by this much, with how certain the model is; 0: off", 0, 100,
     "between 0 and 100"},
    {"temperature-exponent", Group::kSteps, Step::kTemperature, Role::kDetail,
     MINIM_FIELD(float, temperature_exponent), "Bends how it moves", 0, 100, "between 0 and 100"},
    {"mirostat", Group::kSteps, Step::kMirostat, Role::kSwitch, MINIM_FIELD(int, mirostat.version),
     "Hold the surprise at a target, instead of top-k, top-p and the like: version 1 or 2; 0: off",
     0, 2, "0, 1 or 2"},
    {"mirostat-target", Group::kSteps, Step::kMirostat, Role::kDetail,
     MINIM_FIELD(float, mirostat.target), "That target, in bits a token", 0, 100,
     "above 0, at most 100", true},
    {"mirostat-rate", Group::kSteps, Step::kMirostat, Role::kDetail,
     MINIM_FIELD(float, mirostat.rate), "How fast errors are corrected", 0, 1, "between 0 and 1"},

    {"min-tokens", Group::kText, std::nullopt, Role::kSwitch, MINIM_FIELD(int64_t, tokens_min),
     "Tokens to generate at least: the text does not end before", 0, 0x1p62, "0 or more"},
    {"ignore-end", Group::kText, std::nullopt, Role::kSwitch, MINIM_FIELD(bool, ignore_end),
     "Never choose the model's end of text"},
    {"ban", Group::kText, std::nullopt, Role::kSwitch,
     MINIM_FIELD(std::vector<std::string>, banned_texts),
     "A text that must not appear; may be given again"},
    {"logprobs", Group::kText, std::nullopt, Role::kSwitch, MINIM_FIELD(int, logprobs),
     "Give the log-probability of each token, and of this many others; -1: none", -1, 1000,
     "between -1 and 1000"},
};

#undef MINIM_FIELD

void require(bool condition, const char* option, double value, const char* wanted) {
  if (condition) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("sampler: {} is {}, but must be {}", option, value, wanted));
}

void check_texts(const char* option, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (!text.empty() && text.size() <= kTextBytesMax) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("sampler: {} has a text of {} bytes, but must have 1 to {}", option,
                            text.size(), kTextBytesMax));
  }
}

}  // namespace

std::span<const SamplerOptionRow> sampler_option_rows() { return kRows; }

void check_sampler_options(const SamplerOptions& options) {
  SamplerOptions copy = options;  // the table's accessors do not take const
  for (const SamplerOptionRow& row : kRows) {
    std::visit(
        [&](auto field) {
          using Value = std::remove_reference_t<decltype(field(copy))>;
          const Value& value = field(copy);
          if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
            check_texts(row.name, value);
          } else if constexpr (!std::is_same_v<Value, bool>) {
            const auto number = static_cast<double>(value);
            const bool enough = row.above_min ? number > row.min : number >= row.min;
            require(enough && number <= row.max, row.name, number, row.wanted);
          }
        },
        row.field);
  }
}

}  // namespace minim
