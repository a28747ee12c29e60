#include "formats/huggingface/tokenizer_components.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "text/word_scanner.h"

namespace minim {
namespace {

constexpr const char* kOrigin = "tokenizer.json";
constexpr const char* kSpaceMark = "\u2581";

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "tokenizer.json: " + what);
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kUnsupported, "tokenizer.json: " + what + " is not supported");
}

std::string type_of(const Json& component, const char* role) {
  const auto type = json_get<std::string>(component, "type", kOrigin);
  if (!type) fail(fmt::format("a {} without a type", role));
  return *type;
}

const Json& list_of(const Json& component, const char* key) {
  const auto found = component.find(key);
  if (found == component.end() || !found->is_array()) {
    fail(fmt::format("a Sequence without the list '{}'", key));
  }
  return *found;
}

bool flag(const Json& component, const char* key, bool absent) {
  return json_get<bool>(component, key, kOrigin).value_or(absent);
}

// {"String": "x"} or {"Regex": "x"}
struct Pattern {
  bool is_regex = false;
  std::string text;
};

Pattern read_pattern(const Json& component, const char* role) {
  const auto found = component.find("pattern");
  if (found != component.end() && found->is_object() && found->size() == 1) {
    if (auto text = json_get<std::string>(*found, "String", kOrigin)) return {false, *text};
    if (auto text = json_get<std::string>(*found, "Regex", kOrigin)) return {true, *text};
  }
  fail(fmt::format("a {} needs a pattern of String or Regex", role));
}

std::string escape_regex(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::vector<uint8_t> decode_base64(std::string_view text) {
  std::vector<uint8_t> bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    static constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) fail("precompiled_charsmap is not base64");
    bits = (bits << 6) | static_cast<uint32_t>(value);
    if ((count += 6) >= 8) {
      count -= 8;
      bytes.push_back(static_cast<uint8_t>(bits >> count));
    }
  }
  return bytes;
}

void read_replace(const Json& component, Normalization& result) {
  const Pattern pattern = read_pattern(component, "Replace");
  const auto content = json_get<std::string>(component, "content", kOrigin).value_or("");
  const bool marks = content == kSpaceMark;
  if (!pattern.is_regex && pattern.text == " " && marks) {
    result.escapes_spaces = true;
  } else if (pattern.is_regex && pattern.text == " {2,}" && (marks || content == " ")) {
    result.collapses_spaces = true;
  } else {
    refuse(fmt::format("the normalizer Replace of '{}' by '{}'", printable(pattern.text),
                       printable(content)));
  }
}

void read_bert_normalizer(const Json& component, Normalization& result) {
  result.is_bert = true;
  result.lowercase = flag(component, "lowercase", true);
  const bool strips_accents = flag(component, "strip_accents", result.lowercase);
  if (strips_accents != result.lowercase || !flag(component, "clean_text", true) ||
      !flag(component, "handle_chinese_chars", true)) {
    refuse("a BertNormalizer with other settings than BERT's");
  }
}

void add_normalizer(const Json& component, Normalization& result) {
  const std::string type = type_of(component, "normalizer");
  if (type == "Sequence") {
    for (const Json& part : list_of(component, "normalizers")) add_normalizer(part, result);
  } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    if (!result.form.empty()) refuse("more than one Unicode normalization");
    result.form = type;
    std::transform(type.begin(), type.end(), result.form.begin(),
                   [](char c) { return static_cast<char>(c + ('a' - 'A')); });
  } else if (type == "Prepend") {
    const auto text = json_get<std::string>(component, "prepend", kOrigin).value_or("");
    if (text != kSpaceMark) refuse(fmt::format("the normalizer Prepend of '{}'", printable(text)));
    result.prepends_space = true;
  } else if (type == "Replace") {
    read_replace(component, result);
  } else if (type == "Strip") {
    result.strips = true;
  } else if (type == "Precompiled") {
    result.charsmap = decode_base64(
        json_get<std::string>(component, "precompiled_charsmap", kOrigin).value_or(""));
  } else if (type == "BertNormalizer") {
    read_bert_normalizer(component, result);
  } else {
    refuse(fmt::format("the normalizer {}", printable(type)));
  }
}

void read_split(const Json& component, PreTokenization& result) {
  const Pattern pattern = read_pattern(component, "Split");
  const std::string behavior =
      json_get<std::string>(component, "behavior", kOrigin).value_or("Isolated");
  // Gemma's: spaces are marks by now, so that this never matches.
  if (!pattern.is_regex && pattern.text == " " && behavior == "MergedWithPrevious") {
    result.metaspace = true;
    return;
  }
  // With patterns that match everything, keeping the matches is the same as isolating them.
  const bool keeps_matches = behavior == "Removed" && flag(component, "invert", false) &&
                             pattern.is_regex && pattern.text.ends_with("\\s+");
  if (behavior != "Isolated" && !keeps_matches) {
    refuse(fmt::format("the pre-tokenizer Split with the behavior {}", printable(behavior)));
  }
  result.patterns.push_back(pattern.is_regex ? pattern.text : escape_regex(pattern.text));
}

void read_byte_level(const Json& component, PreTokenization& result) {
  result.byte_level = true;
  if (flag(component, "add_prefix_space", true)) {
    refuse("the pre-tokenizer ByteLevel with add_prefix_space");
  }
  if (flag(component, "use_regex", true)) result.patterns.emplace_back(kGpt2Pattern);
}

void read_metaspace(const Json& component, PreTokenization& result) {
  result.metaspace = true;
  const auto replacement = json_get<std::string>(component, "replacement", kOrigin);
  if (replacement.value_or(kSpaceMark) != kSpaceMark) refuse("a Metaspace of another character");
  const bool prefix = flag(component, "add_prefix_space", true);
  const std::string scheme = json_get<std::string>(component, "prepend_scheme", kOrigin)
                                 .value_or(prefix ? "always" : "never");
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    refuse(fmt::format("the prepend_scheme {}", printable(scheme)));
  }
  result.prepends_space = scheme != "never";
}

void read_punctuation(const Json& component, PreTokenization& result) {
  const std::string behavior =
      json_get<std::string>(component, "behavior", kOrigin).value_or("Isolated");
  if (behavior == "Contiguous") {
    result.patterns.emplace_back(R"([\p{P}\$\+<=>\^~\|`]+)");
  } else if (behavior == "Isolated") {
    result.patterns.emplace_back(R"([\p{P}\$\+<=>\^~\|`])");
  } else {
    refuse(fmt::format("the pre-tokenizer Punctuation with the behavior {}", printable(behavior)));
  }
}

void add_pre_tokenizer(const Json& component, PreTokenization& result) {
  const std::string type = type_of(component, "pre-tokenizer");
  if (type == "Sequence") {
    for (const Json& part : list_of(component, "pretokenizers")) add_pre_tokenizer(part, result);
  } else if (type == "ByteLevel") {
    read_byte_level(component, result);
  } else if (type == "Split") {
    read_split(component, result);
  } else if (type == "Digits") {
    result.patterns.emplace_back(flag(component, "individual_digits", false) ? R"(\p{N})"
                                                                             : R"(\p{N}+)");
  } else if (type == "Punctuation") {
    read_punctuation(component, result);
  } else if (type == "Metaspace") {
    read_metaspace(component, result);
  } else if (type == "WhitespaceSplit") {
    result.splits_spaces = true;
  } else if (type == "BertPreTokenizer") {
    result.is_bert = true;
  } else {
    refuse(fmt::format("the pre-tokenizer {}", printable(type)));
  }
}

// The id of a special token that a template names.
int64_t template_id(const Json& processor, const Json& part) {
  const auto name = json_get<std::string>(part, "id", kOrigin).value_or("");
  const auto tokens = processor.find("special_tokens");
  if (tokens != processor.end() && tokens->is_object()) {
    const auto token = tokens->find(name);
    if (token != tokens->end() && token->is_object()) {
      const auto ids = token->find("ids");
      if (ids != token->end() && ids->is_array() && ids->size() == 1 &&
          (*ids)[0].is_number_unsigned()) {
        return (*ids)[0].get<int64_t>();
      }
    }
  }
  fail(fmt::format("the template names '{}', which has no single id", printable(name)));
}

void set_once(std::optional<int64_t>& place, int64_t id) {
  if (place && *place != id) refuse("more than one token before or after the text");
  place = id;
}

void read_template(const Json& processor, PostProcessing& result) {
  const auto parts = processor.find("single");
  if (parts == processor.end() || !parts->is_array()) fail("a template without 'single'");
  bool seen_text = false;
  int before = 0, after = 0;
  for (const Json& part : *parts) {
    if (part.is_object() && part.contains("Sequence")) {
      if (seen_text) refuse("a template that holds the text twice");
      seen_text = true;
    } else if (part.is_object() && part.contains("SpecialToken")) {
      set_once(seen_text ? result.after : result.before,
               template_id(processor, part["SpecialToken"]));
      ++(seen_text ? after : before);
    } else {
      fail("a template of other things than tokens and text");
    }
  }
  if (!seen_text || before > 1 || after > 1) {
    refuse("a template of other than [token] text [token]");
  }
}

// ["[CLS]", 101]
int64_t pair_id(const Json& processor, const char* key) {
  const auto pair = processor.find(key);
  if (pair == processor.end() || !pair->is_array() || pair->size() != 2 ||
      !(*pair)[1].is_number_unsigned()) {
    fail(fmt::format("a post-processor without '{}'", key));
  }
  return (*pair)[1].get<int64_t>();
}

void add_post_processor(const Json& processor, PostProcessing& result) {
  const std::string type = type_of(processor, "post-processor");
  if (type == "Sequence") {
    for (const Json& part : list_of(processor, "processors")) add_post_processor(part, result);
  } else if (type == "TemplateProcessing") {
    read_template(processor, result);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    set_once(result.before, pair_id(processor, "cls"));
    set_once(result.after, pair_id(processor, "sep"));
  } else if (type != "ByteLevel") {  // that one moves offsets, not tokens
    refuse(fmt::format("the post-processor {}", printable(type)));
  }
}

}  // namespace

Normalization read_normalizer(const Json& normalizer) {
  Normalization result;
  if (!normalizer.is_null()) add_normalizer(normalizer, result);
  // Alone it is something else than SentencePiece's removal of extra white space.
  if (result.strips && !result.collapses_spaces) refuse("the normalizer Strip by itself");
  return result;
}

PreTokenization read_pre_tokenizer(const Json& pre_tokenizer) {
  PreTokenization result;
  if (!pre_tokenizer.is_null()) add_pre_tokenizer(pre_tokenizer, result);
  return result;
}

PostProcessing read_post_processor(const Json& post_processor) {
  PostProcessing result;
  if (!post_processor.is_null()) add_post_processor(post_processor, result);
  return result;
}

void check_decoder(const Json& decoder) {
  if (decoder.is_null()) return;
  static constexpr std::array kKnown = {"ByteLevel", "Replace",   "ByteFallback", "Fuse",
                                        "Strip",     "Metaspace", "WordPiece"};
  const std::string type = type_of(decoder, "decoder");
  if (type == "Sequence") {
    for (const Json& part : list_of(decoder, "decoders")) check_decoder(part);
  } else if (std::find(kKnown.begin(), kKnown.end(), type) == kKnown.end()) {
    refuse(fmt::format("the decoder {}", printable(type)));
  }
}

bool decodes_bytes(const Json& decoder) {
  if (decoder.is_null()) return false;
  const std::string type = type_of(decoder, "decoder");
  if (type != "Sequence") return type == "ByteLevel";
  const Json& parts = list_of(decoder, "decoders");
  return std::any_of(parts.begin(), parts.end(), decodes_bytes);
}

}  // namespace minim
