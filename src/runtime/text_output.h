// Generated tokens as text that can be handed out: whole characters, and nothing of a stop string.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/stop_strings.h"
#include "text/stream_decoder.h"

namespace minim {

// One for each sequence. The pieces put together are the decoded tokens up to the stop string.
class TextOutput {
 public:
  // Throws kInvalidArgument for stop strings that make no sense.
  explicit TextOutput(std::shared_ptr<const Tokenizer> tokenizer,
                      std::vector<std::string> stop_strings = {}, const DecodeOptions& options = {})
      : decoder_(std::move(tokenizer), options), stops_(std::move(stop_strings)) {}

  // The text that is certain now: valid UTF-8, often empty or more than this token's.
  std::string push(TokenId token) { return stops_.push(decoder_.push(token)); }
  // The string that ended the text; the tokens after it are none of it.
  std::optional<std::string_view> stopped() const { return stops_.stopped(); }
  // There are no more tokens: what was held back. REQUIRES: !stopped().
  std::string finish() {
    std::string text = stops_.push(decoder_.finish());
    return stopped() ? text : text + stops_.finish();
  }

 private:
  StreamDecoder decoder_;
  StopStrings stops_;
};

}  // namespace minim
