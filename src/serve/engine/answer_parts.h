// What a model says, taken apart while it is said: reasoning, tool calls, and the answer itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/reasoning_split.h"
#include "text/tools/tool_call_parser.h"

namespace minim::serve {

struct AnswerPart {
  enum class Kind { kText, kReasoning, kToolCall };
  Kind kind = Kind::kText;
  std::string text;
  ParsedToolCall piece;  // with kToolCall
};

class AnswerParts {
 public:
  struct Options {
    bool reasoning = true;                               // tells <think> apart
    bool reasoning_begun = false;                        // the prompt ended with <think>
    std::optional<ToolNotation> tool_calls;              // tells calls apart that are written so
    ToolList tools;                                      // those that can be called
    ToolCallPieces pieces = ToolCallPieces::kAsWritten;  // of the calls
  };

  explicit AnswerParts(const Options& options);

  // However the text is cut, the parts put together are the same.
  std::vector<AnswerPart> push(std::string_view piece);
  std::vector<AnswerPart> finish();

 private:
  void add(std::string text, AnswerPart::Kind kind, std::vector<AnswerPart>& parts);
  void add_answer(ToolCallParser::Output output, std::vector<AnswerPart>& parts);

  std::optional<ReasoningSplit> reasoning_;
  std::optional<ToolCallParser> calls_;
};

}  // namespace minim::serve
