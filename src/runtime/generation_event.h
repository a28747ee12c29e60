// What happens while text is generated, as one event after the other: what a program that shows or
// sends it wants to know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/energy_meter.h"
#include "base/error.h"
#include "runtime/overflow.h"
#include "runtime/sampler.h"
#include "text/tokenizer.h"

namespace minim {

enum class StopReason {
  kRunning,
  kEndOfText,    // the model ended the text, or its constraint allows nothing more
  kTokensMax,    // as many tokens as were asked for
  kContextFull,  // as many as fit
  kStopToken,    // one of the caller's
  kStopString,
  kCancelled,
};
// "running", "end of text", "length", "context full", "stop token", "stop string", "cancelled"
const char* stop_reason_name(StopReason reason);

struct GenerationStatistics {
  int64_t prompt_tokens = 0;
  int64_t reused_tokens = 0;  // of these, what a prefix cache knew
  int64_t generated_tokens = 0;
  int64_t dropped_tokens = 0;  // from the context, to make room
  int64_t decode_steps = 0;    // forward passes after the prompt's
  int64_t decode_tokens = 0;   // of the text, that they computed
  int64_t forced_tokens = 0;   // of the generated ones, those that a constraint left no choice in
  int64_t guessed_tokens = 0;  // by speculation, computed beside those of the text
  int64_t right_tokens = 0;    // of them, those that became the text
  double queue_seconds = 0;    // waiting for a turn
  double prompt_seconds = 0;   // reading the prompt: the time to the first token, without the queue
  double decode_seconds = 0;   // sampling included, rests of a governor not
  double mask_seconds = 0;     // of these, finding what a constraint allows
  double draft_seconds = 0;    // of these, making guesses
  double saved_seconds = 0;    // by the right guesses less what guessing took: an estimate
  double rest_seconds = 0;     // that a governor asked for
  // Of everything since start(), where an EnergyMeter was given.
  std::optional<Energy> energy;

  double first_token_seconds() const { return queue_seconds + prompt_seconds; }
  // Tokens a second; 0 before there are any.
  double prompt_rate() const {
    const auto read = static_cast<double>(prompt_tokens - reused_tokens);
    return prompt_seconds > 0 ? read / prompt_seconds : 0;
  }
  double decode_rate() const {
    return decode_seconds > 0 ? static_cast<double>(decode_tokens) / decode_seconds : 0;
  }
  // How much longer it would have taken without guesses, estimated: above 1 they pay.
  double speculation_gain() const {
    return decode_seconds > 0 ? (decode_seconds + saved_seconds) / decode_seconds : 1;
  }
  // Joules for each token that was read or generated; nothing where the energy is not known.
  std::optional<double> joules_per_token() const;
};

struct GenerationEvent {
  enum class Kind {
    kToken,
    kDone,   // the last event
    kError,  // the last event
    // From a Scheduler only:
    kPrompt,   // a part of the prompt was read
    kWaiting,  // there is no memory now; it goes on when others give some up
    kShift,    // tokens were dropped to make room
  };
  Kind kind = Kind::kToken;

  // Valid UTF-8. With kToken what this token made certain: empty while a character or what may be a
  // stop string is not complete. With kDone what was held back and is text after all.
  std::string text;

  // With kToken. Log-probabilities as asked for by SamplerOptions::logprobs.
  TokenId token = -1;
  float logprob = 0;
  std::vector<TokenLogprob> top_logprobs;

  // With kDone.
  StopReason reason = StopReason::kRunning;
  std::string stop_string;  // with kStopString: which
  // Whether the text is one of its constraint; true without one. Not told of a text that a stop
  // string has cut: false.
  bool complete = true;

  // With kError; the message also with kWaiting.
  ErrorCode error_code = ErrorCode::kInvalidArgument;
  bool out_of_memory = false;  // the machine's, not a bound
  std::string message;

  // With kPrompt: tokens read, of how many.
  int64_t prompt_done = 0;
  int64_t prompt_total = 0;

  ContextShift shift;  // with kShift
};

}  // namespace minim
