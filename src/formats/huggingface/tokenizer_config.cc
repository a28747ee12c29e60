#include "formats/huggingface/tokenizer_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/huggingface/tokenizer_json.h"

namespace minim {
namespace {

constexpr const char* kOrigin = "tokenizer_config.json";

constexpr float kAddedScore = -1000.0f;  // below every merge

struct SpecialName {
  const char* name;
  std::optional<int32_t> Vocabulary::*id;
};
constexpr SpecialName kSpecialNames[] = {
    {"bos", &Vocabulary::bos},       {"eos", &Vocabulary::eos},     {"unk", &Vocabulary::unknown},
    {"sep", &Vocabulary::separator}, {"pad", &Vocabulary::padding}, {"cls", &Vocabulary::cls},
    {"mask", &Vocabulary::mask}};

// "<s>" or {"content": "<s>", ...}; nothing for null.
std::optional<std::string> token_text(const Json& config, const std::string& key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  return json_get<std::string>(*found, "content", kOrigin);
}

void apply_token(const Json& config, const SpecialName& special, Vocabulary& vocabulary) {
  const std::string key = std::string(special.name) + "_token";
  const auto text = token_text(config, key);
  if (!text) return;
  const auto found = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), *text);
  // Base models name tokens that their vocabulary lacks, a mask for instance; only those count
  // that are used.
  if (found == vocabulary.tokens.end()) return;
  const auto id = static_cast<int32_t>(found - vocabulary.tokens.begin());
  auto& place = vocabulary.*special.id;
  const bool added_by_template = (special.id == &Vocabulary::bos && vocabulary.add_bos) ||
                                 (special.id == &Vocabulary::eos && vocabulary.add_eos);
  if (place && *place != id && added_by_template) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: {} is '{}', but tokenizer.json adds the token {}", kOrigin, key,
                            printable(*text), *place));
  }
  place = id;
}

// A template, or a list of named ones of which "default" is meant.
std::string read_chat_template(const Json& config) {
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_array()) {
    for (const Json& item : *found) {
      if (json_get<std::string>(item, "name", kOrigin) == "default") {
        return json_get<std::string>(item, "template", kOrigin).value_or("");
      }
    }
    return "";
  }
  throw Error(ErrorCode::kFormat,
              fmt::format("{}: 'chat_template' is neither a string nor a list", kOrigin));
}

// Puts a token over what the model has there, or at the end with unused tokens between.
void place_token(int64_t id, const std::string& text, bool special, Vocabulary& vocabulary) {
  constexpr int64_t kHolesMax = 1024;
  const auto count = static_cast<int64_t>(vocabulary.tokens.size());
  if (id < 0 || id >= count + kHolesMax) {
    throw Error(ErrorCode::kFormat, fmt::format("{}: the added token '{}' has the id {}", kOrigin,
                                                printable(text), id));
  }
  const bool is_control = special || looks_special(text);
  while (static_cast<int64_t>(vocabulary.tokens.size()) <= id) {
    vocabulary.tokens.push_back(fmt::format("[PAD{}]", vocabulary.tokens.size()));
    vocabulary.types.push_back(TokenType::kUnused);
    vocabulary.scores.push_back(kAddedScore);
  }
  const auto place = static_cast<size_t>(id);
  vocabulary.tokens[place] = text;
  vocabulary.scores[place] = kAddedScore;
  TokenType& type = vocabulary.types[place];
  if (type == TokenType::kUnknown || type == TokenType::kByte) return;
  type = is_control ? TokenType::kControl : TokenType::kUserDefined;
}

}  // namespace

void add_tokens_by_name(const Json& tokens, Vocabulary& vocabulary) {
  std::map<int64_t, std::string> by_id;
  for (const auto& [text, id] : tokens.items()) {
    by_id[json_get<int64_t>(tokens, text, "added_tokens.json").value_or(-1)] = text;
  }
  for (const auto& [id, text] : by_id) place_token(id, text, false, vocabulary);
}

void add_tokens_by_id(const Json& config, Vocabulary& vocabulary) {
  const auto tokens = config.find("added_tokens_decoder");
  if (tokens == config.end() || !tokens->is_object()) return;
  std::map<int64_t, const Json*> by_id;
  for (const auto& [key, token] : tokens->items()) {
    int64_t id = -1;
    std::from_chars(key.data(), key.data() + key.size(), id);
    by_id[id] = &token;
  }
  for (const auto& [id, token] : by_id) {
    const auto text = json_get<std::string>(*token, "content", kOrigin);
    const bool special = json_get<bool>(*token, "special", kOrigin).value_or(false);
    place_token(id, text.value_or(""), special, vocabulary);
    for (const auto& [key, ids] : {std::pair{"lstrip", &vocabulary.strips_left},
                                   std::pair{"rstrip", &vocabulary.strips_right}}) {
      if (!json_get<bool>(*token, key, kOrigin).value_or(false)) continue;
      ids->push_back(static_cast<int32_t>(id));
    }
  }
}

void apply_tokenizer_config(const Json& config, Vocabulary& vocabulary) {
  for (const SpecialName& special : kSpecialNames) apply_token(config, special, vocabulary);
  if (const auto add = json_get<bool>(config, "add_bos_token", kOrigin)) {
    vocabulary.add_bos = *add && vocabulary.bos;
  }
  if (const auto add = json_get<bool>(config, "add_eos_token", kOrigin)) {
    vocabulary.add_eos = *add && vocabulary.eos;
  }
  vocabulary.chat_template = read_chat_template(config);
}

void apply_special_ids(const Json& config, const std::string& origin, Vocabulary& vocabulary) {
  const auto in_range = [&](const Json& id) -> std::optional<int32_t> {
    if (!id.is_number_integer()) {
      throw Error(ErrorCode::kFormat, fmt::format("{}: a token id is no number", origin));
    }
    // Negative ids mean "none"; ids past the end belong to tokens that the vocabulary lacks.
    const auto value = id.get<int64_t>();
    if (value < 0 || value >= static_cast<int64_t>(vocabulary.tokens.size())) return std::nullopt;
    return static_cast<int32_t>(value);
  };
  for (const SpecialName& special : kSpecialNames) {
    const auto found = config.find(std::string(special.name) + "_token_id");
    if (found == config.end() || found->is_null()) continue;
    auto& place = vocabulary.*special.id;
    if (!found->is_array()) {
      if (!place) place = in_range(*found);
      continue;
    }
    if (special.id != &Vocabulary::eos) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("{}: '{}_token_id' is a list", origin, special.name));
    }
    for (const Json& item : *found) {
      const auto id = in_range(item);
      if (!place) {
        place = id;
      } else if (id && id != place && !vocabulary.eot) {
        vocabulary.eot = id;
      }
    }
  }
}

}  // namespace minim
