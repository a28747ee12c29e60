#include "text/vocabulary_check.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "base/error.h"
#include "text/tokenizer.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

using Change = std::function<void(Vocabulary&)>;

// Makes a tokenizer from a changed vocabulary and expects `part` in the message of a typed error.
void expect_refused(Vocabulary vocabulary, const Change& change, const char* part) {
  EXPECT_NO_THROW(Tokenizer::make(vocabulary));
  change(vocabulary);
  try {
    Tokenizer::make(vocabulary);
    ADD_FAILURE() << "accepted, expected: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Vocabulary, RefusesWhatDoesNotFit) {
  const Vocabulary spm = testing::sentencepiece_bpe_vocabulary();
  const Vocabulary bpe = testing::byte_bpe_vocabulary();
  expect_refused(
      spm, [](Vocabulary& v) { v = Vocabulary(); }, "no tokens");
  expect_refused(
      spm, [](Vocabulary& v) { v.types.pop_back(); }, "token types for");
  expect_refused(
      spm, [](Vocabulary& v) { v.scores.pop_back(); }, "scores for");
  expect_refused(
      spm, [](Vocabulary& v) { v.scores.push_back(0); }, "scores for");
  expect_refused(
      spm, [](Vocabulary& v) { v.scores.clear(); }, "needs scores or merges");
  expect_refused(
      spm, [](Vocabulary& v) { v.scores[5] = std::numeric_limits<float>::quiet_NaN(); },
      "score of token 5");
  for (const char* name :
       {"<0x-1>", "<0x100>", "<0xG0>", "<0x1>", "", "0x41", "<0x 1>", "<0x41> "}) {
    expect_refused(
        spm, [name](Vocabulary& v) { v.tokens[3] = name; }, "byte token 3");
  }
  expect_refused(
      spm, [](Vocabulary& v) { v.types[0] = static_cast<TokenType>(0); }, "type 0");
  expect_refused(
      spm, [](Vocabulary& v) { v.types[0] = static_cast<TokenType>(7); }, "type 7");
  expect_refused(
      spm, [](Vocabulary& v) { v.tokens.back() = std::string(5000, 'x'); }, "5000 bytes");
  expect_refused(
      bpe, [](Vocabulary& v) { v.merges.clear(); }, "no merges");
  for (const char* merge : {"", " ", "a", "a ", "xyzzy a", "a xyzzy", "q q", "a a a"}) {
    expect_refused(
        bpe, [merge](Vocabulary& v) { v.merges.push_back(merge); }, "merge 8");
  }
  expect_refused(
      bpe, [](Vocabulary& v) { v.normalization = "nfq"; }, "'nfq'");
  expect_refused(
      bpe, [](Vocabulary& v) { v.pre_tokenizer = "gpt-9"; }, "'gpt-9'");
  expect_refused(
      spm,
      [](Vocabulary& v) {
        v.precompiled_charsmap = {1, 2, 3};
      },
      "precompiled_charsmap");
  expect_refused(
      spm,
      [](Vocabulary& v) {
        v.precompiled_charsmap = {255, 255, 255, 255, 0};
      },
      "longer than");
  expect_refused(
      testing::unigram_vocabulary(false), [](Vocabulary& v) { v.unknown.reset(); },
      "unknown token");
  expect_refused(
      testing::word_piece_vocabulary(), [](Vocabulary& v) { v.unknown.reset(); }, "unknown token");
}

TEST(Vocabulary, RefusesIdsOutsideIt) {
  const Vocabulary spm = testing::sentencepiece_bpe_vocabulary();
  using Id = std::optional<int32_t> Vocabulary::*;
  for (const Id id :
       {&Vocabulary::bos, &Vocabulary::eos, &Vocabulary::eot, &Vocabulary::unknown,
        &Vocabulary::separator, &Vocabulary::padding, &Vocabulary::cls, &Vocabulary::mask}) {
    for (const int32_t value :
         {-1, static_cast<int32_t>(spm.tokens.size()), INT32_MAX, INT32_MIN}) {
      expect_refused(
          spm, [&](Vocabulary& v) { v.*id = value; }, "the last token is");
    }
  }
  expect_refused(
      spm, [](Vocabulary& v) { v.strips_left = {-5}; }, "the last token is");
  expect_refused(
      spm, [](Vocabulary& v) { v.strips_right = {99999}; }, "the last token is");
  expect_refused(
      spm, [](Vocabulary& v) { v.bos.reset(); }, "BOS");
}

// A charsmap may point anywhere; reading it is checked at every step.
TEST(Vocabulary, HostileCharsmapsEndInErrors) {
  for (uint32_t unit : {0u, 0xFFFFFFFFu, 0x80000061u, 0x00000561u, 0x7FFFFD61u}) {
    Vocabulary vocabulary = testing::unigram_vocabulary(true);
    vocabulary.precompiled_charsmap = {4, 0, 0, 0};
    for (int i = 0; i < 4; ++i) vocabulary.precompiled_charsmap.push_back(uint8_t(unit >> 8 * i));
    vocabulary.precompiled_charsmap.push_back(0);
    const auto tokenizer = Tokenizer::make(vocabulary);
    try {
      tokenizer->encode("a text");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
    }
  }
}

TEST(Vocabulary, FillsInTypes) {
  Vocabulary vocabulary = testing::byte_bpe_vocabulary();
  vocabulary.types.clear();
  check_vocabulary(vocabulary);
  ASSERT_EQ(vocabulary.types.size(), vocabulary.tokens.size());
  EXPECT_EQ(vocabulary.types[0], TokenType::kNormal);
  EXPECT_EQ(vocabulary.types[static_cast<size_t>(*vocabulary.eos)], TokenType::kControl);
}

}  // namespace
}  // namespace minim
