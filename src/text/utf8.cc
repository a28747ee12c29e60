#include "text/utf8.h"

#include <algorithm>
#include <array>

namespace minim {
namespace {

// What a lead byte announces. The second byte's range excludes overlong forms, surrogates and codes
// past U+10FFFF; all later bytes are 80..BF.
struct Lead {
  uint8_t length;
  uint8_t second_min, second_max;
};

constexpr Lead make_lead(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) {
    return {3, uint8_t(byte == 0xE0 ? 0xA0 : 0x80), uint8_t(byte == 0xED ? 0x9F : 0xBF)};
  }
  if (byte < 0xF5) {
    return {4, uint8_t(byte == 0xF0 ? 0x90 : 0x80), uint8_t(byte == 0xF4 ? 0x8F : 0xBF)};
  }
  return {0, 0, 0};
}

// A table, since the branches of make_lead() would be guessed wrong on random bytes.
constexpr std::array<Lead, 256> kLeads = [] {
  std::array<Lead, 256> leads = {};
  for (size_t byte = 0; byte < leads.size(); ++byte) {
    leads[byte] = make_lead(static_cast<uint8_t>(byte));
  }
  return leads;
}();

const Lead& lead_of(uint8_t byte) { return kLeads[byte]; }

// How many bytes from `position` agree with the lead's announcement, the lead included.
size_t agreeing_bytes(std::string_view text, size_t position, const Lead& lead) {
  const size_t end = std::min(text.size(), position + lead.length);
  size_t at = position + 1;
  for (; at < end; ++at) {
    const uint8_t byte = static_cast<uint8_t>(text[at]);
    const bool second = at == position + 1;
    if (byte < (second ? lead.second_min : 0x80) || byte > (second ? lead.second_max : 0xBF)) break;
  }
  return at - position;
}

}  // namespace

Utf8Character utf8_at(std::string_view text, size_t position) {
  const uint8_t first = static_cast<uint8_t>(text[position]);
  if (first < 0x80) return {first, 1, true};
  const Lead& lead = lead_of(first);
  if (lead.length == 0 || agreeing_bytes(text, position, lead) < lead.length) return {};
  char32_t code = first & (0x7F >> lead.length);
  for (size_t i = 1; i < lead.length; ++i) {
    code = code << 6 | (static_cast<uint8_t>(text[position + i]) & 0x3F);
  }
  return {code, lead.length, true};
}

void append_utf8(char32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = utf8_at(text, i);
    if (!character.valid) return false;
    i += character.length;
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = utf8_at(text, i);
    if (character.valid) {
      out.append(text, i, character.length);
    } else {
      append_utf8(kReplacementCharacter, out);
    }
    i += character.length;
  }
  return out;
}

size_t complete_utf8_prefix(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const size_t position = text.size() - back;
    const Lead& lead = lead_of(static_cast<uint8_t>(text[position]));
    if (lead.length == 0) continue;
    const bool open = lead.length > back && agreeing_bytes(text, position, lead) == back;
    return open ? position : text.size();
  }
  return text.size();
}

}  // namespace minim
