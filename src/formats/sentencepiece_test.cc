#include "formats/sentencepiece.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/test_data.h"
#include "text/tokenizer.h"

namespace minim {
namespace {

Vocabulary read(const std::string& bytes) {
  return read_sentencepiece(std::as_bytes(std::span(bytes)));
}

std::string seed(const char* name) {
  return read_file(testing::golden_path(std::string("fuzz/sentencepiece_fuzz/") + name));
}

TEST(SentencePiece, ReadsPiecesAndTheirKind) {
  const Vocabulary unigram = read(seed("unigram"));
  EXPECT_EQ(unigram.kind, TokenizerKind::kUnigram);
  ASSERT_EQ(unigram.tokens.size(), 13u);
  EXPECT_EQ(unigram.tokens[7], "▁t");
  EXPECT_EQ(unigram.scores[7], -4.0f);
  EXPECT_EQ(unigram.types[0], TokenType::kUnknown);
  EXPECT_EQ(unigram.unknown, 0);
  EXPECT_EQ(unigram.bos, 1);
  EXPECT_EQ(unigram.eos, 2);
  EXPECT_FALSE(unigram.padding);
  EXPECT_TRUE(unigram.remove_extra_whitespaces);
  EXPECT_EQ(read(seed("bpe")).kind, TokenizerKind::kSentencePieceBpe);
}

TEST(SentencePiece, RefusesWhatIsNoModel) {
  for (const char* name : {"length-past-end", "varint-too-long", "nan-score", "type-9",
                           "empty-piece", "word-model", "group-wire-type", "empty"}) {
    EXPECT_THROW(read(seed(name)), Error) << name;
  }
  for (const char* name : {"byte-minus-one", "charsmap-empty-trie"}) {
    EXPECT_THROW(Tokenizer::make(read(seed(name))), Error) << name;
  }
  // An id of a token that is not there is no token.
  const Vocabulary vocabulary = read(seed("id-out-of-range"));
  EXPECT_FALSE(vocabulary.unknown);
  EXPECT_FALSE(vocabulary.bos);
}

TEST(SentencePiece, EveryTruncationAndBitFlipEndsWell) {
  const std::string whole = seed("unigram");
  const auto survive = [](const std::string& bytes) {
    try {
      Tokenizer::make(read(bytes))->encode("text.");
    } catch (const Error& error) {
      EXPECT_FALSE(std::string(error.what()).empty());
    }
  };
  for (size_t size = 0; size < whole.size(); ++size) survive(whole.substr(0, size));
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    survive(flipped);
  }
}

}  // namespace
}  // namespace minim
