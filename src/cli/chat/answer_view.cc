#include "cli/chat/answer_view.h"

namespace minim::cli {
namespace {

constexpr const char* kDimOn = "\x1b[2m";
constexpr const char* kStyleOff = "\x1b[0m";

}  // namespace

std::string AnswerView::feed(std::string_view text) {
  if (style_ == AnswerStyle::kAsIs) return std::string(text);
  if (style_ == AnswerStyle::kPlain) return safe_.feed(text);
  return render(split_.feed(text));
}

std::string AnswerView::finish() {
  if (style_ == AnswerStyle::kAsIs) return {};
  if (style_ == AnswerStyle::kPlain) return safe_.finish();
  std::string out = render(split_.finish());
  if (reasoning_) out += end_reasoning();
  return out + markdown_.finish();
}

std::string AnswerView::pause() {
  if (!dim_) return markdown_.pause();
  dim_ = false;
  return kStyleOff;
}

std::string AnswerView::render(const std::vector<ReasoningSplit::Part>& parts) {
  std::string out;
  for (const ReasoningSplit::Part& part : parts) {
    if (!part.reasoning) {
      if (reasoning_) out += end_reasoning() + "\n\n";
      out += markdown_.feed(part.text);
      continue;
    }
    if (!dim_) out += kDimOn;
    dim_ = reasoning_ = true;
    out += safe_.feed(part.text);
  }
  return out;
}

std::string AnswerView::end_reasoning() {
  reasoning_ = false;
  return safe_.finish() + pause();
}

}  // namespace minim::cli
