#include "train/data/document_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/result.h"
#include "text/utf8.h"
#include "train/data/document_text.h"
#include "train/data/table_rows.h"

namespace minim::train {
namespace {

constexpr size_t kFillBytes = size_t{1} << 20;
constexpr size_t kJsonBytesMax = size_t{256} << 20;
constexpr std::string_view kReplacement = "\xef\xbf\xbd";
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

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Makes a record of the row, or says how it is none.
void hand_out(Result<OrderedJson> record, RawDocument& document) {
  if (record) {
    document.bytes = record.value().dump();
  } else {
    document.problem = record.error().what();
  }
}

// The arrays of rows in `json`, and their keys: itself where no `keys` are asked for.
std::vector<std::pair<std::string, const OrderedJson*>> json_rows(
    const OrderedJson& json, const std::vector<std::string>& keys, const std::string& origin) {
  if (keys.empty()) return {{"", &json}};
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kFormat, fmt::format("data: '{}' {}", origin, what));
  };
  if (!json.is_object()) refuse("is no JSON object, whose keys 'rows' names");
  std::vector<std::pair<std::string, const OrderedJson*>> found;
  std::string known;
  for (const auto& [key, value] : json.items()) {
    known += (known.empty() ? "" : ", ") + key;
    if (keys.front() == "*") found.emplace_back(key, &value);
  }
  for (const std::string& key : keys) {
    if (key == "*") continue;
    if (!json.contains(key)) refuse(fmt::format("has no '{}'; it has {}", key, known));
    found.emplace_back(key, &json.at(key));
  }
  for (const auto& [key, array] : found) {
    if (!array->is_array()) refuse(fmt::format("has no array under '{}'", key));
  }
  return found;
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
  separated_ = false;
  in_member_ = true;
  while (!ended_ && rest().size() < kByteOrderMark.size()) fill();
  if (rest().starts_with(kByteOrderMark)) begin_ += kByteOrderMark.size();
  if (options_.format == DocumentFormat::kTable) {
    begin_table();
  } else if (options_.format != DocumentFormat::kText) {
    begin_json();
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

// Takes a member that is not an object a line.
void DocumentReader::begin_json() {
  size_t at = 0;
  while ((at = rest().find_first_not_of(" \t\r\n")) == std::string_view::npos && fill()) {
  }
  const bool is_array = at != std::string_view::npos && rest()[at] == '[';
  if (!is_array && options_.rows.empty()) return;
  while (fill()) {
    if (rest().size() <= kJsonBytesMax) continue;
    throw Error(ErrorCode::kLimit,
                fmt::format("data: '{}' is one JSON value of more than 256 MiB; write an object a "
                            "line instead",
                            reader_->name()));
  }
  // A few stray bytes cost their rows, not the file.
  damaged_ = !is_valid_utf8(rest());
  const OrderedJson json =
      damaged_ ? parse_ordered_json(replace_invalid_utf8(rest()), reader_->name(),
                                    {.bytes_max = 3 * kJsonBytesMax})
               : parse_ordered_json(rest(), reader_->name(), {.bytes_max = kJsonBytesMax});
  begin_ = buffer_.size();
  for (const auto& [key, array] : json_rows(json, options_.rows, reader_->name())) {
    add_elements(*array, key);
  }
  std::reverse(elements_.begin(), elements_.end());
}

void DocumentReader::add_elements(const OrderedJson& array, const std::string& key) {
  for (size_t i = 0; i < array.size(); ++i) {
    RawDocument& element = elements_.emplace_back();
    element.origin = fmt::format("{}: {}element {}", reader_->name(),
                                 key.empty() ? "" : "'" + key + "', ", i + 1);
    OrderedJson row = array[i];
    if (!options_.columns.empty()) {
      Result<OrderedJson> record = array_record(options_.columns, row);
      if (record) {
        row = std::move(record).value();
      } else {
        element.problem = record.error().what();
      }
    }
    if (!key.empty() && row.is_object() && !row.contains("key")) row["key"] = key;
    element.bytes = row.dump();
    // Not UTF-8, as it was.
    if (damaged_ && element.bytes.find(kReplacement) != std::string::npos) element.bytes += '\xff';
    element.too_long = element.bytes.size() > options_.document_bytes_max;
  }
}

// Learns the columns of a member.
void DocumentReader::begin_table() {
  size_t end = 0, after = 0;
  const bool has_line = next_line(end, after);
  const std::string_view line = without_line_end(rest().substr(0, end));
  delimiter_ = options_.delimiter.empty() ? guess_delimiter(line) : options_.delimiter;
  columns_ = options_.columns;
  if (!columns_.empty() || !has_line) return;
  Result<std::vector<std::string>> names = read_column_names(line, delimiter_);
  if (!names) {
    throw Error(ErrorCode::kFormat,
                fmt::format("data: {}:1 does not name the columns of the table: {}; give 'columns' "
                            "where it is no such line",
                            reader_->name(), names.error().what()));
  }
  columns_ = std::move(names).value();
  RawDocument ignored;
  take(end, after, ignored);
}

// Hands out rest()[0, end) and drops rest()[0, after).
void DocumentReader::take(size_t end, size_t after, RawDocument& document) {
  document.bytes.assign(rest().substr(0, end));
  document.origin = fmt::format("{}:{}", reader_->name(), line_);
  document.too_long = false;
  document.problem.clear();
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

// At a separator, or the end of the member; false: nothing but white space is left behind the last
// separator.
bool DocumentReader::next_separated(RawDocument& document) {
  const std::string& separator = options_.separator;
  const bool separates = options_.split == TextSplit::kSeparator;
  size_t searched = 0;
  for (;;) {
    const size_t at = separates ? rest().find(separator, searched) : std::string_view::npos;
    if (at != std::string_view::npos && at <= options_.document_bytes_max) {
      take(at, at + separator.size(), document);
      separated_ = true;
      return true;
    }
    if (cut(document)) return true;
    searched = rest().size() - std::min(rest().size(), separator.size());
    if (fill()) continue;
    in_member_ = false;
    if (separated_ && trim_text(rest()).empty()) return false;
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
  document = std::move(elements_.back());
  elements_.pop_back();
  return true;
}

// The next row that is not blank; a field in quotes may go over several lines.
bool DocumentReader::next_row(RawDocument& document) {
  for (;;) {
    size_t end = 0, after = 0;
    if (!next_line(end, after)) {
      in_member_ = false;
      return false;
    }
    if (is_blank(rest().substr(0, end))) {
      take(0, after, document);
      continue;
    }
    bool open = has_quotes(delimiter_) && ends_in_quotes(rest().substr(0, end));
    while (open && end <= options_.document_bytes_max) {
      const size_t begin = after;
      if (!next_line(end, after)) break;
      open = ends_in_quotes(rest().substr(begin, end - begin)) != open;
    }
    take(std::min(end, options_.document_bytes_max), after, document);
    document.too_long = end > options_.document_bytes_max;
    if (!document.too_long && is_valid_utf8(document.bytes)) {
      Result<std::vector<std::string>> fields =
          split_row(without_line_end(document.bytes), delimiter_);
      hand_out(fields ? row_record(columns_, std::move(fields).value()) : fields.error(), document);
    }
    return true;
  }
}

// The next rows that have no blank line between them.
bool DocumentReader::next_block(RawDocument& document) {
  for (;;) {
    next_paragraph(document);
    if (trim_text(document.bytes) != "") break;
    if (!in_member_) return false;
  }
  if (!is_valid_utf8(document.bytes)) return true;
  std::vector<std::vector<std::string>> rows;
  for (std::string_view lines = document.bytes; !lines.empty();) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    Result<std::vector<std::string>> fields =
        split_row(without_line_end(lines.substr(0, end)), delimiter_);
    if (!fields) {
      document.problem = fields.error().what();
      return true;
    }
    rows.push_back(std::move(fields).value());
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  hand_out(block_record(columns_, std::move(rows)), document);
  return true;
}

bool DocumentReader::next(RawDocument& document) {
  for (;;) {
    if (!elements_.empty()) return next_element(document);
    if (!in_member_ && !open_member()) return false;
    if (!elements_.empty()) continue;
    if (options_.format == DocumentFormat::kTable) {
      const bool blocks = options_.split == TextSplit::kBlankLine;
      if (blocks ? next_block(document) : next_row(document)) return true;
      continue;
    }
    if (options_.format != DocumentFormat::kText) {
      if (next_object(document)) return true;
      continue;
    }
    const bool by_lines =
        options_.split == TextSplit::kLine || options_.split == TextSplit::kBlankLine;
    if (by_lines) return next_paragraph(document);
    if (next_separated(document)) return true;
  }
}

}  // namespace minim::train
