#include "formats/vocabulary.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary_check.h"

namespace minim {
namespace {

constexpr const char* kModelKey = "tokenizer.ggml.model";
constexpr const char* kPreKey = "tokenizer.ggml.pre";
constexpr const char* kTokensKey = "tokenizer.ggml.tokens";
constexpr const char* kTypesKey = "tokenizer.ggml.token_type";
constexpr const char* kScoresKey = "tokenizer.ggml.scores";
constexpr const char* kMergesKey = "tokenizer.ggml.merges";
constexpr const char* kAddBosKey = "tokenizer.ggml.add_bos_token";
constexpr const char* kAddEosKey = "tokenizer.ggml.add_eos_token";
constexpr const char* kAddSpaceKey = "tokenizer.ggml.add_space_prefix";
constexpr const char* kExtraSpaceKey = "tokenizer.ggml.remove_extra_whitespaces";
constexpr const char* kCharsmapKey = "tokenizer.ggml.precompiled_charsmap";
constexpr const char* kChatTemplateKey = "tokenizer.chat_template";
// GGUF has no keys for these; other readers ignore them.
constexpr const char* kPatternsKey = "tokenizer.minim.pre_patterns";
constexpr const char* kLowercaseKey = "tokenizer.minim.lowercase";
constexpr const char* kIgnoreMergesKey = "tokenizer.minim.ignore_merges";
constexpr const char* kStripsLeftKey = "tokenizer.minim.strips_left";
constexpr const char* kStripsRightKey = "tokenizer.minim.strips_right";
constexpr const char* kNormalizationKey = "tokenizer.minim.normalization";

struct KindName {
  TokenizerKind kind;
  const char* name;
};
constexpr KindName kKinds[] = {{TokenizerKind::kSentencePieceBpe, "llama"},
                               {TokenizerKind::kUnigram, "t5"},
                               {TokenizerKind::kByteBpe, "gpt2"},
                               {TokenizerKind::kWordPiece, "bert"}};

struct SpecialToken {
  const char* key;
  std::optional<int32_t> Vocabulary::*id;
};
// "seperator" is how GGUF spells it.
constexpr SpecialToken kSpecialTokens[] = {
    {"tokenizer.ggml.bos_token_id", &Vocabulary::bos},
    {"tokenizer.ggml.eos_token_id", &Vocabulary::eos},
    {"tokenizer.ggml.eot_token_id", &Vocabulary::eot},
    {"tokenizer.ggml.unknown_token_id", &Vocabulary::unknown},
    {"tokenizer.ggml.seperator_token_id", &Vocabulary::separator},
    {"tokenizer.ggml.padding_token_id", &Vocabulary::padding},
    {"tokenizer.ggml.cls_token_id", &Vocabulary::cls},
    {"tokenizer.ggml.mask_token_id", &Vocabulary::mask},
};

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "vocabulary: " + what);
}

TokenizerKind read_kind(const Metadata& metadata) {
  const std::string name = metadata.require_string(kModelKey);
  for (const KindName& known : kKinds) {
    if (name == known.name) return known.kind;
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("vocabulary: the tokenizer model '{}' is not known; known are llama, t5, "
                          "gpt2 and bert",
                          name));
}

void check_count(const char* key, size_t count, const Vocabulary& vocabulary) {
  if (count == vocabulary.tokens.size()) return;
  fail(fmt::format("'{}' has {} entries for {} tokens", key, count, vocabulary.tokens.size()));
}

void read_types(const Metadata& metadata, Vocabulary& vocabulary) {
  const auto types = metadata.integers(kTypesKey);
  if (!types) {
    vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kNormal);
    return;
  }
  check_count(kTypesKey, types->size(), vocabulary);
  vocabulary.types.reserve(types->size());
  for (size_t i = 0; i < types->size(); ++i) {
    const int64_t type = (*types)[i];
    if (type < 1 || type > 6) {
      fail(fmt::format("token {} has the type {}; types are 1 to 6", i, type));
    }
    if (type == static_cast<int64_t>(TokenType::kByte) && !parse_byte_token(vocabulary.tokens[i])) {
      fail(fmt::format("token {} is marked as a byte but is not written <0x00> to <0xFF>", i));
    }
    vocabulary.types.push_back(static_cast<TokenType>(type));
  }
}

void read_scores(const Metadata& metadata, Vocabulary& vocabulary) {
  const MetadataValue* stored = metadata.find(kScoresKey);
  const bool needs_scores = vocabulary.kind == TokenizerKind::kSentencePieceBpe ||
                            vocabulary.kind == TokenizerKind::kUnigram;
  if (stored == nullptr) {
    if (needs_scores) fail(fmt::format("'{}' is missing", kScoresKey));
    return;
  }
  const auto* array = std::get_if<MetadataArray>(&stored->value);
  const auto* scores = array ? std::get_if<std::vector<double>>(&array->values) : nullptr;
  if (scores == nullptr) fail(fmt::format("'{}' must be an array of floats", kScoresKey));
  check_count(kScoresKey, scores->size(), vocabulary);
  vocabulary.scores.reserve(scores->size());
  for (size_t i = 0; i < scores->size(); ++i) {
    const auto score = static_cast<float>((*scores)[i]);
    if (!std::isfinite(score)) fail(fmt::format("token {} has a score that is no number", i));
    vocabulary.scores.push_back(score);
  }
}

void read_merges(const Metadata& metadata, Vocabulary& vocabulary) {
  const auto* merges = metadata.strings(kMergesKey);
  if (merges == nullptr) {
    // Rebuilding them from the tokens is a guess, and a quadratic one.
    if (vocabulary.kind == TokenizerKind::kByteBpe)
      fail(fmt::format("'{}' is missing", kMergesKey));
    return;
  }
  for (size_t i = 0; i < merges->size(); ++i) {
    const size_t space = (*merges)[i].find(' ', 1);
    if (space == std::string::npos || space + 1 == (*merges)[i].size()) {
      fail(fmt::format("merge {} is not two tokens with a space between", i));
    }
  }
  vocabulary.merges = *merges;
}

// Old files leave ids out where they are the usual ones: <unk>, <s>, </s> = 0, 1, 2 in
// SentencePiece vocabularies, the bracketed names in WordPiece ones.
void assume_usual_tokens(Vocabulary& vocabulary) {
  const auto& tokens = vocabulary.tokens;
  if (vocabulary.kind == TokenizerKind::kSentencePieceBpe) {
    const auto assume = [&](std::optional<int32_t>& id, size_t usual, TokenType type) {
      if (id || usual >= tokens.size() || vocabulary.types[usual] != type) return;
      id = static_cast<int32_t>(usual);
    };
    assume(vocabulary.unknown, 0, TokenType::kUnknown);
    assume(vocabulary.bos, 1, TokenType::kControl);
    assume(vocabulary.eos, 2, TokenType::kControl);
  } else if (vocabulary.kind == TokenizerKind::kWordPiece) {
    if (!vocabulary.cls) vocabulary.cls = vocabulary.bos;
    const auto assume = [&](std::optional<int32_t>& id, const char* name) {
      if (id) return;
      const auto found = std::find(tokens.begin(), tokens.end(), name);
      if (found != tokens.end()) id = static_cast<int32_t>(found - tokens.begin());
    };
    assume(vocabulary.cls, "[CLS]");
    assume(vocabulary.separator, "[SEP]");
    assume(vocabulary.unknown, "[UNK]");
  }
}

void read_special_tokens(const Metadata& metadata, Vocabulary& vocabulary) {
  const auto count = static_cast<int64_t>(vocabulary.tokens.size());
  for (const SpecialToken& special : kSpecialTokens) {
    const auto id = metadata.integer(special.key);
    if (!id) continue;
    if (*id < 0 || *id >= count) {
      fail(fmt::format("'{}' is {}, but the tokens are 0 to {}", special.key, *id, count - 1));
    }
    vocabulary.*special.id = static_cast<int32_t>(*id);
  }
  assume_usual_tokens(vocabulary);
}

// What files mean that leave a flag out.
bool implies_add_bos(const Vocabulary& vocabulary) {
  switch (vocabulary.kind) {
    case TokenizerKind::kSentencePieceBpe:
    case TokenizerKind::kWordPiece: return true;
    case TokenizerKind::kUnigram: return false;
    case TokenizerKind::kByteBpe: return pre_tokenizer_facts(vocabulary.pre_tokenizer).add_bos;
  }
  return false;
}

bool implies_ignore_merges(const Vocabulary& vocabulary) {
  return vocabulary.kind == TokenizerKind::kByteBpe &&
         pre_tokenizer_facts(vocabulary.pre_tokenizer).ignore_merges;
}

// GGUF cannot say which tokens swallow white space. Phi-3's all do, but for three; its files are
// told by their name.
std::vector<int32_t> implied_strips_right(const Metadata& metadata, const Vocabulary& vocabulary) {
  std::string name = metadata.string("general.name").value_or("");
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const bool is_phi3 =
      vocabulary.kind == TokenizerKind::kSentencePieceBpe &&
      (name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos);
  std::vector<int32_t> ids;
  if (!is_phi3) return ids;
  for (size_t i = 0; i < vocabulary.types.size(); ++i) {
    const TokenType type = vocabulary.types[i];
    const std::string& token = vocabulary.tokens[i];
    if (type != TokenType::kControl && type != TokenType::kUserDefined) continue;
    if (token == "<unk>" || token == "<s>" || token == "<|endoftext|>") continue;
    ids.push_back(static_cast<int32_t>(i));
  }
  return ids;
}

void read_flags(const Metadata& metadata, Vocabulary& vocabulary) {
  vocabulary.add_bos = metadata.boolean(kAddBosKey).value_or(implies_add_bos(vocabulary));
  vocabulary.add_eos =
      metadata.boolean(kAddEosKey).value_or(vocabulary.kind == TokenizerKind::kUnigram);
  vocabulary.add_space_prefix =
      metadata.boolean(kAddSpaceKey).value_or(vocabulary.kind == TokenizerKind::kSentencePieceBpe);
  vocabulary.remove_extra_whitespaces = metadata.boolean(kExtraSpaceKey).value_or(false);
  vocabulary.lowercase = metadata.boolean(kLowercaseKey).value_or(true);
  vocabulary.ignore_merges =
      metadata.boolean(kIgnoreMergesKey).value_or(implies_ignore_merges(vocabulary));
}

std::vector<int32_t> read_ids(const Metadata& metadata, const char* key,
                              const Vocabulary& vocabulary, std::vector<int32_t> implied) {
  const auto stored = metadata.integers(key);
  if (!stored) return implied;
  std::vector<int32_t> ids;
  for (const int64_t id : *stored) {
    if (id < 0 || id >= static_cast<int64_t>(vocabulary.tokens.size())) {
      fail(fmt::format("'{}' holds {}, which is no token", key, id));
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

void write_ids(const char* key, const std::vector<int32_t>& ids,
               const std::vector<int32_t>& implied, Metadata& metadata) {
  if (ids == implied) {
    metadata.erase(key);
  } else {
    metadata.set_int32s(key, {ids.begin(), ids.end()});
  }
}

void read_charsmap(const Metadata& metadata, Vocabulary& vocabulary) {
  const auto values = metadata.integers(kCharsmapKey);
  if (!values) return;
  vocabulary.precompiled_charsmap.reserve(values->size());
  for (const int64_t value : *values) {
    // Some writers store signed bytes.
    if (value < -128 || value > 255) fail(fmt::format("'{}' must hold bytes", kCharsmapKey));
    vocabulary.precompiled_charsmap.push_back(static_cast<uint8_t>(value));
  }
}

void read_normalization(const Metadata& metadata, Vocabulary& vocabulary) {
  vocabulary.normalization = metadata.string(kNormalizationKey).value_or("");
  static constexpr std::array kForms = {"", "nfc", "nfd", "nfkc", "nfkd"};
  if (std::find(kForms.begin(), kForms.end(), vocabulary.normalization) == kForms.end()) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("vocabulary: the normalization '{}' is not known", vocabulary.normalization));
  }
}

void set_or_erase(Metadata& metadata, const char* key, bool present, auto&& set) {
  if (present) {
    set();
  } else {
    metadata.erase(key);
  }
}

void write_flags(const Vocabulary& vocabulary, Metadata& metadata) {
  metadata.set_bool(kAddBosKey, vocabulary.add_bos);
  metadata.set_bool(kAddEosKey, vocabulary.add_eos);
  const auto write_unless = [&](const char* key, bool value, bool implied) {
    set_or_erase(metadata, key, value != implied, [&] { metadata.set_bool(key, value); });
  };
  write_unless(kAddSpaceKey, vocabulary.add_space_prefix,
               vocabulary.kind == TokenizerKind::kSentencePieceBpe);
  write_unless(kExtraSpaceKey, vocabulary.remove_extra_whitespaces, false);
  write_unless(kLowercaseKey, vocabulary.lowercase, true);
  write_unless(kIgnoreMergesKey, vocabulary.ignore_merges, implies_ignore_merges(vocabulary));
}

void write_types(const Vocabulary& vocabulary, Metadata& metadata) {
  std::vector<int64_t> types;
  types.reserve(vocabulary.types.size());
  for (const TokenType type : vocabulary.types) types.push_back(static_cast<int64_t>(type));
  set_or_erase(metadata, kTypesKey, !types.empty(),
               [&] { metadata.set_int32s(kTypesKey, std::move(types)); });
}

}  // namespace

Vocabulary read_vocabulary(const Metadata& metadata) {
  Vocabulary vocabulary;
  vocabulary.kind = read_kind(metadata);
  const auto* tokens = metadata.strings(kTokensKey);
  if (tokens == nullptr || tokens->empty()) fail(fmt::format("'{}' is missing", kTokensKey));
  if (tokens->size() > size_t{std::numeric_limits<int32_t>::max()}) {
    fail(fmt::format("{} tokens are more than 2^31 - 1", tokens->size()));
  }
  vocabulary.tokens = *tokens;
  read_types(metadata, vocabulary);
  read_scores(metadata, vocabulary);
  read_merges(metadata, vocabulary);
  if (const auto* patterns = metadata.strings(kPatternsKey)) vocabulary.pre_patterns = *patterns;
  const bool needs_name =
      vocabulary.kind == TokenizerKind::kByteBpe && vocabulary.pre_patterns.empty();
  vocabulary.pre_tokenizer = metadata.string(kPreKey).value_or(needs_name ? "default" : "");
  read_special_tokens(metadata, vocabulary);
  read_flags(metadata, vocabulary);
  vocabulary.strips_left = read_ids(metadata, kStripsLeftKey, vocabulary, {});
  vocabulary.strips_right =
      read_ids(metadata, kStripsRightKey, vocabulary, implied_strips_right(metadata, vocabulary));
  read_charsmap(metadata, vocabulary);
  read_normalization(metadata, vocabulary);
  vocabulary.chat_template = metadata.string(kChatTemplateKey).value_or("");
  return vocabulary;
}

void write_vocabulary(const Vocabulary& vocabulary, Metadata& metadata) {
  for (const KindName& known : kKinds) {
    if (known.kind == vocabulary.kind) metadata.set_string(kModelKey, known.name);
  }
  set_or_erase(metadata, kPreKey, !vocabulary.pre_tokenizer.empty(),
               [&] { metadata.set_string(kPreKey, vocabulary.pre_tokenizer); });
  metadata.set_strings(kTokensKey, vocabulary.tokens);
  set_or_erase(metadata, kScoresKey, !vocabulary.scores.empty(), [&] {
    metadata.set_float32s(kScoresKey, {vocabulary.scores.begin(), vocabulary.scores.end()});
  });
  write_types(vocabulary, metadata);
  const bool has_merges = vocabulary.kind == TokenizerKind::kByteBpe || !vocabulary.merges.empty();
  set_or_erase(metadata, kMergesKey, has_merges,
               [&] { metadata.set_strings(kMergesKey, vocabulary.merges); });
  for (const SpecialToken& special : kSpecialTokens) {
    const auto& id = vocabulary.*special.id;
    set_or_erase(metadata, special.key, id.has_value(),
                 [&] { metadata.set_uint32(special.key, static_cast<uint32_t>(*id)); });
  }
  write_flags(vocabulary, metadata);
  write_ids(kStripsLeftKey, vocabulary.strips_left, {}, metadata);
  write_ids(kStripsRightKey, vocabulary.strips_right, implied_strips_right(metadata, vocabulary),
            metadata);
  set_or_erase(metadata, kCharsmapKey, !vocabulary.precompiled_charsmap.empty(),
               [&] { metadata.set_uint8s(kCharsmapKey, vocabulary.precompiled_charsmap); });
  set_or_erase(metadata, kPatternsKey, !vocabulary.pre_patterns.empty(),
               [&] { metadata.set_strings(kPatternsKey, vocabulary.pre_patterns); });
  set_or_erase(metadata, kNormalizationKey, !vocabulary.normalization.empty(),
               [&] { metadata.set_string(kNormalizationKey, vocabulary.normalization); });
  set_or_erase(metadata, kChatTemplateKey, !vocabulary.chat_template.empty(),
               [&] { metadata.set_string(kChatTemplateKey, vocabulary.chat_template); });
}

}  // namespace minim
