#include "serve/engine/answer_parts.h"

#include <utility>

namespace minim::serve {

AnswerParts::AnswerParts(const Options& options) {
  if (options.reasoning) reasoning_.emplace(options.reasoning_begun);
  if (options.tool_calls) calls_.emplace(*options.tool_calls, options.tools, options.pieces);
}

void AnswerParts::add_answer(ToolCallParser::Output output, std::vector<AnswerPart>& parts) {
  if (!output.text.empty()) {
    parts.push_back({.kind = AnswerPart::Kind::kText, .text = std::move(output.text)});
  }
  for (ParsedToolCall& call : output.calls) {
    parts.push_back({.kind = AnswerPart::Kind::kToolCall, .piece = std::move(call)});
  }
}

void AnswerParts::add(std::string text, AnswerPart::Kind kind, std::vector<AnswerPart>& parts) {
  if (text.empty()) return;
  if (calls_ && kind == AnswerPart::Kind::kText) return add_answer(calls_->push(text), parts);
  parts.push_back({.kind = kind, .text = std::move(text)});
}

std::vector<AnswerPart> AnswerParts::push(std::string_view piece) {
  std::vector<AnswerPart> parts;
  if (!reasoning_) {
    add(std::string(piece), AnswerPart::Kind::kText, parts);
    return parts;
  }
  for (ReasoningSplit::Part& part : reasoning_->feed(piece)) {
    add(std::move(part.text),
        part.reasoning ? AnswerPart::Kind::kReasoning : AnswerPart::Kind::kText, parts);
  }
  return parts;
}

std::vector<AnswerPart> AnswerParts::finish() {
  std::vector<AnswerPart> parts;
  if (reasoning_) {
    for (ReasoningSplit::Part& part : reasoning_->finish()) {
      add(std::move(part.text),
          part.reasoning ? AnswerPart::Kind::kReasoning : AnswerPart::Kind::kText, parts);
    }
  }
  if (calls_) add_answer(calls_->finish(), parts);
  return parts;
}

}  // namespace minim::serve
