#include "text/sentencepiece.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "text/vocabulary_check.h"

namespace minim {
namespace {

constexpr char32_t kSpaceMarkCode = 0x2581;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::string with_space_marks(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  for (const char c : text) {
    if (c == ' ') {
      out += kSpaceMark;
    } else {
      out += c;
    }
  }
  return out;
}

bool is_piece(TokenType type) {
  return type == TokenType::kNormal || type == TokenType::kUserDefined ||
         type == TokenType::kUnused;
}

}  // namespace

SentencePieces::SentencePieces(const Vocabulary& vocabulary)
    : vocabulary_(vocabulary), charsmap_(vocabulary.precompiled_charsmap) {
  byte_tokens_.fill(-1);
  std::vector<ByteTrie::Entry> user_defined;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::string& token = vocabulary.tokens[i];
    const TokenType type = vocabulary.types[i];
    const int32_t id = static_cast<int32_t>(i);
    if (type == TokenType::kByte) {
      int32_t& slot = byte_tokens_[*parse_byte_token(token)];
      if (slot == -1) slot = id;
    }
    if (type == TokenType::kUserDefined) {
      user_defined.push_back({token, id});
      user_defined.push_back({with_space_marks(token), id});
    }
    if (is_piece(type)) find_joined_spaces(token);
  }
  std::sort(joins_space_.begin(), joins_space_.end());
  joins_space_.erase(std::unique(joins_space_.begin(), joins_space_.end()), joins_space_.end());
  has_bytes_ = std::find(byte_tokens_.begin(), byte_tokens_.end(), -1) == byte_tokens_.end();
  if (!has_bytes_ && !vocabulary.unknown) {
    throw Error(ErrorCode::kFormat,
                "vocabulary: a SentencePiece vocabulary needs all 256 byte tokens or an unknown "
                "token, and has neither");
  }
  user_defined_ = ByteTrie(std::move(user_defined));
}

void SentencePieces::find_joined_spaces(std::string_view token) {
  const bool may_join = token.find(kSpaceMark, 1) != token.npos || token.find(' ', 1) != token.npos;
  if (!may_join) return;
  const std::string marked = with_space_marks(token);
  char32_t before = kSpaceMarkCode;
  for (size_t at = 0; at < marked.size();) {
    const Utf8Character character = utf8_at(marked, at);
    if (character.code == kSpaceMarkCode && before != kSpaceMarkCode) {
      joins_space_.push_back(before);
    }
    before = character.code;
    at += character.length;
  }
}

std::string_view SentencePieces::normalize_prefix(std::string_view text, size_t& at) const {
  const std::string_view rest = text.substr(at);
  if (const auto match = user_defined_.longest_prefix(rest); match.length > 0) {
    at += match.length;
    return rest.substr(0, match.length);
  }
  if (const auto match = charsmap_.longest_prefix(rest)) {
    at += match->length;
    return match->replacement;
  }
  const Utf8Character character = utf8_at(text, at);
  at += character.length;
  if (!character.valid && !has_bytes_) return kReplacement;
  return rest.substr(0, character.length);
}

std::string SentencePieces::normalize(std::string_view text, bool begins) const {
  const bool strips = vocabulary_.remove_extra_whitespaces;
  const size_t bytes_max = text.size() * kNormalizedGrowthMax + 4096;
  std::string out;
  size_t at = 0;
  if (strips) {  // leading spaces
    for (size_t next = 0; next < text.size() && normalize_prefix(text, next) == " ";) at = next;
  }
  if (at == text.size()) return out;
  out.reserve(text.size() + text.size() / 2 + 8);
  if (begins && vocabulary_.add_space_prefix) out += kSpaceMark;
  const bool plain = charsmap_.empty() && user_defined_.empty() && !strips && has_bytes_;
  if (plain) {
    for (const char c : text) {
      if (c == ' ') {
        out += kSpaceMark;
      } else {
        out += c;
      }
    }
    return out;
  }
  bool after_space = strips;
  while (at < text.size()) {
    std::string_view unit = normalize_prefix(text, at);
    while (after_space && unit.starts_with(' ')) unit.remove_prefix(1);
    if (unit.empty()) continue;
    if (strips) after_space = unit.back() == ' ';
    for (const char c : unit) {
      if (c == ' ') {
        out += kSpaceMark;
      } else {
        out += c;
      }
    }
    if (out.size() > bytes_max) {
      throw Error(ErrorCode::kLimit,
                  fmt::format("text: the vocabulary's normalizer makes more than {} bytes of {}",
                              bytes_max, text.size()));
    }
  }
  if (strips) {
    while (out.ends_with(kSpaceMark)) out.resize(out.size() - kSpaceMark.size());
  }
  return out;
}

size_t SentencePieces::word_end(std::string_view text, size_t begin) const {
  size_t at = begin;
  while (true) {
    while (text.substr(at).starts_with(kSpaceMark)) at += kSpaceMark.size();  // a run goes on
    if (at == text.size()) return at;
    at = text.find(kSpaceMark, at + 1);
    if (at == std::string_view::npos) return text.size();
    size_t before = at - 1;
    while (before > begin && (static_cast<uint8_t>(text[before]) & 0xC0) == 0x80) --before;
    const Utf8Character character = utf8_at(text, before);
    const char32_t code = before + character.length == at ? character.code : kReplacementCharacter;
    if (!std::binary_search(joins_space_.begin(), joins_space_.end(), code)) return at;
  }
}

void SentencePieces::append_unknown(std::string_view bytes, std::vector<int32_t>& out) const {
  for (const char byte : bytes) {
    const int32_t token = byte_tokens_[static_cast<uint8_t>(byte)];
    if (token == -1) {
      out.push_back(*vocabulary_.unknown);
      return;
    }
    out.push_back(token);
  }
}

void SentencePieces::fuse_unknown(size_t begin, std::vector<int32_t>& out) const {
  if (!vocabulary_.unknown) return;
  const int32_t unknown = *vocabulary_.unknown;
  const auto first = out.begin() + static_cast<std::ptrdiff_t>(begin);
  out.erase(std::unique(first, out.end(),
                        [unknown](int32_t a, int32_t b) { return a == unknown && b == unknown; }),
            out.end());
}

void SentencePieces::spell(int32_t id, std::string& out) const {
  const std::string_view token = vocabulary_.tokens[static_cast<size_t>(id)];
  if (vocabulary_.types[static_cast<size_t>(id)] == TokenType::kByte) {
    out += static_cast<char>(*parse_byte_token(token));
    return;
  }
  size_t begin = 0;
  for (size_t mark; (mark = token.find(kSpaceMark, begin)) != token.npos;) {
    out.append(token, begin, mark - begin) += ' ';
    begin = mark + kSpaceMark.size();
  }
  out.append(token, begin);
}

}  // namespace minim
