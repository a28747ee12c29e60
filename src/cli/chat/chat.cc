#include "cli/chat/chat.h"

#include <fmt/core.h>
#include <unistd.h>

#include <utility>

#include "base/error.h"
#include "cli/chat/message_joiner.h"
#include "text/utf8.h"

namespace minim::cli {
namespace {

constexpr int32_t kPollMilliseconds = 50;  // how soon Ctrl-C is seen while an answer is written

}  // namespace

Chat::Chat(const v1::Model& model, ChatSampling sampling, ChatSignals& signals, ChatOptions options)
    : model_(model),
      sampling_(std::move(sampling)),
      signals_(signals),
      options_(std::move(options)),
      screen_(options_.screen),
      input_(STDIN_FILENO, signals),
      history_(options_.history && screen_.interactive() ? default_history_path() : Path()),
      session_(model, options_.session) {
  conversation_.system = options_.system;
  if (!screen_.interactive()) return;
  const auto complete = [this](std::string_view line) {
    return complete_chat_line(line, sampling_.names());
  };
  editor_ = std::make_unique<LineEditor>(input_, complete);
  for (const std::string& entry : history_.load()) editor_->remember(entry);
}

void Chat::run() {
  if (!options_.load.empty() && !guarded([&] { load(options_.load); })) return;
  if (screen_.interactive()) {
    screen_.remark(fmt::format("{}: context of {} tokens; /help lists the commands, Ctrl-D leaves",
                               options_.model_path, session_.context_tokens()));
  }
  if (!options_.message.empty()) handle(options_.message);
  while (!leaving_ && !signals_.ending() && take_turn()) {
  }
  screen_.end_line();
}

// Whether `work` was done.
template <typename Work>
bool Chat::guarded(Work&& work) {
  if (!screen_.interactive()) {
    work();
    return true;
  }
  try {
    work();
    return true;
  } catch (const v1::Error& error) {
    screen_.error(error.what());
  } catch (const Error& error) {
    screen_.error(error.what());
  }
  return false;
}

bool Chat::take_turn() {
  const auto text = read_message({});
  return text && handle(*text);
}

bool Chat::handle(const std::string& text) {
  guarded([&] {
    if (const auto command = parse_chat_command(text)) {
      leaving_ = !act(*command);
    } else if (text.find_first_not_of(" \t\n") != std::string::npos) {
      Conversation before = conversation_;
      conversation_.turns.push_back({true, replace_invalid_utf8(chat_message(text)), false});
      attempt_ = 0;
      answer(std::move(before));
    }
  });
  return !leaving_;
}

InputLine Chat::read_line(bool continued, std::string_view prefill) {
  const double share =
      static_cast<double>(session_.length()) / static_cast<double>(session_.context_tokens());
  if (editor_) return editor_->read(screen_.prompt(share, continued), prefill);
  return read_plain_line(input_);
}

// A whole message; nothing where the input ends or the program is asked to.
std::optional<std::string> Chat::read_message(std::string_view prefill) {
  MessageJoiner joiner;
  for (;;) {
    InputLine line = read_line(joiner.open(), prefill);
    prefill = {};
    if (line.outcome == InputEvent::kInterrupt) {
      if (!editor_) throw Error(ErrorCode::kCancelled, "chat: stopped");
      screen_.write("\n");
      if (!joiner.open() && line.text.empty()) screen_.remark("Ctrl-D or /quit leaves");
      joiner.take();
      continue;
    }
    if (line.outcome != InputEvent::kByte) {
      if (editor_) screen_.write("\n");
      // A script may end within a message.
      if (line.outcome == InputEvent::kEnd && joiner.open()) return joiner.take();
      return std::nullopt;
    }
    if (!joiner.add(line.text)) continue;
    std::string text = joiner.take();
    if (editor_ && !text.empty()) {
      editor_->remember(text);
      history_.append(text);
      if (!history_.problem().empty() && !std::exchange(history_told_, true)) {
        screen_.remark("history: " + history_.problem() + "; what you type is not kept");
      }
    }
    return text;
  }
}

void Chat::answer(Conversation before) {
  Answer answer;
  try {
    const ChatSession::Prompt prompt = session_.prepare(conversation_);
    if (prompt.forgotten > 0) {
      screen_.remark(fmt::format(
          "the context of {} tokens is full: the model no longer sees the first {} exchange{}{}",
          session_.context_tokens(), conversation_.forgotten / 2,
          conversation_.forgotten == 2 ? "" : "s",
          std::exchange(overflow_told_, true) ? "" : "; --overflow chooses what happens then"));
    }
    answer = generate(prompt.reasoning_begun);
  } catch (...) {
    conversation_ = std::move(before);
    throw;
  }
  conversation_.turns.push_back({false, std::move(answer.text), answer.cut});
}

void Chat::answer_again() {
  if (conversation_.turns.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "chat: nothing was said yet that could be answered");
  }
  Conversation before = conversation_;
  if (!conversation_.waits_for_answer()) conversation_.turns.pop_back();
  answer(std::move(before));
}

Chat::Answer Chat::generate(bool reasoning_begun) {
  const EchoOff echo(screen_.interactive());
  signals_.take_interrupt();
  Answer answer;
  bool interrupted = false;
  // What the template said for the model is part of what it said.
  if (reasoning_begun) answer.text = "<think>\n";
  AnswerView view(answer_style(), reasoning_begun);
  v1::Generation generation =
      session_.generate(sampling_.for_attempt(attempt_), options_.tokens_max);
  for (;;) {
    const v1::Event& event = generation.next(kPollMilliseconds);
    if (signals_.take_interrupt()) {
      interrupted = true;
      session_.cancel();
    }
    if (signals_.ending()) session_.cancel();
    answer.text += event.type == v1::EventType::kToken || event.type == v1::EventType::kDone
                       ? event.text
                       : std::string_view();
    show_event(event, view);
    if (event.type != v1::EventType::kDone) continue;
    screen_.write(view.finish());
    screen_.end_line();
    tell_end(event);
    answer.cut = event.reason == v1::DoneReason::kCancelled ||
                 event.reason == v1::DoneReason::kTokensMax ||
                 event.reason == v1::DoneReason::kContextFull;
    break;
  }
  // Without a person who could go on, the program stops.
  if (interrupted && !screen_.interactive()) throw Error(ErrorCode::kCancelled, "chat: stopped");
  // The generic template has this space before an answer already.
  if (options_.session.generic_template && answer.text.starts_with(' ')) answer.text.erase(0, 1);
  return answer;
}

// What answers are held to is for programs: nothing of it is Markdown.
AnswerStyle Chat::answer_style() const {
  const bool styled = screen_.answer_style() == AnswerStyle::kStyled;
  return styled && options_.session.constraint != nullptr ? AnswerStyle::kPlain
                                                          : screen_.answer_style();
}

void Chat::show_event(const v1::Event& event, AnswerView& view) {
  const auto remark = [&](std::string_view text) {
    screen_.write(view.pause());
    screen_.remark(text);
  };
  switch (event.type) {
    case v1::EventType::kToken:
    case v1::EventType::kDone: screen_.write(view.feed(event.text)); break;
    case v1::EventType::kProgress:
      if (event.done < event.total) {
        screen_.status(fmt::format("reading {} of {} tokens", event.done, event.total));
      }
      break;
    case v1::EventType::kContextOverflow:
      session_.note_shift();
      remark(fmt::format(
          "the context is full: {} tokens from its middle are forgotten{}", event.total,
          std::exchange(overflow_told_, true) ? "" : "; --overflow chooses what happens then"));
      break;
    case v1::EventType::kBackendFallback:
    case v1::EventType::kThermal: remark(event.detail); break;
    default: break;
  }
}

void Chat::tell_end(const v1::Event& event) {
  switch (event.reason) {
    case v1::DoneReason::kCancelled: screen_.remark("stopped"); break;
    case v1::DoneReason::kTokensMax:
      screen_.remark(fmt::format("cut after {} tokens, as --tokens says", options_.tokens_max));
      break;
    case v1::DoneReason::kContextFull:
      screen_.remark(
          fmt::format("cut: the context of {} tokens is full; /undo or /clear make room, "
                      "--overflow shift goes on",
                      session_.context_tokens()));
      break;
    default: break;
  }
  if (options_.session.constraint != nullptr && !event.complete) {
    screen_.remark("the answer ended before it was whole by --schema, --regex or --grammar");
  }
}

}  // namespace minim::cli
