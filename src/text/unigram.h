// SentencePiece unigram ("t5" in GGUF; Kudo, 2018): the segmentation whose tokens have the highest
// sum of log probabilities, found by Viterbi's algorithm.
#pragma once

#include <vector>

#include "text/sentencepiece.h"
#include "text/tokenizer.h"

namespace minim {

class UnigramTokenizer : public Tokenizer {
 public:
  explicit UnigramTokenizer(Vocabulary vocabulary);

 protected:
  void encode_text(std::string_view text, bool begins, std::vector<TokenId>& out) const override;

 private:
  // The best segmentation of the text up to one place.
  struct Best {
    double score = 0;
    int32_t length = 0;  // of its last token; 0: nothing reaches here
    TokenId token = -1;  // -1: a character that no piece covers
  };

  void encode_word(std::string_view word, std::vector<Best>& best, std::vector<TokenId>& out) const;

  SentencePieces pieces_;
  ByteTrie trie_;
  double score_max_ = 0;
  double unknown_score_ = 0;
};

}  // namespace minim
