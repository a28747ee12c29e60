// From logits to the next token: what is made more or less likely, what is left out, and the draw.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/rng.h"
#include "text/tokenizer.h"

namespace minim {

class Candidates;
class SamplingStep;
class TextBans;
struct TokenHistory;

// The steps of a sampler, in the order in which they are taken unless the caller orders otherwise.
// Each sees what those before it left, as a distribution whose probabilities add up to 1.
enum class SamplerStep {
  kPenalties,
  kDry,
  kTopNSigma,
  kTopK,
  kTypical,
  kTopP,
  kMinP,
  kXtc,
  kTemperature,
  kMirostat,
};
// "penalties", "dry", "top-n-sigma", "top-k", "typical", "top-p", "min-p", "xtc", "temperature",
// "mirostat"
const char* sampler_step_name(SamplerStep step);
std::span<const SamplerStep> sampler_steps();
// Names with ; or , between them; _ is read as -. Throws kInvalidArgument, naming what is unknown.
std::vector<SamplerStep> parse_sampler_steps(std::string_view names);

struct SamplerOptions;
// The steps that are listed: options.steps, or the default order.
std::vector<SamplerStep> listed_sampler_steps(const SamplerOptions& options);
// Those of them that the other options have not switched off.
std::vector<SamplerStep> active_sampler_steps(const SamplerOptions& options);

// Against repetition, token by token.
struct PenaltyOptions {
  // Logits of tokens seen before are divided by this if positive, else multiplied (Keskar et al.,
  // 2019: CTRL); 1: off.
  float repetition = 1.0f;
  float presence = 0.0f;        // subtracted from the logits of tokens seen before
  float frequency = 0.0f;       // subtracted for each time that a token was seen
  int window = 64;              // tokens looked back at, the prompt's too; -1: all
  bool generated_only = false;  // the prompt's tokens do not count
};

// Against repetition of sequences (DRY, "don't repeat yourself", by p-e-w, 2024): a token that
// would continue a repetition of length n >= allowed_length loses multiplier * base^(n -
// allowed_length). The prompt's tokens count.
struct DryOptions {
  float multiplier = 0.0f;  // 0: off
  float base = 1.75f;
  int allowed_length = 2;  // repeated tokens before a continuation costs anything
  int window = -1;         // tokens looked back at; -1: all
  // Texts that no repetition is followed across, wherever tokens are cut; nor is it across tokens
  // that are no text, such as the marks of a chat.
  std::vector<std::string> breakers = {"\n", ":", "\"", "*"};
};

// Excludes top choices (XTC, by p-e-w, 2024): now and then all tokens that are at least this
// probable but the least of them, for less obvious text that is still sound.
struct XtcOptions {
  float probability = 0.0f;  // of doing so, for each token; 0: off
  float threshold = 0.1f;    // above 0.5 there is never more than one such token
};

// Holds the surprise of the text at a target (Basu et al., 2021), instead of the other steps that
// leave out tokens: with the default order these are not taken.
struct MirostatOptions {
  int version = 0;      // 0: off; 1, 2
  float target = 5.0f;  // the surprise aimed at, in bits a token
  float rate = 0.1f;    // how fast errors are corrected
};

struct LogitBias {
  TokenId token = 0;
  float bias = 0;  // added to its logit; minus infinity bans it
};

struct SamplerOptions {
  float temperature = 0.8f;  // divides the logits; 0: the most probable token of what is left
  // Above 0 the temperature lies between temperature -+ this, the higher the less certain the model
  // is: low + (high - low) * (entropy / largest entropy)^exponent.
  float temperature_range = 0.0f;
  float temperature_exponent = 1.0f;
  int top_k = 40;            // keep this many of the most probable; 0: all
  float top_p = 0.95f;       // keep the smallest set with this much probability (Holtzman et al.,
                             // 2020); 1: all
  float min_p = 0.05f;       // drop what is less probable than this share of the best; 0: none
  float typical_p = 1.0f;    // keep this much probability of the tokens whose surprise is nearest
                             // to the expected (Meister et al., 2022); 1: all
  float top_n_sigma = 0.0f;  // drop logits further below the best than this many standard
                             // deviations (Tang et al., 2024); 0: none
  PenaltyOptions penalties;
  DryOptions dry;
  XtcOptions xtc;
  MirostatOptions mirostat;
  // The steps to take, in this order; empty: the order of SamplerStep. Mirostat can only be last.
  // A step that is not listed is not taken, whatever its options say.
  std::vector<SamplerStep> steps;

  // Before all steps:
  std::vector<LogitBias> biases;
  std::vector<TokenId> banned_tokens;
  // Texts that the generated text never contains, wherever tokens are cut; what begins in the
  // prompt counts too. A token that would complete one is not chosen. Tokens that are no text
  // neither contain nor continue one.
  std::vector<std::string> banned_texts;
  int64_t tokens_min = 0;   // generate at least this many before the text may end
  bool ignore_end = false;  // never choose a token that ends the text

  uint64_t seed = 0;  // the same seed gives the same choices after the same tokens
  // Log-probabilities of the model's own distribution, before anything above: -1: none; 0: of the
  // token chosen; n: also of the n most probable.
  int logprobs = -1;
};

struct TokenLogprob {
  TokenId token = -1;
  float logprob = 0;
};

// One for each sequence. What it chooses depends on the options, the tokens before and the logits
// alone: not on threads, nor on other sequences. Equals are ordered by the smaller id.
class Sampler {
 public:
  // Throws kInvalidArgument, naming the option, for values that make no sense (NaN included).
  // `tokenizer` spells tokens, and knows which end a text and which exist; without one, options
  // that need it throw. The context's kernels must outlive the sampler.
  Sampler(const Context& context, SamplerOptions options,
          std::shared_ptr<const Tokenizer> tokenizer = nullptr);
  ~Sampler();
  Sampler(Sampler&&) noexcept;

  // What the first token follows. REQUIRES: called at most once, before accept().
  void start(std::span<const TokenId> prompt);

  // Chooses a token that may follow. logits: [vocabulary]. allowed: a bit for each token, bit i %
  // 64 of word i / 64; empty: all. Logits that are not numbers are never chosen, nor are ids that
  // the tokenizer does not have. Called again at the same place, it draws anew. Throws
  // kInvalidArgument if no logit is a number, and if bans and `allowed` leave nothing to choose.
  TokenId sample(std::span<const float> logits, std::span<const uint64_t> allowed = {});

  // In place of sample() where `token` follows whatever the logits are: its log-probabilities.
  void observe(std::span<const float> logits, TokenId token);

  // The token that follows in fact, chosen here or elsewhere.
  void accept(TokenId token);

  // Of the last sample() or observe(), with options.logprobs >= 0: the token chosen and the most
  // probable ones, in order. Valid until the next one.
  TokenLogprob chosen_logprob() const { return chosen_logprob_; }
  std::span<const TokenLogprob> top_logprobs() const { return top_logprobs_; }

  const SamplerOptions& options() const { return options_; }

 private:
  void check_tokens() const;
  void find_fixed_bans();
  void reseed();
  void apply_bans();
  std::span<const float> known(std::span<const float> logits) const;
  double find_logprobs();
  void set_chosen(std::span<const float> logits, TokenId token, double log_sum);

  SamplerOptions options_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Candidates> candidates_;
  std::unique_ptr<TokenHistory> history_;
  std::vector<std::unique_ptr<SamplingStep>> steps_;
  std::unique_ptr<TextBans> text_bans_;
  std::vector<TokenId> bans_;      // whatever was said before, sorted
  std::vector<TokenId> end_bans_;  // the same and all tokens that end a text
  std::vector<TokenId> bans_now_;
  Rng rng_;
  std::vector<TokenLogprob> top_logprobs_;
  TokenLogprob chosen_logprob_;
};

// The index of the largest logit, the smallest one of equals. Throws kInvalidArgument if no logit
// is a number.
int32_t most_probable(std::span<const float> logits);

}  // namespace minim
