// What a model says, taken apart while it is said: reasoning, tool calls, and the answer itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/reasoning_split.h"

namespace minim::serve {

struct AnswerPart {
  enum class Kind { kText, kReasoning, kToolCall };
  Kind kind = Kind::kText;
  std::string text;  // of a call: {"name": ..., "arguments": {...}}
};

class AnswerParts {
 public:
  struct Options {
    bool reasoning = true;         // tells <think> apart
    bool reasoning_begun = false;  // the prompt ended with <think>
    bool is_call = false;          // all of it is one call
  };

  explicit AnswerParts(const Options& options);

  // However the text is cut, the parts put together are the same.
  std::vector<AnswerPart> push(std::string_view piece);
  std::vector<AnswerPart> finish();

 private:
  void add(std::string text, AnswerPart::Kind kind, std::vector<AnswerPart>& parts) const;

  const Options options_;
  std::optional<ReasoningSplit> reasoning_;
  std::string call_;  // with is_call
};

}  // namespace minim::serve
