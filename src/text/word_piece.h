// WordPiece ("bert" in GGUF; Devlin et al., 2018): text is cleaned and cut into words and
// punctuation, and each word is covered by the longest tokens from its beginning.
#pragma once

#include <string>
#include <vector>

#include "text/byte_trie.h"
#include "text/tokenizer.h"

namespace minim {

class WordPieceTokenizer : public Tokenizer {
 public:
  explicit WordPieceTokenizer(Vocabulary vocabulary);

 protected:
  void encode_text(std::string_view text, bool begins, std::vector<TokenId>& out) const override;

 private:
  struct Words {
    std::string text;  // one after the other
    std::vector<uint32_t> ends;
  };

  Words cut_words(std::string_view text) const;
  void encode_word(std::string_view word, std::vector<TokenId>& out) const;

  ByteTrie beginnings_;     // tokens that begin a word, without a mark
  ByteTrie continuations_;  // tokens that go on with one, without "##"
};

}  // namespace minim
