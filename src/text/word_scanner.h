// Hand-written cutters for the patterns that most models use; each equals its regular expression.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace minim {

// GPT-2's words:
// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
extern const char kGpt2Pattern[];
// Llama 3's (cl100k's) words: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
//  ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
extern const char kLlama3Pattern[];
// Qwen 2's: the same with \p{N} in place of \p{N}{1,3}.
extern const char kQwen2Pattern[];

// Each appends the end of every word of `text`, plus `base`, to `ends`; a byte that is not UTF-8
// counts as U+FFFD, a symbol.
using WordScanner = void (*)(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
void scan_gpt2_words(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
void scan_llama3_words(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
void scan_qwen2_words(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);

// \p{N}, each alone.
void scan_numbers(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
// \p{N}+
void scan_number_runs(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
// [\r\n], each alone.
void scan_line_ends(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
// [0-9][0-9][0-9]
void scan_digit_triples(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
// [\p{P}\$\+<=>\^~\|]+ and, for Falcon, with a backtick in the class.
void scan_punctuation_runs(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
void scan_falcon_punctuation_runs(std::string_view text, uint32_t base,
                                  std::vector<uint32_t>& ends);
// \s?\p{L}+ and \s?\p{P}+
void scan_spaced_letters(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
void scan_spaced_punctuation(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);
// [一-龥ࠀ-一가-퟿]+
void scan_east_asian_runs(std::string_view text, uint32_t base, std::vector<uint32_t>& ends);

}  // namespace minim
