#include "text/charsmap.h"

#include <cstring>

#include "base/error.h"

namespace minim {
namespace {

// The fields of a unit. A leaf's own unit, found at its offset, is the value itself.
size_t unit_offset(uint32_t unit) { return size_t{unit >> 10} << ((unit & 0x200) >> 6); }
uint32_t unit_label(uint32_t unit) { return unit & 0x800000FF; }
bool unit_has_leaf(uint32_t unit) { return unit >> 8 & 1; }
uint32_t unit_value(uint32_t unit) { return unit & 0x7FFFFFFF; }

uint32_t load_little_endian(const uint8_t* bytes) {
  return bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
}

[[noreturn]] void refuse(const char* what) {
  throw Error(ErrorCode::kFormat, std::string("vocabulary: precompiled_charsmap ") + what);
}

}  // namespace

Charsmap::Charsmap(std::span<const uint8_t> blob) {
  if (blob.empty()) return;
  if (blob.size() < 4) refuse("is shorter than its header");
  const size_t trie_bytes = load_little_endian(blob.data());
  if (trie_bytes > blob.size() - 4) refuse("declares a trie longer than itself");
  if (trie_bytes == 0 || trie_bytes % 4 != 0) refuse("has a trie that is not whole units");
  units_.reserve(trie_bytes / 4);
  for (size_t at = 4; at < 4 + trie_bytes; at += 4) {
    units_.push_back(load_little_endian(blob.data() + at));
  }
  const auto strings = blob.subspan(4 + trie_bytes);
  strings_.assign(strings.begin(), strings.end());
  if (strings_.empty() || strings_.back() != '\0') refuse("has strings without an end");
}

uint32_t Charsmap::unit(size_t index) const {
  if (index >= units_.size()) refuse("has a trie that points outside itself");
  return units_[index];
}

std::optional<Charsmap::Match> Charsmap::longest_prefix(std::string_view text) const {
  std::optional<Match> match;
  if (empty()) return match;
  size_t node = unit_offset(unit(0));
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    const uint32_t child = unit(node);
    if (byte == 0 || unit_label(child) != byte) break;
    node ^= unit_offset(child);
    if (!unit_has_leaf(child)) continue;
    const size_t place = unit_value(unit(node));
    if (place >= strings_.size()) refuse("has a rule whose replacement is outside the strings");
    const char* replacement = strings_.data() + place;
    match = {i + 1, {replacement, std::strlen(replacement)}};
  }
  return match;
}

}  // namespace minim
