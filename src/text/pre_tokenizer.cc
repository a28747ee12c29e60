#include "text/pre_tokenizer.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/error.h"

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
constexpr Pattern kEastAsian = {"[一-龥ࠀ-一가-\xED\x9F\xBF]+", scan_east_asian_runs};
constexpr Pattern kBloomWords = {" ?[^(\\s|.,!?…。，、।۔،)]+"};

// DeepSeek LLM lists the letters of the cased alphabets.
constexpr Pattern kDeepseekLetters = {
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ"
    "Ⴀ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-"
    "ΐ"
    "ῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳ"
    "Ꙁ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-"
    "𞥃]+"};
constexpr Pattern kDeepseekPunctuation = {"\\s?[!-/:-~！-／：-～‘-‟　-。]+"};
// Published as \s+$, which tries every space of every run; this finds the same in one pass.
constexpr Pattern kTrailingSpace = {R"((?<!\s)\s++\z)"};
constexpr Pattern kDeepseek3Triples = {R"(\p{N}{1,3})"};
constexpr Pattern kDeepseek3EastAsian = {"[一-龥\u3040-ゟ゠-ヿ]+"};
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

// The scanner for a pattern of tokenizer.json that is one of ours, or null.
WordScanner find_scanner(std::string_view regex) {
  for (const Pattern* pattern :
       {&kGpt2Words, &kLlama3Words, &kQwen2Words, &kNumbers, &kNumberRuns, &kLineEnds,
        &kDigitTriples, &kSpacedLetters, &kSpacedPunctuation}) {
    if (regex == pattern->regex) return pattern->scanner;
  }
  return nullptr;
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
    for (const std::string& pattern : vocabulary.pre_patterns) {
      if (const WordScanner scanner = find_scanner(pattern)) {
        stages_.emplace_back(scanner);
      } else {
        stages_.emplace_back(Regex(pattern));
      }
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
    if (pattern->scanner != nullptr) {
      stages_.emplace_back(pattern->scanner);
    } else {
      stages_.emplace_back(Regex(pattern->regex));
    }
  }
}

std::vector<uint32_t> PreTokenizer::split(std::string_view text) const {
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
