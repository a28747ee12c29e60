#include "cli/markdown_stream.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "cli/markdown_spans.h"

namespace minim::cli {
namespace {

constexpr size_t kRuleCells = 32;

std::string rule(size_t cells) {
  std::string line;
  for (size_t i = 0; i < cells; ++i) line += "─";
  return line;
}

std::string sgr(uint8_t style) {
  std::string codes = "\x1b[0";
  if (style & kBold) codes += ";1";
  if (style & kDim) codes += ";2";
  if (style & kItalic) codes += ";3";
  if (style & kUnderline) codes += ";4";
  if (style & kCode) codes += ";36";
  return codes + "m";
}

size_t count_front(std::string_view text, char c) {
  return std::min(text.size(), text.find_first_not_of(c));
}

// Whether a line of fenced code ends it; nothing where that cannot be told yet.
std::optional<bool> is_closing_fence(std::string_view line, char fence, size_t length,
                                     bool complete) {
  const std::string_view text = line.substr(count_front(line, ' '));
  const size_t run = count_front(text, fence);
  if (run + count_front(text.substr(run), ' ') != text.size()) return false;
  if (!complete) return std::nullopt;
  return run >= length;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = count_front(text, ' ');
  const size_t end = text.find_last_not_of(' ');
  return end == std::string_view::npos ? std::string_view() : text.substr(begin, end + 1 - begin);
}

}  // namespace

std::string MarkdownStream::feed(std::string_view piece) {
  pending_ += clean_.feed(piece);
  render(false);
  return std::exchange(out_, {});
}

std::string MarkdownStream::finish() {
  pending_ += clean_.finish();
  render(true);
  if (fence_ != 0) {
    if (line_begun_) emit("\n", 0);
    emit(rule(kRuleCells), kDim);
  }
  std::string rest = std::exchange(out_, {}) + pause();
  *this = MarkdownStream();
  return rest;
}

std::string MarkdownStream::pause() {
  return std::exchange(shown_, uint8_t{0}) == 0 ? std::string() : sgr(0);
}

void MarkdownStream::render(bool final) {
  bool enough = true;
  while (!pending_.empty() && enough) {
    const size_t newline = pending_.find('\n');
    const bool complete = final || newline != std::string::npos;
    // consume() changes pending_ while the parts of this line are read.
    const std::string line = pending_.substr(0, newline);
    if (line.empty() && place_ != Place::kCodeStart) {
      end_line();
    } else if (place_ == Place::kLineStart) {
      enough = begin_line(line, complete);
    } else if (place_ == Place::kCodeStart) {
      enough = begin_code_line(line, complete);
    } else if (place_ == Place::kText) {
      enough = continue_text(line, complete);
    } else {
      continue_raw(line);
    }
  }
}

void MarkdownStream::end_line() {
  consume(1);
  emit("\n", 0);
  place_ = fence_ != 0 ? Place::kCodeStart : Place::kLineStart;
  line_style_ = 0;
  quoted_ = false;
  previous_ = 0;
}

bool MarkdownStream::begin_line(std::string_view line, bool complete) {
  const size_t indent = std::min(line.size(), line.find_first_not_of(" \t"));
  // What is longer begins nothing that has to be seen whole.
  const bool over = line.size() >= kSpanBytesMax;
  MarkdownLine kind = markdown_line(line.substr(indent), quoted_, complete && !over);
  if (kind == MarkdownLine::kUndecided) {
    if (!over) return false;
    kind = MarkdownLine::kText;
  }
  begin_block(kind, line, indent);
  return true;
}

void MarkdownStream::begin_block(MarkdownLine kind, std::string_view line, size_t indent) {
  const std::string_view text = line.substr(indent);
  place_ = Place::kText;
  if (kind == MarkdownLine::kFence) {
    open_fence(text);
    consume(line.size());
    return;
  }
  if (kind == MarkdownLine::kRule) {
    emit(rule(kRuleCells), kDim);
    consume(line.size());
    return;
  }
  if (kind == MarkdownLine::kHeading) {
    const size_t level = count_front(text, '#');
    line_style_ = level <= 2 ? kBold | kUnderline : kBold;
    consume(indent + level + 1);
    return;
  }
  emit(line.substr(0, indent), 0);
  if (indent > 0) previous_ = ' ';
  if (kind == MarkdownLine::kBullet) {
    emit("• ", 0);
    consume(indent + 2);
    previous_ = ' ';
  } else if (kind == MarkdownLine::kQuote) {
    emit("│ ", kDim);
    consume(indent + (text.size() > 1 && text[1] == ' ' ? 2 : 1));
    quoted_ = true;
    place_ = Place::kLineStart;
  } else {
    consume(indent);
    if (kind == MarkdownLine::kTable) place_ = Place::kRaw;
  }
}

void MarkdownStream::open_fence(std::string_view fence) {
  fence_ = fence[0];
  fence_length_ = count_front(fence, fence_);
  const std::string_view language = trimmed(fence.substr(fence_length_));
  if (language.empty()) {
    emit(rule(kRuleCells), kDim);
    return;
  }
  const size_t used = language.size() + 4;
  emit("── " + std::string(language) + " " + rule(used < kRuleCells ? kRuleCells - used : 2), kDim);
}

bool MarkdownStream::begin_code_line(std::string_view line, bool complete) {
  const bool over = line.size() >= kSpanBytesMax;
  const std::optional<bool> closing =
      over ? false : is_closing_fence(line, fence_, fence_length_, complete);
  if (!closing) return false;
  if (*closing) {
    fence_ = 0;
    emit(rule(kRuleCells), kDim);
    consume(line.size());
    place_ = Place::kText;
  } else {
    place_ = Place::kRaw;
  }
  return true;
}

bool MarkdownStream::continue_text(std::string_view line, bool complete) {
  const MarkdownSpan span = next_markdown_span(line, previous_, complete);
  if (span.bytes == 0) return false;
  previous_ = last_character(line.substr(0, span.bytes));
  if (span.style == 0 || span.style == kCode) {
    emit(span.inner, line_style_ | span.style);
  } else {
    render_span(span.inner, line_style_ | span.style);
  }
  consume(span.bytes);
  return true;
}

void MarkdownStream::continue_raw(std::string_view line) {
  emit(line, 0);
  consume(line.size());
}

// Emphasis within emphasis; each call takes off at least two marks.
void MarkdownStream::render_span(std::string_view text, uint8_t style) {
  char32_t previous = 0;
  while (!text.empty()) {
    const MarkdownSpan span = next_markdown_span(text, previous, true);
    if (span.style == 0 || span.style == kCode) {
      emit(span.inner, style | span.style);
    } else {
      render_span(span.inner, style | span.style);
    }
    previous = last_character(text.substr(0, span.bytes));
    text.remove_prefix(span.bytes);
  }
}

void MarkdownStream::emit(std::string_view text, uint8_t style) {
  if (text.empty()) return;
  if (style != shown_) out_ += sgr(style);
  shown_ = style;
  out_ += text;
  line_begun_ = text.back() != '\n';
}

}  // namespace minim::cli
