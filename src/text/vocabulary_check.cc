#include "text/vocabulary_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace minim {
namespace {

constexpr size_t kTokensMax = size_t{1} << 24;
constexpr size_t kTokenBytesMax = 4096;  // the longest of published vocabularies have about 1,000

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kFormat, "vocabulary: " + what);
}

constexpr std::string_view kEndMarkers[] = {
    "<|eot_id|>",    "<|im_end|>",      "<|end|>", "<end_of_turn>",
    "<|endoftext|>", "<|eom_id|>",      "<EOT>",   "<｜end▁of▁sentence｜>",
    "<|return|>",    "<|end_of_text|>", "<|eot|>", "<|end_of_turn|>",
};

// Published chat markers without bars; those with bars are known by their shape.
constexpr std::string_view kChatMarkers[] = {
    "<start_of_turn>",  "<end_of_turn>",     "<EOT>",
    "[INST]",           "[/INST]",           "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",   "[/TOOL_RESULTS]",   "[TOOL_CALLS]",
};

bool is_chat_marker(std::string_view token) {
  if (!token.starts_with('<') && !token.starts_with('[')) return false;
  const auto wrapped = [&](std::string_view open, std::string_view close) {
    return token.size() > open.size() + close.size() && token.starts_with(open) &&
           token.ends_with(close);
  };
  return wrapped("<|", "|>") || wrapped("<｜", "｜>") ||
         std::find(std::begin(kChatMarkers), std::end(kChatMarkers), token) !=
             std::end(kChatMarkers);
}

void check_tokens(Vocabulary& vocabulary) {
  const size_t count = vocabulary.tokens.size();
  if (count == 0) refuse("it has no tokens");
  if (count > kTokensMax) {
    throw Error(ErrorCode::kLimit,
                fmt::format("vocabulary: {} tokens; at most {} are supported", count, kTokensMax));
  }
  if (vocabulary.types.empty()) vocabulary.types.assign(count, TokenType::kNormal);
  if (vocabulary.types.size() != count) {
    refuse(fmt::format("{} token types for {} tokens", vocabulary.types.size(), count));
  }
  if (!vocabulary.scores.empty() && vocabulary.scores.size() != count) {
    refuse(fmt::format("{} scores for {} tokens", vocabulary.scores.size(), count));
  }
  for (size_t i = 0; i < count; ++i) {
    const std::string& token = vocabulary.tokens[i];
    TokenType& type = vocabulary.types[i];
    if (token.size() > kTokenBytesMax) {
      throw Error(ErrorCode::kLimit,
                  fmt::format("vocabulary: token {} has {} bytes; at most {} are "
                              "supported",
                              i, token.size(), kTokenBytesMax));
    }
    if (type < TokenType::kNormal || type > TokenType::kByte) {
      refuse(fmt::format("token {} has the unknown type {}", i, static_cast<int>(type)));
    }
    if (type == TokenType::kByte && !parse_byte_token(token)) {
      refuse(fmt::format("byte token {} is '{}', not of the form <0x00> to <0xFF>", i,
                         token.substr(0, 40)));
    }
    if (!vocabulary.scores.empty() && !std::isfinite(vocabulary.scores[i])) {
      refuse(fmt::format("the score of token {} is not a finite number", i));
    }
    const bool ordinary = type == TokenType::kNormal || type == TokenType::kUserDefined;
    if (ordinary && is_chat_marker(token)) type = TokenType::kControl;
  }
}

void check_ids(const Vocabulary& vocabulary) {
  const auto check = [&](const char* name, int32_t id) {
    if (id < 0 || static_cast<size_t>(id) >= vocabulary.tokens.size()) {
      refuse(fmt::format("the {} token is {}, but the last token is {}", name, id,
                         vocabulary.tokens.size() - 1));
    }
  };
  const auto check_optional = [&](const char* name, std::optional<int32_t> id) {
    if (id) check(name, *id);
  };
  check_optional("BOS", vocabulary.bos);
  check_optional("EOS", vocabulary.eos);
  check_optional("EOT", vocabulary.eot);
  check_optional("unknown", vocabulary.unknown);
  check_optional("separator", vocabulary.separator);
  check_optional("padding", vocabulary.padding);
  check_optional("CLS", vocabulary.cls);
  check_optional("mask", vocabulary.mask);
  for (const int32_t id : vocabulary.strips_left) check("space-stripping", id);
  for (const int32_t id : vocabulary.strips_right) check("space-stripping", id);
  if (vocabulary.kind == TokenizerKind::kWordPiece) return;  // asks for CLS and SEP instead
  if (vocabulary.add_bos && !vocabulary.bos) refuse("it asks for a BOS token and names none");
  if (vocabulary.add_eos && !vocabulary.eos) refuse("it asks for an EOS token and names none");
}

}  // namespace

std::optional<uint8_t> parse_byte_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    value *= 16;
    if (c >= '0' && c <= '9') {
      value += c - '0';
    } else if (c >= 'A' && c <= 'F') {
      value += c - 'A' + 10;
    } else if (c >= 'a' && c <= 'f') {
      value += c - 'a' + 10;
    } else {
      return std::nullopt;
    }
  }
  return static_cast<uint8_t>(value);
}

bool is_end_marker(std::string_view token) {
  return std::find(std::begin(kEndMarkers), std::end(kEndMarkers), token) != std::end(kEndMarkers);
}

void check_vocabulary(Vocabulary& vocabulary) {
  check_tokens(vocabulary);
  check_ids(vocabulary);
}

}  // namespace minim
