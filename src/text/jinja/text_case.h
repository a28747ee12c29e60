// Letter case and character classes of Unicode, as Python's str methods see them.
#pragma once

#include <string>
#include <string_view>

namespace minim::jinja {

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);        // str.title()
std::string to_capitalized(std::string_view text);  // str.capitalize()
std::string to_swapped_case(std::string_view text);
std::string to_folded_case(std::string_view text);

bool is_space(char32_t code);   // str.isspace(), and \s of Python's regular expressions
bool is_letter(char32_t code);  // str.isalpha()
bool is_decimal(char32_t code);
bool is_digit(char32_t code);
bool is_numeric(char32_t code);
bool is_word(char32_t code);  // \w of Python's regular expressions
bool is_upper(char32_t code);
bool is_lower(char32_t code);
int decimal_value(char32_t code);  // 0 to 9, or -1

// Whether the text has a cased letter and all of its cased letters are of this case.
bool is_upper_text(std::string_view text);
bool is_lower_text(std::string_view text);
bool is_title_text(std::string_view text);

}  // namespace minim::jinja
