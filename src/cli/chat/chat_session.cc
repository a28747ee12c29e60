#include "cli/chat/chat_session.h"

#include <algorithm>

#include "base/error.h"

namespace minim::cli {
namespace {

constexpr const char* kUser = "User:";
constexpr const char* kAssistant = "Assistant:";
constexpr std::string_view kThink = "<think>", kThinkEnd = "\n\n</think>\n\n";
// An answer wants this many tokens, or a quarter of a context that is small.
constexpr int64_t kAnswerTokens = 256;

bool ends_in_reasoning(std::string_view prompt) {
  const size_t last = prompt.find_last_not_of(" \n");
  return last != std::string_view::npos && prompt.substr(0, last + 1).ends_with(kThink);
}

}  // namespace

std::string generic_chat_text(const Conversation& conversation) {
  std::string text;
  if (!conversation.system.empty()) text += conversation.system + "\n\n";
  for (size_t i = conversation.forgotten; i < conversation.turns.size(); ++i) {
    const Turn& turn = conversation.turns[i];
    text += std::string(turn.by_user ? kUser : kAssistant) + " " + turn.text + "\n";
  }
  if (conversation.waits_for_answer()) text += kAssistant;
  return text;
}

ChatSession::ChatSession(const v1::Model& model, const ChatSessionOptions& options)
    : model_(model),
      options_(options),
      context_tokens_(model.info().context_tokens),
      adapters_(model, options.adapters),
      session_(new_session()) {
  if (model.info().has_chat_template == 0 && !options.generic_template) {
    throw Error(ErrorCode::kUnsupported,
                "chat: this model has no chat template: it continues texts and was not made to "
                "converse. minim run does that; --generic-template chats all the same, in lines "
                "that begin with \"User:\" and \"Assistant:\"");
  }
}

v1::Session ChatSession::new_session() const {
  v1::Session session(model_, {.overflow = options_.overflow});
  adapters_.give(session);
  return session;
}

void ChatSession::clear() {
  session_ = new_session();
  shifted_ = false;
}

void ChatSession::load(std::span<const std::byte> bytes) {
  session_.load_bytes(bytes);
  shifted_ = false;
}

ChatSession::Prompt ChatSession::prepare(Conversation& conversation) {
  MINIM_CHECK(conversation.waits_for_answer());
  int64_t room = context_tokens_ - std::min(kAnswerTokens, context_tokens_ / 4);
  const bool shifts = options_.overflow == v1::Overflow::kShift;
  Prompt prompt;
  for (;;) {
    // The last message stays, whatever its length.
    const bool can_forget = shifts && conversation.forgotten + 2 < conversation.turns.size();
    try {
      prompt.reasoning_begun = set(conversation);
      if (!can_forget || session_.length() <= room) return prompt;
    } catch (const v1::Error& error) {
      if (error.status() != v1::Status::kLimit || !can_forget) throw;
    }
    conversation.forgotten += 2;
    prompt.forgotten += 2;
    // So much that it need not be done again soon: what comes after the gap is read anew.
    room = context_tokens_ / 2;
  }
}

bool ChatSession::set(const Conversation& conversation) {
  if (options_.generic_template) {
    set_generic(conversation);
    return false;
  }
  const std::string messages =
      message_list(conversation).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  session_.chat_json(messages);
  shifted_ = false;
  const bool reasoning_begun = ends_in_reasoning(model_.chat_text(messages));
  if (!reasoning_begun || options_.constraint == nullptr) return reasoning_begun;
  // What an answer is held to begins at once.
  session_.append(kThinkEnd, {.add_special = false, .parse_special = true});
  return false;
}

void ChatSession::set_generic(const Conversation& conversation) {
  const std::vector<int32_t> tokens = model_.tokenize(generic_chat_text(conversation));
  const std::vector<int32_t> held = shifted_ ? std::vector<int32_t>() : session_.tokens();
  const auto same = std::mismatch(held.begin(), held.end(), tokens.begin(), tokens.end()).first;
  // One token at least is read, for what follows it.
  const size_t kept =
      std::min(static_cast<size_t>(same - held.begin()), std::max<size_t>(tokens.size(), 1) - 1);
  if (shifted_) {
    clear();
  } else if (kept < held.size()) {
    session_.rewind(static_cast<int64_t>(kept));
  }
  session_.append(std::span(tokens).subspan(kept));
}

v1::Generation ChatSession::generate(const v1::Sampling& sampling, int64_t tokens_max) {
  prompt_length_ = session_.length();
  const v1::GenerateOptions options = {.tokens_max = tokens_max, .constraint = options_.constraint};
  if (!options_.generic_template) return session_.generate(sampling, options);
  v1::Sampling with_stop = sampling.clone();
  with_stop.add_stop(std::string("\n") + kUser);
  return session_.generate(with_stop, options);
}

int64_t ChatSession::reused_tokens() const {
  const v1::SessionStatistics statistics = session_.statistics();
  return prompt_length_ - (statistics.prompt_tokens - statistics.reused_tokens);
}

}  // namespace minim::cli
