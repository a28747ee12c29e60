// Tokens as events with their text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/generation_event.h"
#include "runtime/text_output.h"
#include "runtime/token_chooser.h"

namespace minim {

struct TextGeneratorOptions {
  GeneratorOptions generator;
  std::vector<std::string> stop_strings;  // the text ends before the first of them
  DecodeOptions decode;
};

// One for each text.
class TextEvents {
 public:
  // Throws kInvalidArgument for stop strings that make no sense.
  TextEvents(std::shared_ptr<const Tokenizer> tokenizer, const TextGeneratorOptions& options)
      : output_(std::move(tokenizer), options.stop_strings, options.decode) {}

  // Of a token that `sampler` has chosen last.
  GenerationEvent token(TokenId token, const Sampler& sampler);
  // Whether a stop string has ended the text.
  bool stopped() const { return output_.stopped().has_value(); }
  // The end of the text, for that reason or a stop string; `complete` as in GenerationEvent.
  // REQUIRES: called once.
  GenerationEvent done(StopReason reason, bool complete);

 private:
  TextOutput output_;
};

}  // namespace minim
