// Rows of delimited text (CSV, TSV and their like) to records.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace minim::train {

// What is between the fields of a table whose first line this is: a tab, or else a comma.
std::string guess_delimiter(std::string_view first_line);

// Fields of tables with a comma or semicolon between them may be in quotes (RFC 4180), which
// doubled stand for themselves. In all other tables a quote is a character like any other.
bool has_quotes(std::string_view delimiter);

// Whether a field in quotes is still open at the end of `text`.
bool ends_in_quotes(std::string_view text);

// The fields of a row, which has no line end. The error says what is wrong with it (kFormat).
// REQUIRES: a delimiter that is not empty.
Result<std::vector<std::string>> split_row(std::string_view row, std::string_view delimiter);

// The names that a first line gives: none empty, none twice, "name" without white space around.
Result<std::vector<std::string>> read_column_names(std::string_view row,
                                                   std::string_view delimiter);

// {"column": "field", ...}. The error says how the row does not fit.
Result<OrderedJson> row_record(const std::vector<std::string>& columns,
                               std::vector<std::string> fields);

// {"column": ["field of the first row", ...], ...}. REQUIRES: one row at least.
Result<OrderedJson> block_record(const std::vector<std::string>& columns,
                                 std::vector<std::vector<std::string>> rows);

// An array as a record: its elements are the columns.
Result<OrderedJson> array_record(const std::vector<std::string>& columns, const OrderedJson& row);

}  // namespace minim::train
