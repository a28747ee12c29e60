#include "cli/markdown_lines.h"

#include <algorithm>

namespace minim::cli {
namespace {

enum class Answer { kNo, kYes, kMore };

size_t count_front(std::string_view text, char c) {
  return std::min(text.size(), text.find_first_not_of(c));
}

// The whole line has to be there: `code` may begin with three backticks too.
Answer is_fence(std::string_view text, bool complete) {
  if (text[0] != '`' && text[0] != '~') return Answer::kNo;
  const size_t run = count_front(text, text[0]);
  if (run == text.size() && !complete) return Answer::kMore;
  if (run < 3 || (text[0] == '`' && text.find('`', run) != std::string_view::npos)) {
    return Answer::kNo;
  }
  return complete ? Answer::kYes : Answer::kMore;
}

Answer is_heading(std::string_view text, bool complete) {
  const size_t run = count_front(text, '#');
  if (run == 0 || run > 6) return Answer::kNo;
  if (run == text.size()) return complete ? Answer::kNo : Answer::kMore;
  return text[run] == ' ' ? Answer::kYes : Answer::kNo;
}

Answer is_rule(std::string_view text, bool complete) {
  if (text[0] != '-' && text[0] != '*' && text[0] != '_') return Answer::kNo;
  const char marks[] = {text[0], ' ', '\0'};
  if (text.find_first_not_of(marks) != std::string_view::npos) return Answer::kNo;
  if (!complete) return Answer::kMore;
  return std::count(text.begin(), text.end(), text[0]) >= 3 ? Answer::kYes : Answer::kNo;
}

Answer is_bullet(std::string_view text, bool complete) {
  if (text[0] != '-' && text[0] != '*' && text[0] != '+') return Answer::kNo;
  if (text.size() == 1) return complete ? Answer::kNo : Answer::kMore;
  return text[1] == ' ' ? Answer::kYes : Answer::kNo;
}

Answer is_quote(std::string_view text, bool complete) {
  if (text[0] != '>') return Answer::kNo;
  // A space after it belongs to it.
  return text.size() == 1 && !complete ? Answer::kMore : Answer::kYes;
}

}  // namespace

MarkdownLine markdown_line(std::string_view text, bool quoted, bool complete) {
  if (text.empty()) return complete ? MarkdownLine::kText : MarkdownLine::kUndecided;
  const struct {
    Answer answer;
    MarkdownLine line;
  } rows[] = {
      {quoted ? Answer::kNo : is_fence(text, complete), MarkdownLine::kFence},
      {is_heading(text, complete), MarkdownLine::kHeading},
      {is_rule(text, complete), MarkdownLine::kRule},
      {is_bullet(text, complete), MarkdownLine::kBullet},
      {is_quote(text, complete), MarkdownLine::kQuote},
      {text[0] == '|' ? Answer::kYes : Answer::kNo, MarkdownLine::kTable},
  };
  for (const auto& row : rows) {
    if (row.answer == Answer::kMore) return MarkdownLine::kUndecided;
    if (row.answer == Answer::kYes) return row.line;
  }
  return MarkdownLine::kText;
}

}  // namespace minim::cli
