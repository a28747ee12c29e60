#include "train/data/document_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace minim::train {
namespace {

constexpr size_t kFillBytes = size_t{1} << 20;
constexpr size_t kArrayBytesMax = size_t{256} << 20;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\f\v") == std::string_view::npos;
}

// The size of a front of `text` that ends between characters, at most one shorter than all of it.
size_t whole_characters(std::string_view text) {
  size_t end = text.size();
  while (end > 1 && text.size() - end < 4 && (static_cast<uint8_t>(text[end - 1]) & 0xC0) == 0x80) {
    --end;
  }
  const bool starts = end > 1 && static_cast<uint8_t>(text[end - 1]) >= 0xC0;
  return starts ? end - 1 : text.size();
}

}  // namespace

DocumentReader::DocumentReader(std::vector<Path> files, const DocumentReaderOptions& options)
    : files_(std::move(files)), options_(options) {
  MINIM_CHECK(options_.split != TextSplit::kSeparator || !options_.separator.empty());
  MINIM_CHECK(options_.document_bytes_max >= 16);
  for (const Path& file : files_) {
    std::error_code ignored;  // opening the file says what is wrong with it
    const auto size = std::filesystem::file_size(file, ignored);
    bytes_total_ += ignored ? 0 : size;
  }
}

uint64_t DocumentReader::bytes_read() const {
  return bytes_done_ + (reader_ ? reader_->bytes_read() : 0);
}

// Moves to the next file inside the data files; false: that was the last.
bool DocumentReader::open_member() {
  for (;;) {
    if (reader_ && reader_->next()) break;
    if (reader_) bytes_done_ += reader_->bytes_read();
    reader_.reset();
    if (next_file_ == files_.size()) return false;
    reader_ = std::make_unique<MemberReader>(files_[next_file_++]);
  }
  buffer_.clear();
  begin_ = 0;
  line_ = 1;
  ended_ = false;
  in_member_ = true;
  while (!ended_ && rest().size() < kByteOrderMark.size()) fill();
  if (rest().starts_with(kByteOrderMark)) begin_ += kByteOrderMark.size();
  if (options_.format != DocumentFormat::kText) {
    size_t at = 0;
    while ((at = rest().find_first_not_of(" \t\r\n")) == std::string_view::npos && fill()) {
    }
    if (at != std::string_view::npos && rest()[at] == '[') read_array();
  }
  return true;
}

// Appends to the buffer; false: the member has ended.
bool DocumentReader::fill() {
  if (ended_) return false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t size = buffer_.size();
  buffer_.resize(size + kFillBytes);
  const size_t count = reader_->read(std::span(buffer_).subspan(size));
  buffer_.resize(size + count);
  ended_ = count == 0;
  return !ended_;
}

void DocumentReader::read_array() {
  while (fill()) {
    if (rest().size() <= kArrayBytesMax) continue;
    throw Error(ErrorCode::kLimit,
                fmt::format("data: '{}' is a JSON array of more than 256 MiB; write an object a "
                            "line instead",
                            reader_->name()));
  }
  const OrderedJson array =
      parse_ordered_json(rest(), reader_->name(), {.bytes_max = kArrayBytesMax});
  begin_ = buffer_.size();
  element_ = 0;
  for (auto it = array.rbegin(); it != array.rend(); ++it) elements_.push_back(it->dump());
}

// Hands out rest()[0, end) and drops rest()[0, after).
void DocumentReader::take(size_t end, size_t after, RawDocument& document) {
  document.bytes.assign(rest().substr(0, end));
  document.origin = fmt::format("{}:{}", reader_->name(), line_);
  document.too_long = false;
  const std::string_view dropped = rest().substr(0, after);
  line_ += static_cast<uint64_t>(std::count(dropped.begin(), dropped.end(), '\n'));
  begin_ += after;
}

// The front of a document that is longer than it may be; false: it is not.
bool DocumentReader::cut(RawDocument& document) {
  if (rest().size() <= options_.document_bytes_max) return false;
  const std::string_view front = rest().substr(0, options_.document_bytes_max);
  const size_t line_end = front.rfind('\n');
  const bool has_line = line_end != std::string_view::npos && line_end >= front.size() / 2;
  const size_t end = has_line ? line_end + 1 : whole_characters(front);
  take(end, end, document);
  ++documents_cut_;
  return true;
}

// At a separator, or the end of the member.
bool DocumentReader::next_separated(RawDocument& document) {
  const std::string& separator = options_.separator;
  const bool separates = options_.split == TextSplit::kSeparator;
  size_t searched = 0;
  for (;;) {
    const size_t at = separates ? rest().find(separator, searched) : std::string_view::npos;
    if (at != std::string_view::npos && at <= options_.document_bytes_max) {
      take(at, at + separator.size(), document);
      return true;
    }
    if (cut(document)) return true;
    searched = rest().size() - std::min(rest().size(), separator.size());
    if (fill()) continue;
    in_member_ = false;
    take(rest().size(), rest().size(), document);
    return true;
  }
}

// The end of the line at `end` without its "\n", and where the next one begins; false: there are
// no more lines.
bool DocumentReader::next_line(size_t& end, size_t& after) {
  const size_t start = after;
  size_t searched = start;
  for (;;) {
    const size_t at = rest().find('\n', searched);
    if (at != std::string_view::npos) {
      end = at;
      after = at + 1;
      return true;
    }
    searched = rest().size();
    if (rest().size() > options_.document_bytes_max || !fill()) break;
  }
  end = after = rest().size();
  return end > start;
}

bool DocumentReader::next_paragraph(RawDocument& document) {
  size_t end = 0, after = 0;
  for (;;) {
    const size_t start = after;
    if (!next_line(end, after)) {
      in_member_ = false;
      take(start, after, document);
      return true;
    }
    if (end > options_.document_bytes_max && cut(document)) return true;
    if (is_blank(rest().substr(start, end - start))) {
      take(start, after, document);
      return true;
    }
    if (options_.split == TextSplit::kLine) {
      take(end, after, document);
      return true;
    }
  }
}

// The next line that is not blank.
bool DocumentReader::next_object(RawDocument& document) {
  for (;;) {
    size_t end = 0, after = 0;
    if (!next_line(end, after)) {
      in_member_ = false;
      return false;
    }
    const bool blank = is_blank(rest().substr(0, end));
    take(std::min(end, options_.document_bytes_max), after, document);
    if (blank) continue;
    if (end <= options_.document_bytes_max) return true;
    document.too_long = true;
    // The line goes on; its rest is of no use either.
    while (buffer_[begin_ - 1] != '\n' && next_line(end, after = 0)) {
      RawDocument ignored;
      take(0, after, ignored);
    }
    return true;
  }
}

bool DocumentReader::next_element(RawDocument& document) {
  document.bytes = std::move(elements_.back());
  document.origin = fmt::format("{}: element {}", reader_->name(), ++element_);
  document.too_long = document.bytes.size() > options_.document_bytes_max;
  elements_.pop_back();
  return true;
}

bool DocumentReader::next(RawDocument& document) {
  for (;;) {
    if (!elements_.empty()) return next_element(document);
    if (!in_member_ && !open_member()) return false;
    if (!elements_.empty()) continue;
    if (options_.format != DocumentFormat::kText) {
      if (next_object(document)) return true;
      continue;
    }
    const bool by_lines =
        options_.split == TextSplit::kLine || options_.split == TextSplit::kBlankLine;
    return by_lines ? next_paragraph(document) : next_separated(document);
  }
}

}  // namespace minim::train
