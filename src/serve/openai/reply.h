// What the responses to chat and to plain completions share: an id, the fields of every object, and
// how a stream begins, fails and ends.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "serve/call.h"
#include "serve/engine/generation.h"
#include "serve/openai/generated_text.h"
#include "serve/openai/generation_fields.h"

namespace minim::serve {

struct OpenAiReplyOptions {
  const char* object = "";     // "chat.completion"
  const char* id_prefix = "";  // "chatcmpl-"
  StreamFields stream;
};

class OpenAiReply : public GenerationReply {
 public:
  OpenAiReply(const Call& call, std::shared_ptr<ServedModel> model,
              const OpenAiReplyOptions& options);

  void finish() override;
  void fail(const Refusal& refusal) override;

 protected:
  // Of a response that is no stream.
  virtual OrderedJson choices() = 0;

  const Tokenizer& tokenizer() const { return *model_->tokenizer(); }
  bool streams() const { return options_.stream.stream; }
  void count(size_t prompt, const GenerationStatistics& statistics) {
    usage_.add(prompt, statistics);
  }
  // Sends a chunk with one choice, given as JSON.
  void send_choice(std::string_view choice);
  bool begun() const { return call_.exchange->started(); }

 private:
  std::string head(const char* object) const;
  void send_chunk(std::string_view rest);
  void respond_whole();

  const Call call_;
  const std::shared_ptr<ServedModel> model_;
  const OpenAiReplyOptions options_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::string head_;  // the fields that every object begins with, after its brace
  Usage usage_;
};

}  // namespace minim::serve
