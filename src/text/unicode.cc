#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"

namespace minim {
namespace {

uint8_t class_of_category(utf8proc_category_t category) {
  switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return kLetterClass;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return kMarkClass;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return kNumberClass;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return kPunctuationClass;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO: return kSymbolClass;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return kSpaceClass;
    case UTF8PROC_CATEGORY_CN: return kUnassignedClass;
    default: return kControlClass;
  }
}

constexpr bool is_ascii_letter(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr std::array<uint8_t, 128> kAsciiClasses = [] {
  std::array<uint8_t, 128> classes{};
  for (char32_t c = 0; c < 128; ++c) {
    if (is_ascii_letter(c)) {
      classes[c] = kLetterClass;
    } else if (c >= '0' && c <= '9') {
      classes[c] = kNumberClass;
    } else if (c == ' ') {
      classes[c] = kSpaceClass;
    } else if (c < 0x20 || c == 0x7F) {
      classes[c] = uint8_t(c >= 9 && c <= 13 ? kControlClass | kSpaceClass : kControlClass);
    } else {
      classes[c] = std::string_view("$+<=>^`|~").find(char(c)) != std::string_view::npos
                       ? kSymbolClass
                       : kPunctuationClass;
    }
  }
  return classes;
}();

bool composes(NormalForm form) { return form == NormalForm::kNfc || form == NormalForm::kNfkc; }

// Canonical ordering: each run of marks stably sorted by combining class. utf8proc's own bubble
// sort would take quadratic time on a long run.
void order_marks(std::vector<utf8proc_int32_t>& codes) {
  const auto combining_class = [](utf8proc_int32_t code) {
    return utf8proc_get_property(code)->combining_class;
  };
  for (size_t i = 0; i < codes.size();) {
    size_t end = i;
    while (end < codes.size() && combining_class(codes[end]) != 0) ++end;
    if (end - i > 1) {
      std::stable_sort(codes.begin() + i, codes.begin() + end,
                       [&](auto a, auto b) { return combining_class(a) < combining_class(b); });
    }
    i = end + 1;
  }
}

void decompose(char32_t code, NormalForm form, std::vector<utf8proc_int32_t>& codes) {
  int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (form == NormalForm::kNfkc || form == NormalForm::kNfkd) options |= UTF8PROC_COMPAT;
  utf8proc_int32_t expanded[32];  // the longest decomposition has 18 codes
  int boundary = 0;
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), expanded, 32,
                              static_cast<utf8proc_option_t>(options), &boundary);
  MINIM_CHECK(count >= 0 && count <= 32);
  codes.insert(codes.end(), expanded, expanded + count);
}

// Normalises one stretch of valid characters, given as codes that are not decomposed yet.
void append_normalized(std::vector<utf8proc_int32_t>& codes, NormalForm form, std::string& out) {
  order_marks(codes);
  size_t count = codes.size();
  if (composes(form)) {
    const utf8proc_ssize_t composed = utf8proc_normalize_utf32(
        codes.data(), static_cast<utf8proc_ssize_t>(count),
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    MINIM_CHECK(composed >= 0);
    count = static_cast<size_t>(composed);
  }
  for (size_t i = 0; i < count; ++i) append_utf8(static_cast<char32_t>(codes[i]), out);
  codes.clear();
}

bool is_ascii(char c) { return static_cast<uint8_t>(c) < 0x80; }

}  // namespace

uint8_t character_class(char32_t code) {
  if (code < 128) return kAsciiClasses[code];
  if (code == 0x85) return kControlClass | kSpaceClass;
  return class_of_category(utf8proc_category(static_cast<utf8proc_int32_t>(code)));
}

bool is_nonspacing_mark(char32_t code) {
  return code >= 0x300 &&
         utf8proc_category(static_cast<utf8proc_int32_t>(code)) == UTF8PROC_CATEGORY_MN;
}

char32_t to_lower(char32_t code) {
  if (code < 128) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

std::optional<NormalForm> parse_normal_form(std::string_view name) {
  if (name.empty()) return NormalForm::kNone;
  if (name == "nfc") return NormalForm::kNfc;
  if (name == "nfd") return NormalForm::kNfd;
  if (name == "nfkc") return NormalForm::kNfkc;
  if (name == "nfkd") return NormalForm::kNfkd;
  return std::nullopt;
}

std::string normalize(std::string_view text, NormalForm form) {
  if (form == NormalForm::kNone || std::all_of(text.begin(), text.end(), is_ascii)) {
    return std::string(text);
  }
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  std::vector<utf8proc_int32_t> codes;
  for (size_t i = 0; i < text.size();) {
    // ASCII needs no work, except for a last character that a mark may follow.
    if (is_ascii(text[i])) {
      if (!codes.empty()) append_normalized(codes, form, out);
      const bool alone = i + 1 == text.size() || is_ascii(text[i + 1]);
      if (alone) {
        out += text[i];
      } else {
        codes.push_back(static_cast<uint8_t>(text[i]));
      }
      ++i;
      continue;
    }
    const Utf8Character character = utf8_at(text, i);
    if (character.valid) {
      decompose(character.code, form, codes);
    } else {
      append_normalized(codes, form, out);
      out += text[i];
    }
    i += character.length;
  }
  append_normalized(codes, form, out);
  return out;
}

}  // namespace minim
