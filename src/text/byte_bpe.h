// Byte-level BPE ("gpt2" in GGUF; Radford et al., 2019): text is cut into words, and the bytes of
// each word are merged pair by pair.
#pragma once

#include <array>

#include "text/merge_table.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace minim {

class ByteBpeTokenizer : public Tokenizer {
 public:
  explicit ByteBpeTokenizer(Vocabulary vocabulary);

 protected:
  void encode_text(std::string_view text, bool begins, std::vector<TokenId>& out) const override;

 private:
  void read_merges();
  void encode_word(std::string_view word, SymbolMerger& merger, std::vector<TokenId>& symbols,
                   std::vector<TokenId>& out) const;

  PreTokenizer pre_tokenizer_;
  NormalForm normal_form_ = NormalForm::kNone;
  std::array<TokenId, 256> byte_tokens_;  // -1: the vocabulary has none
  MergeTable merges_;
  TokenTable words_;  // by spelling; filled with ignore_merges only
};

}  // namespace minim
