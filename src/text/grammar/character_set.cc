#include "text/grammar/character_set.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "text/unicode.h"

namespace minim {
namespace {

constexpr char32_t kLast = 0x10FFFF;
constexpr char32_t kSurrogatesFirst = 0xD800, kSurrogatesLast = 0xDFFF;

using Categories = std::array<CharacterSet, 30>;

// Every general category, from one pass over all characters.
const Categories& categories() {
  static const Categories table = [] {
    Categories sets;
    char32_t first = 0;
    auto category = static_cast<size_t>(utf8proc_category(0));
    for (char32_t code = 1; code <= kLast + 1; ++code) {
      const size_t next =
          code <= kLast ? size_t(utf8proc_category(utf8proc_int32_t(code))) : sets.size();
      if (next == category) continue;
      sets[category].add(first, code - 1);
      first = code;
      category = next;
    }
    return sets;
  }();
  return table;
}

// Characters that differ in case alone, sorted by the first.
using CasePairs = std::vector<std::pair<char32_t, char32_t>>;

const CasePairs& case_pairs() {
  static const CasePairs table = [] {
    // No character from here on has another case.
    constexpr utf8proc_int32_t kCasesEnd = 0x1E944;
    CasePairs pairs;
    for (utf8proc_int32_t code = 0; code < kCasesEnd; ++code) {
      for (const utf8proc_int32_t other :
           {utf8proc_tolower(code), utf8proc_toupper(code), utf8proc_totitle(code)}) {
        if (other != code) pairs.emplace_back(code, other);
      }
    }
    // Characters whose lower case is a letter that has an upper case of its own.
    static constexpr char32_t kExtra[][3] = {{'k', 'K', 0x212A},
                                             {'s', 'S', 0x17F},
                                             {0xE5, 0xC5, 0x212B},
                                             {0x3C3, 0x3A3, 0x3C2},
                                             {0x3C9, 0x3A9, 0x2126}};
    for (const auto& same : kExtra) {
      for (const char32_t one : same) {
        for (const char32_t other : same) {
          if (one != other) pairs.emplace_back(one, other);
        }
      }
    }
    std::sort(pairs.begin(), pairs.end());
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    return pairs;
  }();
  return table;
}

// REQUIRES: both ends have `length` bytes. Cuts where a byte but the first would not cover
// 80-BF whole.
void split_bytes(char32_t first, char32_t last, int length, std::vector<ByteSequence>& out) {
  for (int tail = 1; tail < length; ++tail) {
    const char32_t mask = (char32_t{1} << (6 * tail)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      split_bytes(first, first | mask, length, out);
      split_bytes((first | mask) + 1, last, length, out);
      return;
    }
    if ((last & mask) != mask) {
      split_bytes(first, (last & ~mask) - 1, length, out);
      split_bytes(last & ~mask, last, length, out);
      return;
    }
  }
  std::string low, high;
  append_utf8(first, low);
  append_utf8(last, high);
  ByteSequence sequence;
  sequence.length = length;
  for (int i = 0; i < length; ++i) {
    sequence.bytes[i] = {uint8_t(low[size_t(i)]), uint8_t(high[size_t(i)])};
  }
  out.push_back(sequence);
}

void split_length(char32_t first, char32_t last, std::vector<ByteSequence>& out) {
  static constexpr char32_t kEnds[] = {0x7F, 0x7FF, 0xFFFF, kLast};
  for (int length = 1; length <= 4 && first <= last; ++length) {
    const char32_t end = kEnds[length - 1];
    if (first > end) continue;
    split_bytes(first, std::min(last, end), length, out);
    first = end + 1;
  }
}

}  // namespace

CharacterSet::CharacterSet(std::initializer_list<CharacterRange> ranges) {
  for (const CharacterRange& range : ranges) add(range.first, range.last);
}

CharacterSet CharacterSet::of(std::vector<CharacterRange> ranges) {
  CharacterSet raw, set;
  raw.ranges_ = std::move(ranges);
  raw.normalize();
  for (const CharacterRange& range : raw.ranges_) set.add(range.first, range.last);
  return set;
}

CharacterSet CharacterSet::all() { return {{0, kLast}}; }

std::optional<CharacterSet> CharacterSet::of_category(std::string_view name) {
  static constexpr std::string_view kNames[30] = {
      "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
      "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};
  if (name == "Any") return all();
  if (name.empty() || name.size() > 2) return std::nullopt;
  CharacterSet set;
  bool found = false;
  for (size_t i = 0; i < 30; ++i) {
    if (kNames[i].substr(0, name.size()) != name) continue;
    set.add(categories()[i]);
    found = true;
  }
  if (!found) return std::nullopt;
  return set;
}

CharacterSet CharacterSet::spaces() {
  return {{0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
          {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
}

void CharacterSet::add(char32_t first, char32_t last) {
  last = std::min(last, kLast);
  if (first > last) return;
  if (first <= kSurrogatesLast && last >= kSurrogatesFirst) {
    if (first < kSurrogatesFirst) add(first, kSurrogatesFirst - 1);
    if (last > kSurrogatesLast) add(kSurrogatesLast + 1, last);
    return;
  }
  const bool in_order = ranges_.empty() || ranges_.back().last < first;
  ranges_.push_back({first, last});
  if (!in_order || (ranges_.size() > 1 && ranges_[ranges_.size() - 2].last + 1 == first)) {
    normalize();
  }
}

void CharacterSet::add(const CharacterSet& other) {
  if (&other == this) return;
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  normalize();
}

void CharacterSet::normalize() {
  std::sort(ranges_.begin(), ranges_.end(),
            [](const CharacterRange& a, const CharacterRange& b) { return a.first < b.first; });
  size_t kept = 0;
  for (const CharacterRange& range : ranges_) {
    if (kept > 0 && range.first <= ranges_[kept - 1].last + 1) {
      ranges_[kept - 1].last = std::max(ranges_[kept - 1].last, range.last);
    } else {
      ranges_[kept++] = range;
    }
  }
  ranges_.resize(kept);
}

CharacterSet CharacterSet::complement() const {
  CharacterSet result;
  char32_t next = 0;
  for (const CharacterRange& range : ranges_) {
    if (range.first > next) result.add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kLast) result.add(next, kLast);
  return result;
}

CharacterSet CharacterSet::intersection(const CharacterSet& other) const {
  CharacterSet result;
  for (size_t i = 0, j = 0; i < ranges_.size() && j < other.ranges_.size();) {
    const CharacterRange &a = ranges_[i], &b = other.ranges_[j];
    const char32_t first = std::max(a.first, b.first), last = std::min(a.last, b.last);
    if (first <= last) result.add(first, last);
    if (a.last < b.last) {
      ++i;
    } else {
      ++j;
    }
  }
  return result;
}

CharacterSet CharacterSet::with_both_cases() const {
  const CasePairs& pairs = case_pairs();
  std::vector<CharacterRange> ranges = ranges_;
  for (const CharacterRange& range : ranges_) {
    for (auto pair = std::lower_bound(pairs.begin(), pairs.end(), std::pair(range.first, U'\0'));
         pair != pairs.end() && pair->first <= range.last; ++pair) {
      ranges.push_back({pair->second, pair->second});
    }
  }
  return of(std::move(ranges));
}

bool CharacterSet::contains(char32_t code) const {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), code,
                       [](char32_t c, const CharacterRange& range) { return c < range.first; });
  return after != ranges_.begin() && std::prev(after)->last >= code;
}

std::vector<ByteSequence> utf8_sequences(const CharacterSet& set) {
  std::vector<ByteSequence> sequences;
  for (const CharacterRange& range : set.ranges()) {
    split_length(range.first, range.last, sequences);
  }
  return sequences;
}

}  // namespace minim
