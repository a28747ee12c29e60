// Turns a stream of tokens into text without ever splitting a UTF-8 character.
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace minim {

// The pieces put together are Tokenizer::decode() of all tokens, with U+FFFD for bytes that are not
// UTF-8. (WordPiece's clean_spaces needs the whole text and is not applied.)
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer,
                         const DecodeOptions& options = {});

  // The text that is complete now: valid UTF-8, possibly empty.
  std::string push(TokenId token);
  // What was held back: U+FFFD for each byte of a character that was never completed. The decoder
  // then stands at the beginning of a text again.
  std::string finish();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  DecodeOptions options_;
  std::string held_;  // at most three bytes between calls
  bool begins_ = true;
};

}  // namespace minim
