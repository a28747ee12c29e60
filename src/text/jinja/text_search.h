// Operations on text that filters and string methods share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/sandbox.h"

namespace minim::jinja {

// Where `wanted` first (or last) begins at or after `from`; npos if nowhere. Linear in the text,
// whatever the two are made of, and paid for here beyond what reading the text costs.
size_t find_text(Sandbox& box, std::string_view text, std::string_view wanted, size_t from = 0);
size_t find_text_from_end(Sandbox& box, std::string_view text, std::string_view wanted);

// Python's strip(): white space where `characters` is none, else any of its characters.
std::string_view strip(Sandbox& box, std::string_view text, const Value& characters, bool left,
                       bool right);

// str.replace(); a negative count replaces all.
std::string replace_all(Sandbox& box, std::string_view text, std::string_view old,
                        std::string_view replacement, int64_t count);

// str.splitlines()
std::vector<std::string_view> split_lines(Sandbox& box, std::string_view text, bool keep_ends);

enum class Alignment { kLeft, kRight, kCenter };
// str.ljust(), rjust(), center(). REQUIRES: `text` is a string.
Value justify(Sandbox& box, const Value& text, int64_t width, std::string_view fill,
              Alignment alignment);

}  // namespace minim::jinja
