// The long strings of a JSON text, taken out before a parser reads it byte by byte: a prompt of
// megabytes is one of them, and little besides.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minim::serve {

struct ShortenedJson {
  std::string text;  // with "" in place of each long string
  // Their values, by which string of the text each is, names of members counted too.
  std::map<size_t, std::string> strings;
  // A long string is none: the text has it from where it is wrong on, so that whoever parses it
  // finds the same mistake.
  bool is_broken = false;

  // Where a byte of `text` stands in the text that it was made of.
  size_t original_position(size_t position) const;

  std::vector<std::pair<size_t, size_t>> cuts;  // positions in `text`, and the bytes left out there
};

// Nothing where no string is longer than so many bytes. Right for valid JSON; of any other text,
// what it gives is wrong at the same place, or before.
std::optional<ShortenedJson> shorten_strings(std::string_view json, size_t bytes_max);

}  // namespace minim::serve
