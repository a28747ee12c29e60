// A conversation with a model at a terminal, or over plain lines where there is none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/chat/answer_view.h"
#include "cli/chat/chat_command.h"
#include "cli/chat/chat_sampling.h"
#include "cli/chat/chat_screen.h"
#include "cli/chat/chat_session.h"
#include "cli/chat/chat_signals.h"
#include "cli/chat/conversation.h"
#include "cli/chat/history_file.h"
#include "cli/chat/input_bytes.h"
#include "cli/chat/line_editor.h"

namespace minim::cli {

struct ChatOptions {
  ChatSessionOptions session;
  ChatScreenOptions screen;
  std::string model_path;  // its name, for people
  std::string system;
  std::string load;         // a saved chat to begin with
  std::string message;      // the first one; empty: none
  int64_t tokens_max = -1;  // of an answer
  bool history = true;      // keep what is typed
};

// At a terminal, an error is shown and the chat goes on. Elsewhere it ends the chat: what follows
// in a script may depend on what failed.
class Chat {
 public:
  // `model` and `signals` must outlive this.
  Chat(const v1::Model& model, ChatSampling sampling, ChatSignals& signals, ChatOptions options);

  // Until the input ends, /quit, or a signal asks to leave.
  void run();

 private:
  // Whether to go on.
  bool take_turn();
  bool handle(const std::string& text);
  bool act(const ChatCommand& command);
  std::optional<std::string> read_message(std::string_view prefill);
  InputLine read_line(bool continued, std::string_view prefill);
  template <typename Work>
  bool guarded(Work&& work);

  // Answers the last message. On an error `before` is restored.
  void answer(Conversation before);
  void answer_again();
  struct Answer {
    std::string text;
    bool cut = false;
  };
  Answer generate(bool reasoning_begun);
  AnswerStyle answer_style() const;
  void show_event(const v1::Event& event, AnswerView& view);
  void tell_end(const v1::Event& event);

  // What commands do.
  void save(const std::string& path);
  void load(const std::string& path);
  void undo();
  void edit(std::string text);
  void set_system(const std::string& text);
  void set_option(const std::string& argument);
  void show_statistics();
  void export_to(const std::string& path);
  void show_help();
  void clear();

  const v1::Model& model_;
  ChatSampling sampling_;
  ChatSignals& signals_;
  ChatOptions options_;
  ChatScreen screen_;
  InputBytes input_;
  HistoryFile history_;
  std::unique_ptr<LineEditor> editor_;  // at a terminal
  ChatSession session_;
  Conversation conversation_;
  uint64_t attempt_ = 0;  // of answers to the last message
  bool overflow_told_ = false;
  bool history_told_ = false;
  bool leaving_ = false;
};

// "model.gguf: 12 tokens at ..." for /stats, in lines.
std::string chat_statistics_text(const ChatSession& session, const v1::Model& model,
                                 const Conversation& conversation);

}  // namespace minim::cli
