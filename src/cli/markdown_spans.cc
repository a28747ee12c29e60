#include "cli/markdown_spans.h"

#include <algorithm>

#include "cli/markdown_stream.h"
#include "text/utf8.h"

namespace minim::cli {
namespace {

constexpr size_t kRunMax = 3;  // *, **, ***

bool is_space(char32_t c) { return c == ' ' || c == '\t' || c == 0xA0 || c == 0x3000; }

bool is_ascii_word(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_name_character(char c) { return c == '_' || is_ascii_word(static_cast<unsigned char>(c)); }

size_t run_length(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && text[end] == text[at]) ++end;
  return end - at;
}

char32_t character_at(std::string_view text, size_t at) {
  return at < text.size() ? utf8_at(text, at).code : 0;
}

// Whether emphasis may begin between these characters. Scripts without spaces between words need *
// within them; _ never begins there.
bool can_open(char mark, char32_t previous, char32_t next) {
  static constexpr std::u32string_view kOpening = U"([{\"'-:,.;|>“‘«„¿¡—–";
  if (next == 0 || is_space(next) || next == static_cast<char32_t>(mark)) return false;
  if (previous == 0 || is_space(previous)) return true;
  if (kOpening.find(previous) != std::u32string_view::npos) return mark == '*' || next != '{';
  return mark == '*' && previous >= 0x80;
}

bool can_close(char mark, char32_t previous, char32_t next) {
  if (previous == 0 || is_space(previous) || is_ascii_word(next)) return false;
  return mark == '*' || (next != '{' && next < 0x80);
}

// A place in a line, or why there is none.
struct Place {
  enum { kFound, kNone, kMore } state = kNone;
  size_t at = 0;
};

// The run of exactly `length` backticks from `at` on.
Place find_backticks(std::string_view line, size_t at, size_t length, bool complete) {
  while ((at = line.find('`', at)) != std::string_view::npos) {
    const size_t run = run_length(line, at);
    if (at + run == line.size() && !complete) return {Place::kMore};
    if (run == length) return {Place::kFound, at};
    at += run;
  }
  return {complete ? Place::kNone : Place::kMore};
}

// Where the emphasis of `length` marks that begins before `at` ends.
Place find_closing(std::string_view line, size_t at, size_t length, bool complete) {
  const size_t begin = at;
  const char mark = line[at - 1];
  while (at < line.size()) {
    const char c = line[at];
    const size_t run = c == '`' || c == mark ? run_length(line, at) : 1;
    if (at + run == line.size() && (run > 1 || c == '`' || c == mark || c == '\\') && !complete) {
      return {Place::kMore};
    }
    if (c == '\\') {
      at += 2;
      continue;
    }
    if (c == '`') {
      const Place end = find_backticks(line, at + run, run, complete);
      if (end.state == Place::kMore) return end;
      at = end.state == Place::kFound ? end.at + run : at + run;
      continue;
    }
    if (c == mark && at > begin &&
        can_close(mark, last_character(line.substr(0, at)), character_at(line, at + run))) {
      // Three marks may end an inner span and this one.
      if (run == length || (run == kRunMax && length < kRunMax)) {
        return {Place::kFound, at + run - length};
      }
    }
    at += run;
  }
  return {complete ? Place::kNone : Place::kMore};
}

MarkdownSpan plain(std::string_view line, size_t bytes) { return {bytes, line.substr(0, bytes)}; }

MarkdownSpan escape(std::string_view line, bool complete) {
  static constexpr std::string_view kEscaped = "*_`#~";
  if (line.size() < 2) return complete ? plain(line, 1) : MarkdownSpan{};
  // Other backslashes belong to formulas and paths more often than to Markdown.
  if (kEscaped.find(line[1]) == std::string_view::npos) return plain(line, 1);
  return {2, line.substr(1, 1)};
}

MarkdownSpan inline_code(std::string_view line, bool complete) {
  const size_t run = run_length(line, 0);
  if (run == line.size() && !complete) return {};
  const Place end = find_backticks(line, run, run, complete);
  if (end.state == Place::kMore) return {};
  if (end.state == Place::kNone) return plain(line, run);
  std::string_view inner = line.substr(run, end.at - run);
  const bool padded = inner.size() > 2 && inner.front() == ' ' && inner.back() == ' ' &&
                      inner.find_first_not_of(' ') != std::string_view::npos;
  if (padded) inner = inner.substr(1, inner.size() - 2);
  return {end.at + run, inner, kCode};
}

MarkdownSpan emphasis(std::string_view line, char32_t previous, bool complete) {
  const size_t run = run_length(line, 0);
  if (run == line.size() && !complete) return {};
  if (run > kRunMax || !can_open(line[0], previous, character_at(line, run))) {
    return plain(line, run);
  }
  const Place end = find_closing(line, run, run, complete);
  if (end.state == Place::kMore) return {};
  if (end.state == Place::kNone) return plain(line, run);
  const std::string_view inner = line.substr(run, end.at - run);
  // __init__ is a name of Python's far more often than a bold word.
  if (line[0] == '_' && run == 2 && std::all_of(inner.begin(), inner.end(), is_name_character)) {
    return plain(line, end.at + run);
  }
  static constexpr uint8_t kStyles[] = {0, kItalic, kBold, kBold | kItalic};
  return {end.at + run, inner, kStyles[run]};
}

}  // namespace

char32_t last_character(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(4, text.size()); ++back) {
    const Utf8Character character = utf8_at(text, text.size() - back);
    if (character.valid && character.length == back) return character.code;
  }
  return text.empty() ? 0 : kReplacementCharacter;
}

MarkdownSpan next_markdown_span(std::string_view line, char32_t previous, bool complete) {
  // A span is looked for in a window, so that a mark without a partner holds up little.
  const std::string_view window = line.substr(0, MarkdownStream::kSpanBytesMax);
  const bool decided = complete || line.size() >= MarkdownStream::kSpanBytesMax;
  switch (line[0]) {
    case '\\': return escape(window, decided);
    case '`': return inline_code(window, decided);
    case '*':
    case '_': return emphasis(window, previous, decided);
    default: return plain(line, std::min(line.size(), line.find_first_of("\\`*_")));
  }
}

}  // namespace minim::cli
