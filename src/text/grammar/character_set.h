// Sets of Unicode characters, and what they look like as bytes of UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace minim {

struct CharacterRange {
  char32_t first = 0, last = 0;
  bool operator==(const CharacterRange&) const = default;
};

// Scalar values only: surrogates are in no set.
class CharacterSet {
 public:
  CharacterSet() = default;
  CharacterSet(std::initializer_list<CharacterRange> ranges);

  static CharacterSet all();
  // In any order, also overlapping.
  static CharacterSet of(std::vector<CharacterRange> ranges);
  // "L", "Lu", "Nd", ...: a general category or a group of them. Nothing for any other name.
  static std::optional<CharacterSet> of_category(std::string_view name);
  // White_Space.
  static CharacterSet spaces();

  void add(char32_t first, char32_t last);
  void add(const CharacterSet& other);
  CharacterSet complement() const;
  CharacterSet intersection(const CharacterSet& other) const;
  // With every character that differs from one of the set in case alone.
  CharacterSet with_both_cases() const;

  // Sorted, apart from each other.
  const std::vector<CharacterRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool contains(char32_t code) const;

 private:
  void normalize();
  std::vector<CharacterRange> ranges_;
};

struct ByteRange {
  uint8_t first = 0, last = 0;
};

// One to four ranges of bytes, one after the other.
struct ByteSequence {
  ByteRange bytes[4];
  int length = 0;
};

// The characters of a set as sequences of byte ranges: every character is in exactly one of them
// (R. Cox, "Regular Expression Matching in the Wild", 2010).
std::vector<ByteSequence> utf8_sequences(const CharacterSet& set);

}  // namespace minim
