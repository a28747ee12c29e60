// Documents to tokens: what is read from a document, and which of its tokens a model learns to say.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_prompt.h"
#include "text/tokenizer.h"
#include "train/data/document_text.h"

namespace minim::train {

// The token that a document begins with.
enum class BeginToken {
  kAuto,  // BOS where the vocabulary adds one, otherwise none
  kNone,
  kBos,
  kEos,
};

// Which answers of a conversation count.
enum class LearnedAnswers { kAll, kLast };

struct DocumentEncoderOptions {
  DocumentFormat format = DocumentFormat::kText;
  std::vector<std::string> fields = {"text"};  // JSON: those that there are, a blank line between
  bool trim = true;                            // no white space around a text
  BeginToken begin = BeginToken::kAuto;        // of texts; templates write their own
  bool end = true;                             // texts end with EOS
  LearnedAnswers answers = LearnedAnswers::kAll;
  int64_t now = 0;  // the time that a chat template sees
  // Documents as fields of a question and its answer, in Jinja: then each is a conversation.
  std::vector<std::string> prompts;
  std::string answer;
  // With prompts: the field whose text decides what is held out together, and which documents are
  // copies; empty: the whole document.
  std::string held_out_by;

  // Documents become conversations.
  bool chats() const { return format == DocumentFormat::kChat || !prompts.empty(); }
};

struct EncodedDocument {
  std::vector<int32_t> tokens;
  std::vector<bool> learned;  // as many as tokens, or empty: all of them
  uint64_t text_hash = 0;     // of the text alone, whatever the tokenizer
  uint64_t text_bytes = 0;
  std::optional<Defect> defect;  // then there are no tokens
  std::string problem;           // in words, where there is more to say
};

// Immutable and safe to share between threads.
class DocumentEncoder {
 public:
  // Throws kInvalidArgument where the vocabulary lacks a token that is asked for, kUnsupported
  // where conversations meet a vocabulary without a chat template, and what ExampleTemplate throws.
  DocumentEncoder(std::shared_ptr<const Tokenizer> tokenizer,
                  const DocumentEncoderOptions& options);

  EncodedDocument encode(const RawDocument& document) const;

 private:
  EncodedDocument encode_text(std::string_view text) const;
  EncodedDocument encode_chat(const RawDocument& raw) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  DocumentEncoderOptions options_;
  std::optional<int32_t> begin_token_, end_token_;
  std::optional<ChatPrompt> chat_;
  std::optional<ExampleTemplate> examples_;
};

}  // namespace minim::train
