// Pre-tokenizers: how text is cut into words before byte BPE merges within each.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "text/regex.h"
#include "text/vocabulary.h"
#include "text/word_scanner.h"

namespace minim {

// What a GGUF pre-tokenizer name says beside how to cut; a file's own keys come before these.
struct PreTokenizerFacts {
  bool known = false;
  bool ignore_merges = false;  // a whole word in the vocabulary wins
  bool add_bos = false;        // where the file does not say
};
PreTokenizerFacts pre_tokenizer_facts(std::string_view name);

// The names that PreTokenizer knows, sorted.
std::vector<std::string_view> pre_tokenizer_names();
// The regular expressions that a known name stands for, in the order of their use.
std::vector<std::string> pre_tokenizer_patterns(std::string_view name);

class PreTokenizer {
 public:
  // From pre_tokenizer, or pre_patterns where that is empty. Throws kUnsupported for a name that
  // is not known and kFormat where there is neither or a pattern cannot be read.
  explicit PreTokenizer(const Vocabulary& vocabulary);

  // The end of each word; the last is text.size(). A byte that is not UTF-8 is seen as U+FFFD.
  // REQUIRES: text.size() < 2^30.
  std::vector<uint32_t> split(std::string_view text) const;

 private:
  std::vector<uint32_t> split_valid(std::string_view text) const;

  // Each stage cuts the pieces that the one before it left, matches and gaps alike.
  std::vector<std::variant<WordScanner, Regex>> stages_;
  bool needs_utf8_ = false;  // some stage is a Regex
};

}  // namespace minim
