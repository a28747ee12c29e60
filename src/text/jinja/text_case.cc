#include "text/jinja/text_case.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "text/jinja/text_case_exceptions.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

const CaseException* find_exception(char32_t code) {
  if (code < 0xDF) return nullptr;
  const auto* found = std::lower_bound(
      std::begin(kCaseExceptions), std::end(kCaseExceptions), code,
      [](const CaseException& entry, char32_t wanted) { return entry.code < wanted; });
  return found != std::end(kCaseExceptions) && found->code == code ? found : nullptr;
}

void append_all(const char32_t* codes, std::string& out) {
  for (; *codes != 0; ++codes) append_utf8(*codes, out);
}

void append_upper(char32_t code, std::string& out) {
  if (const CaseException* exception = find_exception(code)) {
    append_all(exception->upper, out);
  } else {
    append_utf8(static_cast<char32_t>(utf8proc_toupper(static_cast<int32_t>(code))), out);
  }
}

void append_title(char32_t code, std::string& out) {
  const CaseException* exception = find_exception(code);
  if (exception != nullptr && exception->title[0] != 0) {
    append_all(exception->title, out);
  } else {
    append_utf8(static_cast<char32_t>(utf8proc_totitle(static_cast<int32_t>(code))), out);
  }
}

utf8proc_category_t category(char32_t code) {
  return utf8proc_category(static_cast<int32_t>(code));
}

bool is_cased(char32_t code) {
  return is_upper(code) || is_lower(code) || category(code) == UTF8PROC_CATEGORY_LT;
}

// Unicode's Case_Ignorable, near enough for the one rule that asks.
bool is_case_ignorable(char32_t code) {
  switch (category(code)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: break;
  }
  return code == '\'' || code == '.' || code == ':' || code == 0xB7 || code == 0x2019;
}

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> codes;
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = utf8_at(text, i);
    codes.push_back(character.code);
    i += character.length;
  }
  return codes;
}

// A capital sigma at the end of a word has a small form of its own (SpecialCasing.txt).
bool is_final_sigma(const std::vector<char32_t>& codes, size_t at) {
  size_t before = at;
  while (before > 0 && is_case_ignorable(codes[before - 1])) --before;
  if (before == 0 || !is_cased(codes[before - 1])) return false;
  size_t after = at + 1;
  while (after < codes.size() && is_case_ignorable(codes[after])) ++after;
  return after == codes.size() || !is_cased(codes[after]);
}

void append_lower(const std::vector<char32_t>& codes, size_t at, std::string& out) {
  const char32_t code = codes[at];
  if (code == 0x3A3) return append_utf8(is_final_sigma(codes, at) ? 0x3C2 : 0x3C3, out);
  if (code == 0x130) {
    out += "i\u0307";
    return;
  }
  append_utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<int32_t>(code))), out);
}

}  // namespace

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t code : code_points(text)) append_upper(code, out);
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const std::vector<char32_t> codes = code_points(text);
  for (size_t i = 0; i < codes.size(); ++i) append_lower(codes, i, out);
  return out;
}

std::string to_title(std::string_view text) {
  std::string out;
  const std::vector<char32_t> codes = code_points(text);
  bool in_word = false;
  for (size_t i = 0; i < codes.size(); ++i) {
    if (in_word) {
      append_lower(codes, i, out);
    } else {
      append_title(codes[i], out);
    }
    in_word = is_cased(codes[i]);
  }
  return out;
}

std::string to_capitalized(std::string_view text) {
  std::string out;
  const std::vector<char32_t> codes = code_points(text);
  if (codes.empty()) return out;
  append_title(codes[0], out);
  for (size_t i = 1; i < codes.size(); ++i) append_lower(codes, i, out);
  return out;
}

std::string to_swapped_case(std::string_view text) {
  std::string out;
  const std::vector<char32_t> codes = code_points(text);
  for (size_t i = 0; i < codes.size(); ++i) {
    if (is_upper(codes[i])) {
      append_lower(codes, i, out);
    } else if (is_lower(codes[i])) {
      append_upper(codes[i], out);
    } else {
      append_utf8(codes[i], out);
    }
  }
  return out;
}

std::string to_folded_case(std::string_view text) {
  std::string out;
  for (const char32_t code : code_points(text)) {
    utf8proc_int32_t folded[8];
    int boundary = 0;
    const auto count = utf8proc_decompose_char(static_cast<int32_t>(code), folded, 8,
                                               UTF8PROC_CASEFOLD, &boundary);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      append_utf8(static_cast<char32_t>(folded[i]), out);
    }
  }
  return out;
}

bool is_space(char32_t code) {
  if (code < 0x80)
    return code == ' ' || (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x1F);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_letter(char32_t code) {
  const utf8proc_category_t kind = category(code);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t code) { return category(code) == UTF8PROC_CATEGORY_ND; }

bool is_digit(char32_t code) {
  return is_decimal(code) || code == 0xB2 || code == 0xB3 || code == 0xB9 || code == 0x2070 ||
         (code >= 0x2074 && code <= 0x2079) || (code >= 0x2080 && code <= 0x2089) ||
         (code >= 0x2460 && code <= 0x2468);
}

bool is_numeric(char32_t code) {
  const utf8proc_category_t kind = category(code);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
         kind == UTF8PROC_CATEGORY_NO;
}

bool is_word(char32_t code) { return code == '_' || is_letter(code) || is_numeric(code); }

bool is_upper(char32_t code) { return utf8proc_isupper(static_cast<int32_t>(code)) != 0; }
bool is_lower(char32_t code) { return utf8proc_islower(static_cast<int32_t>(code)) != 0; }

int decimal_value(char32_t code) {
  if (code < 0x80) return code >= '0' && code <= '9' ? static_cast<int>(code - '0') : -1;
  if (!is_decimal(code)) return -1;
  if (code >= 0x1D7CE && code <= 0x1D7FF) return static_cast<int>((code - 0x1D7CE) % 10);
  // Unicode keeps each script's ten digits together and in order.
  int below = 0;
  while (below < 9 && is_decimal(code - static_cast<char32_t>(below) - 1)) ++below;
  return below;
}

bool is_upper_text(std::string_view text) {
  bool found = false;
  for (const char32_t code : code_points(text)) {
    if (is_lower(code) || category(code) == UTF8PROC_CATEGORY_LT) return false;
    found = found || is_upper(code);
  }
  return found;
}

bool is_lower_text(std::string_view text) {
  bool found = false;
  for (const char32_t code : code_points(text)) {
    if (is_upper(code) || category(code) == UTF8PROC_CATEGORY_LT) return false;
    found = found || is_lower(code);
  }
  return found;
}

bool is_title_text(std::string_view text) {
  bool found = false;
  bool in_word = false;
  for (const char32_t code : code_points(text)) {
    const bool capital = is_upper(code) || category(code) == UTF8PROC_CATEGORY_LT;
    if (capital ? in_word : (is_lower(code) && !in_word)) return false;
    in_word = is_cased(code);
    found = found || in_word;
  }
  return found;
}

}  // namespace minim::jinja
