#include "text/pre_tokenizer.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/error.h"
#include "text/utf8.h"

namespace minim {
namespace {

// A regular expression and, where there is one, the scanner that does the same faster.
struct Pattern {
  const char* regex;
  WordScanner scanner = nullptr;
};

// The expressions are those of the models' own tokenizer.json files; where a published one is an
// approximation of its original, the original.
constexpr Pattern kGpt2Words = {kGpt2Pattern, scan_gpt2_words};
constexpr Pattern kLlama3Words = {kLlama3Pattern, scan_llama3_words};
constexpr Pattern kQwen2Words = {kQwen2Pattern, scan_qwen2_words};
constexpr Pattern kNumbers = {R"(\p{N})", scan_numbers};
constexpr Pattern kNumberRuns = {R"(\p{N}+)", scan_number_runs};
constexpr Pattern kLineEnds = {R"([\r\n])", scan_line_ends};
constexpr Pattern kDigitTriples = {"[0-9][0-9][0-9]", scan_digit_triples};
constexpr Pattern kDefaultPunctuation = {R"([\p{P}\$\+<=>\^~\|]+)", scan_punctuation_runs};
constexpr Pattern kFalconPunctuation = {R"([\p{P}\$\+<=>\^~\|`]+)", scan_falcon_punctuation_runs};
constexpr Pattern kSpacedLetters = {R"(\s?\p{L}+)", scan_spaced_letters};
constexpr Pattern kSpacedPunctuation = {R"(\s?\p{P}+)", scan_spaced_punctuation};
constexpr Pattern kEastAsian = {R"([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)",
                                scan_east_asian_runs};
constexpr Pattern kBloomWords = {
    R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{ff0c}\x{3001}\x{964}\x{6d4}\x{60c})]+)"};

// DeepSeek LLM lists the letters of the cased alphabets.
constexpr Pattern kDeepseekLetters = {
    R"(\s?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-)"
    R"(\x{293}\x{295}-\x{2af}\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386})"
    R"(\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f})"
    R"(\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd}\x{1c90}-\x{1cba})"
    R"(\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-)"
    R"(\x{1f15}\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59})"
    R"(\x{1f5b}\x{1f5d}\x{1f5f}-\x{1f7d}\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-)"
    R"(\x{1fc4}\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}\x{1ff2})"
    R"(-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d})"
    R"(\x{2124}\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f})"
    R"(\x{2145}-\x{2149}\x{214e}\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}\x{2ceb}-)"
    R"(\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-)"
    R"(\x{a787}\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17}\x{ff21})"
    R"(-\x{ff3a}\x{ff41}-\x{ff5a}\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb})"
    R"(\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+)"};
constexpr Pattern kDeepseekPunctuation = {
    R"(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)"};
// Published as \s+$, which tries every space of every run; this finds the same in one pass.
constexpr Pattern kTrailingSpace = {R"((?<!\s)\s++\z)"};
constexpr Pattern kDeepseek3Triples = {R"(\p{N}{1,3})"};
constexpr Pattern kDeepseek3EastAsian = {
    R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)"};
constexpr Pattern kDeepseek3Words = {
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
    R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr Pattern kTekkenWords = {
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr Pattern kGpt4oWords = {
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr Pattern kChameleonSentinels = {"<sentinel:[0-9]+>"};
constexpr Pattern kChameleonImages = {"IMGIMG[A-I]{1,4}Z"};
constexpr Pattern kChameleonSpace = {R"([\t\n]|    |  )"};
constexpr Pattern kChameleonPunctuation = {R"([\p{P}!-/:-@\[-`{-~])"};

struct Scheme {
  const char* name;
  std::array<const Pattern*, 6> patterns;
  bool ignore_merges = false;
  bool add_bos = false;
};

constexpr Scheme kGpt2Scheme = {"gpt-2", {&kGpt2Words}};
constexpr Scheme kDigitsScheme = {"starcoder", {&kNumbers, &kGpt2Words}};
constexpr Scheme kLlama3Scheme = {"llama-bpe", {&kLlama3Words}, true, true};
constexpr Scheme kLlama3MergesScheme = {"dbrx", {&kLlama3Words}};
constexpr Scheme kQwen2Scheme = {"qwen2", {&kQwen2Words}};
constexpr Scheme kBloomScheme = {"bloom", {&kBloomWords}};
constexpr Scheme kVikingScheme = {"viking", {&kBloomWords, &kNumbers}};
constexpr Scheme kTekkenScheme = {"tekken", {&kTekkenWords}, true, true};
constexpr Scheme kGpt4oScheme = {"gpt-4o", {&kGpt4oWords}};
constexpr Scheme kFalconScheme = {"falcon", {&kFalconPunctuation, &kGpt2Words, &kDigitTriples}};
constexpr Scheme kDefaultScheme = {
    "default", {&kDefaultPunctuation, &kGpt2Words, &kNumberRuns, &kDigitTriples}};
constexpr Scheme kDeepseekLlmScheme = {"deepseek-llm",
                                       {&kLineEnds, &kDeepseekLetters, &kDeepseekPunctuation,
                                        &kTrailingSpace, &kEastAsian, &kNumberRuns}};
constexpr Scheme kDeepseekCoderScheme = {
    "deepseek-coder", {&kLineEnds, &kSpacedLetters, &kSpacedPunctuation, &kEastAsian, &kNumbers}};
constexpr Scheme kDeepseek3Scheme = {"deepseek-v3",
                                     {&kDeepseek3Triples, &kDeepseek3EastAsian, &kDeepseek3Words}};
constexpr Scheme kChameleonScheme = {"chameleon",
                                     {&kChameleonSentinels, &kChameleonImages, &kChameleonSpace,
                                      &kNumbers, &kChameleonPunctuation, &kGpt2Words},
                                     false,
                                     true};
// One word: for vocabularies that merge across the whole text.
constexpr Scheme kNoScheme = {"none", {}};

struct Name {
  std::string_view name;
  const Scheme* scheme;
};

// Names are GGUF's (tokenizer.ggml.pre). Sorted.
constexpr Name kNames[] = {
    {"bloom", &kBloomScheme},
    {"chameleon", &kChameleonScheme},
    {"chatglm-bpe", &kLlama3MergesScheme},
    {"codeshell", &kDigitsScheme},
    {"command-r", &kDigitsScheme},
    {"dbrx", &kLlama3MergesScheme},
    {"deepseek-coder", &kDeepseekCoderScheme},
    {"deepseek-llm", &kDeepseekLlmScheme},
    {"deepseek-r1-qwen", &kQwen2Scheme},
    {"deepseek-v3", &kDeepseek3Scheme},
    {"default", &kDefaultScheme},
    {"exaone", &kDigitsScheme},
    {"falcon", &kFalconScheme},
    {"falcon3", &kLlama3Scheme},
    {"gigachat", &kGpt2Scheme},
    {"glm4", &kLlama3MergesScheme},
    {"gpt-2", &kGpt2Scheme},
    {"gpt-4o", &kGpt4oScheme},
    {"gpt-neox", &kGpt2Scheme},
    {"gpt3-finnish", &kBloomScheme},
    {"jais", &kGpt2Scheme},
    {"jina-de", &kGpt2Scheme},
    {"jina-es", &kGpt2Scheme},
    {"jina-v1-en", &kGpt2Scheme},
    {"jina-v2-code", &kGpt2Scheme},
    {"jina-v2-de", &kGpt2Scheme},
    {"jina-v2-es", &kGpt2Scheme},
    {"llama-bpe", &kLlama3Scheme},
    {"llama-v3", &kLlama3Scheme},
    {"llama3", &kLlama3Scheme},
    {"llama4", &kGpt4oScheme},
    {"megrez", &kQwen2Scheme},
    {"minerva-7b", &kDigitsScheme},
    {"mpt", &kGpt2Scheme},
    {"none", &kNoScheme},
    {"olmo", &kGpt2Scheme},
    {"phi-2", &kGpt2Scheme},
    {"poro-chat", &kBloomScheme},
    {"qwen2", &kQwen2Scheme},
    {"refact", &kDigitsScheme},
    {"roberta-bpe", &kGpt2Scheme},
    {"smaug-bpe", &kLlama3MergesScheme},
    {"smollm", &kDigitsScheme},
    {"stablelm2", &kQwen2Scheme},
    {"starcoder", &kDigitsScheme},
    {"tekken", &kTekkenScheme},
    {"viking", &kVikingScheme},
};

const Scheme* find_scheme(std::string_view name) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const Name& known) { return known.name == name; });
  return found == std::end(kNames) ? nullptr : found->scheme;
}

// The pattern of ours that reads like one of tokenizer.json, or null.
const Pattern* find_pattern(std::string_view regex) {
  for (const Name& known : kNames) {
    for (const Pattern* pattern : known.scheme->patterns) {
      if (pattern != nullptr && regex == pattern->regex) return pattern;
    }
  }
  return nullptr;
}

std::variant<WordScanner, Regex> make_stage(const Pattern& pattern) {
  if (pattern.scanner != nullptr) return pattern.scanner;
  return Regex(pattern.regex, PatternOrigin::kOwn);
}

}  // namespace

PreTokenizerFacts pre_tokenizer_facts(std::string_view name) {
  const Scheme* scheme = find_scheme(name);
  if (scheme == nullptr) return {};
  return {true, scheme->ignore_merges, scheme->add_bos};
}

std::vector<std::string_view> pre_tokenizer_names() {
  std::vector<std::string_view> names;
  for (const Name& known : kNames) names.push_back(known.name);
  return names;
}

std::vector<std::string> pre_tokenizer_patterns(std::string_view name) {
  std::vector<std::string> patterns;
  if (const Scheme* scheme = find_scheme(name)) {
    for (const Pattern* pattern : scheme->patterns) {
      if (pattern != nullptr) patterns.push_back(pattern->regex);
    }
  }
  return patterns;
}

PreTokenizer::PreTokenizer(const Vocabulary& vocabulary) {
  const std::string& name = vocabulary.pre_tokenizer;
  if (name.empty() && vocabulary.pre_patterns.empty()) {
    throw Error(ErrorCode::kFormat,
                "text: the vocabulary does not say how text is cut before merging; set "
                "tokenizer.ggml.pre to the model's pre-tokenizer, for example 'gpt-2'");
  }
  if (name.empty()) {
    for (const std::string& regex : vocabulary.pre_patterns) {
      if (const Pattern* pattern = find_pattern(regex)) {
        stages_.push_back(make_stage(*pattern));
      } else {
        stages_.push_back(Regex(regex, PatternOrigin::kFile));
      }
      needs_utf8_ |= std::holds_alternative<Regex>(stages_.back());
    }
    return;
  }
  const Scheme* scheme = find_scheme(name);
  if (scheme == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("text: pre-tokenizer '{}' is not known; convert the model again from "
                            "its tokenizer.json, or set tokenizer.ggml.pre to one of: {}",
                            name, fmt::join(pre_tokenizer_names(), ", ")));
  }
  for (const Pattern* pattern : scheme->patterns) {
    if (pattern == nullptr) continue;
    stages_.push_back(make_stage(*pattern));
    needs_utf8_ |= std::holds_alternative<Regex>(stages_.back());
  }
}

std::vector<uint32_t> PreTokenizer::split(std::string_view text) const {
  if (!needs_utf8_ || is_valid_utf8(text)) return split_valid(text);
  // Cut a shadow in which each stray byte is U+FFFD (three bytes), then map the places back.
  std::vector<uint32_t> ends = split_valid(replace_invalid_utf8(text));
  size_t at = 0, shadow_at = 0;
  for (uint32_t& end : ends) {
    while (shadow_at < end) {
      const Utf8Character character = utf8_at(text, at);
      at += character.length;
      shadow_at += character.valid ? character.length : 3;
    }
    end = static_cast<uint32_t>(at);
  }
  return ends;
}

std::vector<uint32_t> PreTokenizer::split_valid(std::string_view text) const {
  std::vector<uint32_t> pieces;
  if (text.empty()) return pieces;
  pieces.push_back(static_cast<uint32_t>(text.size()));
  std::vector<uint32_t> next;
  for (const auto& stage : stages_) {
    next.clear();
    if (const auto* regex = std::get_if<Regex>(&stage)) {
      next.reserve(pieces.size());
      regex->split(text, pieces, next);
    } else {
      if (pieces.size() == 1) next.reserve(text.size() / 4);
      uint32_t begin = 0;
      for (const uint32_t end : pieces) {
        std::get<WordScanner>(stage)(text.substr(begin, end - begin), begin, next);
        begin = end;
      }
    }
    pieces.swap(next);
  }
  return pieces;
}

}  // namespace minim
