#include "text/word_scanner.h"

#include "text/unicode.h"

namespace minim {

const char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const char kLlama3Pattern[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                              R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char kQwen2Pattern[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                             R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

// The characters of a text, one at a time; past the end they are 0 with no class.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  struct Character {
    char32_t code = 0;
    uint8_t classes = 0;
    uint8_t length = 0;
    bool is(int wanted) const { return classes & wanted; }
  };

  bool at_end(size_t position) const { return position >= text_.size(); }

  Character at(size_t position) const {
    if (at_end(position)) return {};
    const uint8_t first = static_cast<uint8_t>(text_[position]);
    if (first < 0x80) return {first, character_class(first), 1};
    const Utf8Character character = utf8_at(text_, position);
    if (!character.valid) return {character.code, kStrayClasses, 1};
    return {character.code, character_class(character.code), character.length};
  }

  // The first position from `position` on whose character does not satisfy `wanted`.
  template <typename Predicate>
  size_t skip(size_t position, Predicate wanted) const {
    while (!at_end(position)) {
      const Character character = at(position);
      if (!wanted(character)) break;
      position += character.length;
    }
    return position;
  }

  size_t skip_class(size_t position, int wanted) const {
    return skip(position, [wanted](const Character& c) { return c.is(wanted); });
  }

  static constexpr uint8_t kStrayClasses = kSymbolClass;  // a stray byte counts as U+FFFD

  char byte(size_t position) const { return at_end(position) ? '\0' : text_[position]; }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

using Character = Cursor::Character;

// Neither white space, letter nor number: what both word patterns call "the rest".
bool is_rest(const Character& c) {
  return c.length > 0 && !c.is(kSpaceClass | kLetterClass | kNumberClass);
}

bool is_line_end(const Character& c) { return c.code == '\r' || c.code == '\n'; }

// The end of 's 't 're 've 'm 'll 'd after an apostrophe at `begin`, or 0. With `fold`, in any case
// and with U+017F, which folds to s.
size_t contraction_end(const Cursor& cursor, size_t begin, bool fold) {
  const auto letter = [&](size_t position) {
    const char c = cursor.byte(position);
    return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char first = letter(begin + 1), second = letter(begin + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return begin + 2;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
      (first == 'l' && second == 'l')) {
    return begin + 3;
  }
  if (fold && cursor.byte(begin + 1) == '\xC5' && cursor.byte(begin + 2) == '\xBF') {
    return begin + 3;
  }
  return 0;
}

// \s+(?!\S)|\s+ from `begin`, whose white space ends at `end`: the last character is left to the
// word that follows, if there is one and this would not leave nothing.
size_t space_run_end(const Cursor& cursor, size_t begin, size_t end) {
  if (cursor.at_end(end)) return end;
  size_t last = end - 1;
  while (last > begin && (static_cast<uint8_t>(cursor.byte(last)) & 0xC0) == 0x80) --last;
  return last > begin ? last : end;
}

size_t gpt2_word_end(const Cursor& cursor, size_t begin) {
  const Character first = cursor.at(begin);
  if (first.code == '\'') {
    if (const size_t end = contraction_end(cursor, begin, /*fold=*/false)) return end;
  }
  const size_t body = begin + (first.code == ' ' ? 1 : 0);
  const Character leading = cursor.at(body);
  if (leading.is(kLetterClass)) return cursor.skip_class(body, kLetterClass);
  if (leading.is(kNumberClass)) return cursor.skip_class(body, kNumberClass);
  if (is_rest(leading)) return cursor.skip(body, is_rest);
  return space_run_end(cursor, begin, cursor.skip_class(begin, kSpaceClass));
}

// \s*[\r\n]+|\s+(?!\S)|\s+ from `begin`, which is white space.
size_t llama3_space_end(const Cursor& cursor, size_t begin) {
  size_t line_end = 0, end = begin;
  while (true) {
    const Character c = cursor.at(end);
    if (!c.is(kSpaceClass)) break;
    end += c.length;
    if (is_line_end(c)) line_end = end;
  }
  return line_end > 0 ? line_end : space_run_end(cursor, begin, end);
}

template <int kDigitsMax>
size_t llama3_word_end(const Cursor& cursor, size_t begin) {
  const Character first = cursor.at(begin);
  if (first.is(kLetterClass)) return cursor.skip_class(begin, kLetterClass);
  if (first.code == '\'') {
    if (const size_t end = contraction_end(cursor, begin, /*fold=*/true)) return end;
  }
  if (first.is(kNumberClass)) {
    size_t end = begin + first.length;
    for (int i = 1; i < kDigitsMax && cursor.at(end).is(kNumberClass); ++i) {
      end += cursor.at(end).length;
    }
    return end;
  }
  const Character second = cursor.at(begin + first.length);
  if (!is_line_end(first) && second.is(kLetterClass)) {
    return cursor.skip_class(begin + first.length, kLetterClass);
  }
  const size_t body = begin + (first.code == ' ' ? 1 : 0);
  if (is_rest(cursor.at(body))) return cursor.skip(cursor.skip(body, is_rest), is_line_end);
  return llama3_space_end(cursor, begin);
}

template <size_t (*kWordEnd)(const Cursor&, size_t)>
void scan_words(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  const Cursor cursor(text);
  for (size_t at = 0; at < text.size();) {
    at = kWordEnd(cursor, at);
    ends.push_back(base + static_cast<uint32_t>(at));
  }
}

// Cuts out what `match_end` recognises: it gives the end of a match at a position, or 0.
template <typename MatchEnd>
void scan_matches(std::string_view text, uint32_t base, std::vector<uint32_t>& ends,
                  MatchEnd match_end) {
  const Cursor cursor(text);
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Character character = cursor.at(at);
    const size_t end = match_end(cursor, at, character);
    if (end == 0) {
      at += character.length;
      continue;
    }
    if (at > begin) ends.push_back(base + static_cast<uint32_t>(at));
    ends.push_back(base + static_cast<uint32_t>(end));
    at = begin = end;
  }
  if (begin < text.size()) ends.push_back(base + static_cast<uint32_t>(text.size()));
}

template <typename Predicate>
void scan_runs(std::string_view text, uint32_t base, std::vector<uint32_t>& ends,
               Predicate wanted) {
  scan_matches(text, base, ends, [wanted](const Cursor& cursor, size_t at, const Character& c) {
    return wanted(c) ? cursor.skip(at, wanted) : size_t{0};
  });
}

// \s?CLASS+
void scan_spaced_runs(std::string_view text, uint32_t base, std::vector<uint32_t>& ends,
                      int wanted) {
  scan_matches(text, base, ends, [wanted](const Cursor& cursor, size_t at, const Character& c) {
    if (c.is(wanted)) return cursor.skip_class(at, wanted);
    const size_t body = at + c.length;
    return c.is(kSpaceClass) && cursor.at(body).is(wanted) ? cursor.skip_class(body, wanted)
                                                           : size_t{0};
  });
}

bool is_default_punctuation(const Character& c) {
  if (c.is(kPunctuationClass)) return true;
  return c.code < 0x80 && c.code != '`' && c.is(kSymbolClass);
}

}  // namespace

void scan_gpt2_words(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_words<gpt2_word_end>(text, base, ends);
}

void scan_llama3_words(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_words<llama3_word_end<3>>(text, base, ends);
}

void scan_qwen2_words(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_words<llama3_word_end<1>>(text, base, ends);
}

void scan_numbers(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_matches(text, base, ends, [](const Cursor&, size_t at, const Character& c) {
    return c.is(kNumberClass) ? at + c.length : size_t{0};
  });
}

void scan_number_runs(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_runs(text, base, ends, [](const Character& c) { return c.is(kNumberClass); });
}

void scan_line_ends(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_matches(text, base, ends, [](const Cursor&, size_t at, const Character& c) {
    return is_line_end(c) ? at + 1 : size_t{0};
  });
}

void scan_digit_triples(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t begin = 0;
  for (size_t at = 0; at + 3 <= text.size();) {
    if (!digit(text[at]) || !digit(text[at + 1]) || !digit(text[at + 2])) {
      ++at;
      continue;
    }
    if (at > begin) ends.push_back(base + static_cast<uint32_t>(at));
    at = begin = at + 3;
    ends.push_back(base + static_cast<uint32_t>(begin));
  }
  if (begin < text.size()) ends.push_back(base + static_cast<uint32_t>(text.size()));
}

void scan_punctuation_runs(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_runs(text, base, ends, is_default_punctuation);
}

void scan_falcon_punctuation_runs(std::string_view text, uint32_t base,
                                  std::vector<uint32_t>& ends) {
  scan_runs(text, base, ends,
            [](const Character& c) { return c.code == '`' || is_default_punctuation(c); });
}

void scan_spaced_letters(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_spaced_runs(text, base, ends, kLetterClass);
}

void scan_spaced_punctuation(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_spaced_runs(text, base, ends, kPunctuationClass);
}

void scan_east_asian_runs(std::string_view text, uint32_t base, std::vector<uint32_t>& ends) {
  scan_runs(text, base, ends, [](const Character& c) {
    return (c.code >= 0x800 && c.code <= 0x9FA5) || (c.code >= 0xAC00 && c.code <= 0xD7FF);
  });
}

}  // namespace minim
