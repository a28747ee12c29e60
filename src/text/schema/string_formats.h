// The formats of JSON Schema that are regular languages.
#pragma once

#include <optional>
#include <string_view>

namespace minim {

// A regular expression for the whole string, or nothing for a format that is not known. Dates know
// the lengths of months and leap years.
std::optional<std::string_view> format_pattern(std::string_view format);

// The names that are known: "date, date-time, ...".
std::string_view format_names();

}  // namespace minim
