#include "train/data/document_encoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace minim::train {
namespace {

EncodedDocument with_defect(Defect defect, std::string problem = {}) {
  EncodedDocument document;
  document.defect = defect;
  document.problem = std::move(problem);
  return document;
}

int32_t require(std::optional<int32_t> token, const char* name) {
  if (token) return *token;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("data: documents are to have the {} token, which the vocabulary lacks; "
                          "set 'begin: none' and 'end: false', or give it one",
                          name));
}

}  // namespace

DocumentEncoder::DocumentEncoder(std::shared_ptr<const Tokenizer> tokenizer,
                                 const DocumentEncoderOptions& options)
    : tokenizer_(std::move(tokenizer)), options_(options) {
  if (!options_.prompts.empty()) examples_.emplace(options_.prompts, options_.answer);
  if (options_.chats()) {
    chat_.emplace(tokenizer_);
    return;
  }
  const Vocabulary& vocabulary = tokenizer_->vocabulary();
  switch (options_.begin) {
    case BeginToken::kAuto:
      if (vocabulary.add_bos) begin_token_ = require(vocabulary.bos, "BOS");
      break;
    case BeginToken::kNone: break;
    case BeginToken::kBos: begin_token_ = require(vocabulary.bos, "BOS"); break;
    case BeginToken::kEos: begin_token_ = require(vocabulary.eos, "EOS"); break;
  }
  if (options_.end) end_token_ = require(vocabulary.eos, "EOS");
}

EncodedDocument DocumentEncoder::encode(const RawDocument& document) const {
  if (options_.chats()) return encode_chat(document);
  DocumentText read = read_document_text(document, options_.format, options_.fields);
  if (read.defect) return with_defect(*read.defect, std::move(read.problem));
  return encode_text(read.text);
}

EncodedDocument DocumentEncoder::encode_text(std::string_view text) const {
  if (options_.trim) text = trim_text(text);
  EncodedDocument document;
  document.text_hash = hash_document_text(text);
  document.text_bytes = text.size();
  if (begin_token_) document.tokens.push_back(*begin_token_);
  const auto tokens = tokenizer_->encode(text, {.add_special = false});
  document.tokens.insert(document.tokens.end(), tokens.begin(), tokens.end());
  if (end_token_) document.tokens.push_back(*end_token_);
  return document;
}

EncodedDocument DocumentEncoder::encode_chat(const RawDocument& raw) const {
  DocumentObject read = examples_
                            ? read_example(raw, options_.format, *examples_, options_.held_out_by)
                            : read_document_object(raw, DocumentFormat::kChat);
  if (read.defect) return with_defect(*read.defect, std::move(read.problem));
  std::vector<ChatPiece> pieces;
  try {
    pieces = chat_->encode_turns(std::move(read.object), options_.now);
  } catch (const Error& error) {
    // A template that cannot be used at all is no fault of the document.
    if (error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kFormat) throw;
    return with_defect(Defect::kNoChat, error.what());
  }
  EncodedDocument document;
  document.text_hash = read.text_hash;
  document.text_bytes = raw.bytes.size();
  size_t last = pieces.size();
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].is_answer && !pieces[i].tokens.empty()) last = i;
  }
  if (last == pieces.size()) return with_defect(Defect::kNoChat, "its answers are empty");
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto& [tokens, is_answer] = pieces[i];
    const bool learned = is_answer && (options_.answers == LearnedAnswers::kAll || i == last);
    document.tokens.insert(document.tokens.end(), tokens.begin(), tokens.end());
    document.learned.insert(document.learned.end(), tokens.size(), learned);
  }
  return document;
}

}  // namespace minim::train
