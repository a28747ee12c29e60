#include "train/data/table_rows.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "train/data/document_text.h"

namespace minim::train {
namespace {

Error bad(std::string what) { return Error(ErrorCode::kFormat, std::move(what)); }

Error wrong_width(size_t fields, const std::vector<std::string>& columns) {
  std::string names;
  for (const std::string& column : columns) names += (names.empty() ? "" : ", ") + column;
  return bad(
      fmt::format("it has {} fields, and there are {} columns: {}", fields, columns.size(), names));
}

// One field in quotes at the front of `rest`, which it is taken from.
Result<std::string> take_quoted(std::string_view& rest, std::string_view delimiter) {
  std::string field;
  rest.remove_prefix(1);
  for (;;) {
    const size_t quote = rest.find('"');
    if (quote == std::string_view::npos) return bad("a quote that is opened is not closed");
    field += rest.substr(0, quote);
    rest.remove_prefix(quote + 1);
    if (!rest.starts_with('"')) break;
    field += '"';
    rest.remove_prefix(1);
  }
  if (!rest.empty() && !rest.starts_with(delimiter)) {
    return bad(fmt::format("'{}' follows a field in quotes, where '{}' or the end should",
                           rest.substr(0, 1), delimiter));
  }
  return field;
}

}  // namespace

std::string guess_delimiter(std::string_view first_line) {
  return first_line.find('\t') == std::string_view::npos ? "," : "\t";
}

bool has_quotes(std::string_view delimiter) { return delimiter == "," || delimiter == ";"; }

bool ends_in_quotes(std::string_view text) {
  return std::count(text.begin(), text.end(), '"') % 2 == 1;
}

Result<std::vector<std::string>> split_row(std::string_view row, std::string_view delimiter) {
  std::vector<std::string> fields;
  const bool quotes = has_quotes(delimiter);
  for (;;) {
    if (quotes && row.starts_with('"')) {
      Result<std::string> field = take_quoted(row, delimiter);
      if (!field) return field.error();
      fields.push_back(std::move(field).value());
    } else {
      const size_t end = std::min(row.find(delimiter), row.size());
      fields.emplace_back(row.substr(0, end));
      row.remove_prefix(end);
    }
    if (row.empty()) return fields;
    row.remove_prefix(delimiter.size());
  }
}

Result<std::vector<std::string>> read_column_names(std::string_view row,
                                                   std::string_view delimiter) {
  Result<std::vector<std::string>> fields = split_row(row, delimiter);
  if (!fields) return fields;
  std::vector<std::string> names;
  for (const std::string& field : fields.value()) {
    std::string name(trim_text(field));
    if (name.empty()) return bad("a column has no name");
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return bad(fmt::format("two columns are called '{}'", name));
    }
    names.push_back(std::move(name));
  }
  return names;
}

Result<OrderedJson> row_record(const std::vector<std::string>& columns,
                               std::vector<std::string> fields) {
  if (fields.size() != columns.size()) return wrong_width(fields.size(), columns);
  OrderedJson record = OrderedJson::object();
  for (size_t i = 0; i < fields.size(); ++i) record[columns[i]] = std::move(fields[i]);
  return record;
}

Result<OrderedJson> block_record(const std::vector<std::string>& columns,
                                 std::vector<std::vector<std::string>> rows) {
  OrderedJson record = OrderedJson::object();
  for (const std::string& column : columns) record[column] = OrderedJson::array();
  for (std::vector<std::string>& fields : rows) {
    if (fields.size() != columns.size()) return wrong_width(fields.size(), columns);
    for (size_t i = 0; i < fields.size(); ++i) record[columns[i]].push_back(std::move(fields[i]));
  }
  return record;
}

Result<OrderedJson> array_record(const std::vector<std::string>& columns, const OrderedJson& row) {
  if (!row.is_array()) return bad("it is no array, which 'columns' are for");
  if (row.size() != columns.size()) return wrong_width(row.size(), columns);
  OrderedJson record = OrderedJson::object();
  for (size_t i = 0; i < row.size(); ++i) record[columns[i]] = row[i];
  return record;
}

}  // namespace minim::train
