// SentencePiece BPE ("llama" in GGUF; Sennrich et al., 2016): characters are merged pair by pair,
// the pair that makes the best token first; what stays unknown is written in bytes.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/merge_table.h"
#include "text/sentencepiece.h"
#include "text/tokenizer.h"

namespace minim {

class SentencePieceBpeTokenizer : public Tokenizer {
 public:
  explicit SentencePieceBpeTokenizer(Vocabulary vocabulary);

 protected:
  void encode_text(std::string_view text, bool begins, std::vector<TokenId>& out) const override;

 private:
  struct Split {
    int32_t left, right;
  };

  void name_characters();
  void rank_by_scores();
  void find_unused_splits();
  void merges_from_list();
  Split add_splits(TokenId id, MergeTable& merges) const;
  MergeTable all_merges() const;
  MergeTable merges_within(std::string_view normalized) const;
  void merge_words(std::string_view normalized, const MergeTable& merges,
                   std::vector<TokenId>& out) const;
  int32_t character_symbol(std::string_view character) const;
  void append_symbols(std::string_view word, std::vector<int32_t>& symbols) const;
  void append_tokens(int32_t symbol, std::vector<TokenId>& out) const;

  SentencePieces pieces_;
  TokenTable by_text_;  // normal and unused pieces, and the characters below
  // Symbols are token ids and, past them, the characters that occur in pieces but are none.
  std::vector<std::string> characters_;
  std::array<int32_t, 128> ascii_symbols_;  // -1: unknown
  int32_t space_symbol_ = -1;               // of U+2581
  // Merges by scores are what the tokens' texts say, and there are many: until enough text has come
  // to need them all, only those that a text can need are made for it.
  std::vector<int32_t> ranks_;  // of tokens by their scores, the best first; empty with a list
  size_t token_bytes_max_ = 0;
  mutable std::atomic<size_t> short_bytes_{0};  // of texts that had merges of their own
  mutable std::once_flag merges_made_;
  mutable MergeTable merges_;
  // Unused pieces may be made on the way to others but not written: what they came from.
  std::vector<std::pair<int32_t, Split>> unused_splits_;  // sorted
};

}  // namespace minim
