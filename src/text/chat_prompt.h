// A conversation as the tokens that a model was trained on: the model's template around what people
// wrote, where text that looks like a special token stays text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace minim {

// A stretch of a conversation: what the model is given, or what it is to say.
struct ChatPiece {
  std::vector<TokenId> tokens;
  bool is_answer = false;
};

class ChatPrompt {
 public:
  // Throws kUnsupported where the vocabulary has no chat template, and what ChatTemplate throws.
  explicit ChatPrompt(std::shared_ptr<const Tokenizer> tokenizer);

  // `variables` as for ChatTemplate::render(); bos_token and eos_token are set here. Throws what
  // that throws, and kInvalidArgument for text with the noncharacters U+FDD0 or U+FDD1.
  std::vector<TokenId> encode(OrderedJson variables, int64_t now) const;
  // A conversation to learn from, cut where the answers of the assistant begin and end. The tokens
  // before an answer are those that encode() gives for the messages before it when it is asked for
  // an answer, so that the model meets in use what it learnt from. An answer ends with the token
  // that ends generation, where the template writes one. Throws what encode() throws, and
  // kUnsupported where the template changes earlier turns or does not put an answer right behind
  // what asks for it.
  std::vector<ChatPiece> encode_turns(OrderedJson variables, int64_t now) const;
  // What encode() turns into tokens.
  std::string render(OrderedJson variables, int64_t now) const;

 private:
  OrderedJson complete(OrderedJson variables) const;
  void mark_special(OrderedJson& value) const;
  std::string render_front(const OrderedJson& variables, size_t message_count, bool asks,
                           int64_t now) const;
  void append_tokens(std::string_view marked, bool& is_text, std::vector<TokenId>& tokens) const;
  void end_answer(std::vector<ChatPiece>& pieces) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  ChatTemplate template_;
  SpecialTokenMatcher matcher_;
};

}  // namespace minim
