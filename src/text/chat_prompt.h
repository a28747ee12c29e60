// A conversation as the tokens that a model was trained on: the model's template around what people
// wrote, where text that looks like a special token stays text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace minim {

class ChatPrompt {
 public:
  // Throws kUnsupported where the vocabulary has no chat template, and what ChatTemplate throws.
  explicit ChatPrompt(std::shared_ptr<const Tokenizer> tokenizer);

  // `variables` as for ChatTemplate::render(); bos_token and eos_token are set here. Throws what
  // that throws, and kInvalidArgument for text with the noncharacters U+FDD0 or U+FDD1.
  std::vector<TokenId> encode(OrderedJson variables, int64_t now) const;
  // What encode() turns into tokens.
  std::string render(OrderedJson variables, int64_t now) const;

 private:
  OrderedJson complete(OrderedJson variables) const;
  void mark_special(OrderedJson& value) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  ChatTemplate template_;
  SpecialTokenMatcher matcher_;
};

}  // namespace minim
