// A conversation and the session of the model that answers in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cli/adapter_options.h"
#include "cli/chat/conversation.h"
#include "cli/public_api.h"

namespace minim::cli {

struct ChatSessionOptions {
  v1::Overflow overflow = v1::Overflow::kShift;
  // For models without a chat template: turns as lines that begin with "User:" and "Assistant:".
  bool generic_template = false;
  AdapterOptions adapters;
  const v1::Constraint* constraint = nullptr;  // what answers are held to; null: nothing
};

// Where the conversation outgrows the context and the overflow is kShift, its oldest exchanges are
// no longer told to the model, so many that half of the context is free again: that cuts at the end
// of an answer, where the session itself could only cut tokens out of the middle.
class ChatSession {
 public:
  // Throws Error(kUnsupported) for a model without a template unless the generic one is wanted.
  ChatSession(const v1::Model& model, const ChatSessionOptions& options);

  struct Prompt {
    size_t forgotten = 0;          // turns that the model no longer sees, since the last call
    bool reasoning_begun = false;  // the template ends with <think>
  };
  // Makes the session hold the conversation, whose last turn is the user's. REQUIRES:
  // conversation.waits_for_answer(). Throws v1::Error(kLimit) where it does not fit.
  Prompt prepare(Conversation& conversation);

  // What follows. Generic templates end it where the model would go on for the user.
  v1::Generation generate(const v1::Sampling& sampling, int64_t tokens_max);
  void cancel() { session_.cancel(); }

  // Another session of the same model, which holds nothing.
  void clear();
  // What was shifted has to be read again anyway: then it is a session that holds nothing.
  std::vector<std::byte> save() const {
    return shifted_ ? new_session().save_bytes() : session_.save_bytes();
  }
  // Throws v1::Error and leaves everything as it was.
  void load(std::span<const std::byte> bytes);
  // The session told that it dropped tokens: what it holds is no beginning of the conversation.
  void note_shift() { shifted_ = true; }

  int64_t length() const { return session_.length(); }
  int64_t context_tokens() const { return context_tokens_; }
  // Of the prompt of the last generate(): what was held already, and what was found elsewhere.
  int64_t reused_tokens() const;
  v1::SessionStatistics statistics() const { return session_.statistics(); }

 private:
  bool set(const Conversation& conversation);
  void set_generic(const Conversation& conversation);
  v1::Session new_session() const;

  const v1::Model& model_;
  ChatSessionOptions options_;
  int64_t context_tokens_;
  Adapters adapters_;
  v1::Session session_;
  int64_t prompt_length_ = 0;
  bool shifted_ = false;
};

// The conversation as the generic template writes it.
std::string generic_chat_text(const Conversation& conversation);

}  // namespace minim::cli
