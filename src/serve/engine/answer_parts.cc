#include "serve/engine/answer_parts.h"

#include <utility>

namespace minim::serve {

AnswerParts::AnswerParts(const Options& options) : options_(options) {
  if (options.is_call) return;
  if (options.reasoning) reasoning_.emplace(options.reasoning_begun);
}

void AnswerParts::add(std::string text, AnswerPart::Kind kind,
                      std::vector<AnswerPart>& parts) const {
  if (!text.empty()) parts.push_back({kind, std::move(text)});
}

std::vector<AnswerPart> AnswerParts::push(std::string_view piece) {
  std::vector<AnswerPart> parts;
  if (options_.is_call) {
    call_ += piece;
  } else if (reasoning_) {
    for (ReasoningSplit::Part& part : reasoning_->feed(piece)) {
      add(std::move(part.text),
          part.reasoning ? AnswerPart::Kind::kReasoning : AnswerPart::Kind::kText, parts);
    }
  } else {
    add(std::string(piece), AnswerPart::Kind::kText, parts);
  }
  return parts;
}

std::vector<AnswerPart> AnswerParts::finish() {
  std::vector<AnswerPart> parts;
  if (options_.is_call) {
    add(std::exchange(call_, {}), AnswerPart::Kind::kToolCall, parts);
    return parts;
  }
  if (reasoning_) {
    for (ReasoningSplit::Part& part : reasoning_->finish()) {
      add(std::move(part.text),
          part.reasoning ? AnswerPart::Kind::kReasoning : AnswerPart::Kind::kText, parts);
    }
  }
  return parts;
}

}  // namespace minim::serve
