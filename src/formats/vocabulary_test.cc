#include "formats/vocabulary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/testing/corruption.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::expect_error;

Vocabulary sentence_piece() {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kSentencePieceBpe;
  vocabulary.tokens = {"<unk>", "<s>", "</s>", "<0x41>", "a"};
  vocabulary.types = {TokenType::kUnknown, TokenType::kControl, TokenType::kControl,
                      TokenType::kByte, TokenType::kNormal};
  vocabulary.scores = {0, 0, 0, 0, -1};
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.add_bos = true;
  return vocabulary;
}

Metadata stored(const Vocabulary& vocabulary) {
  Metadata metadata;
  write_vocabulary(vocabulary, metadata);
  return metadata;
}

// All that a round trip could lose, in one text.
std::string describe(const Vocabulary& v) {
  Metadata metadata;
  write_vocabulary(v, metadata);
  return testing::describe_metadata(metadata);
}

void expect_rejected(Metadata metadata, std::string_view part) {
  expect_error(ErrorCode::kFormat, part, [&] { read_vocabulary(metadata); });
}

TEST(Vocabulary, RoundTripsEveryField) {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kByteBpe;
  vocabulary.tokens = {"a", "b", "ab", "<|x|>"};
  vocabulary.types = {TokenType::kNormal, TokenType::kNormal, TokenType::kUnused,
                      TokenType::kControl};
  vocabulary.merges = {"a b"};
  vocabulary.pre_patterns = {R"(\p{N})", R"(\s+)"};
  vocabulary.bos = 0;
  vocabulary.eos = 1;
  vocabulary.eot = 3;
  vocabulary.unknown = 0;
  vocabulary.separator = 1;
  vocabulary.padding = 2;
  vocabulary.cls = 3;
  vocabulary.mask = 0;
  vocabulary.add_bos = true;
  vocabulary.add_eos = true;
  vocabulary.add_space_prefix = true;
  vocabulary.remove_extra_whitespaces = true;
  vocabulary.lowercase = false;
  vocabulary.ignore_merges = true;
  vocabulary.normalization = "nfc";
  vocabulary.strips_left = {3};
  vocabulary.strips_right = {3, 2};
  vocabulary.precompiled_charsmap = {0, 1, 255};
  vocabulary.chat_template = "{{ x }}";
  const Vocabulary read = read_vocabulary(stored(vocabulary));
  EXPECT_EQ(describe(read), describe(vocabulary));
  EXPECT_EQ(read.pre_patterns, vocabulary.pre_patterns);
  EXPECT_EQ(read.pre_tokenizer, "");
  EXPECT_EQ(read.eot, 3);
  EXPECT_EQ(read.mask, 0);
  EXPECT_TRUE(read.ignore_merges);
  EXPECT_FALSE(read.lowercase);
  EXPECT_EQ(read.strips_right, vocabulary.strips_right);
  EXPECT_EQ(read.precompiled_charsmap, vocabulary.precompiled_charsmap);
}

TEST(Vocabulary, RoundTripsTheDefaults) {
  for (const TokenizerKind kind :
       {TokenizerKind::kSentencePieceBpe, TokenizerKind::kUnigram, TokenizerKind::kWordPiece}) {
    Vocabulary vocabulary = sentence_piece();
    vocabulary.kind = kind;
    for (const bool flag : {false, true}) {
      vocabulary.add_bos = vocabulary.add_eos = vocabulary.add_space_prefix = flag;
      const Vocabulary read = read_vocabulary(stored(vocabulary));
      EXPECT_EQ(read.kind, kind);
      EXPECT_EQ(read.add_bos, flag);
      EXPECT_EQ(read.add_eos, flag);
      EXPECT_EQ(read.add_space_prefix, flag);
    }
  }
}

TEST(Vocabulary, WritingRemovesWhatNoLongerHolds) {
  Metadata metadata = stored(sentence_piece());
  Vocabulary other = sentence_piece();
  other.eos.reset();
  other.scores.clear();
  write_vocabulary(other, metadata);
  EXPECT_FALSE(metadata.contains("tokenizer.ggml.eos_token_id"));
  EXPECT_FALSE(metadata.contains("tokenizer.ggml.scores"));
}

TEST(Vocabulary, OldFilesMeanTheUsualTokens) {
  Metadata metadata = stored(sentence_piece());
  for (const char* key :
       {"bos_token_id", "eos_token_id", "unknown_token_id", "add_bos_token", "add_eos_token"}) {
    metadata.erase(std::string("tokenizer.ggml.") + key);
  }
  const Vocabulary read = read_vocabulary(metadata);
  EXPECT_EQ(read.unknown, 0);
  EXPECT_EQ(read.bos, 1);
  EXPECT_EQ(read.eos, 2);
  EXPECT_TRUE(read.add_bos);
  EXPECT_FALSE(read.add_eos);
}

TEST(VocabularyThreats, ScoresStoredAsBytes) {
  Metadata metadata = stored(sentence_piece());
  metadata.set_uint8s("tokenizer.ggml.scores", std::vector<uint8_t>(5));
  expect_rejected(metadata, "'tokenizer.ggml.scores' must be an array of floats");
  metadata.set_float32("tokenizer.ggml.scores", 1);
  expect_rejected(metadata, "must be an array of floats");
}

TEST(VocabularyThreats, ScoresThatAreNoNumbers) {
  for (const double score : {std::nan(""), std::numeric_limits<double>::infinity(), 1e300}) {
    Metadata metadata = stored(sentence_piece());
    metadata.set_float32s("tokenizer.ggml.scores", {0, 0, 0, 0, score});
    expect_rejected(metadata, "token 4 has a score");
  }
}

TEST(VocabularyThreats, ArraysOfOtherLengths) {
  Metadata metadata = stored(sentence_piece());
  metadata.set_float32s("tokenizer.ggml.scores", {0, 0});
  expect_rejected(metadata, "'tokenizer.ggml.scores' has 2 entries for 5 tokens");
  metadata = stored(sentence_piece());
  metadata.set_int32s("tokenizer.ggml.token_type", std::vector<int64_t>(6, 1));
  expect_rejected(metadata, "'tokenizer.ggml.token_type' has 6 entries for 5 tokens");
}

TEST(VocabularyThreats, TokenTypesOutOfRange) {
  for (const int64_t type : {-1, 0, 7, 1000}) {
    Metadata metadata = stored(sentence_piece());
    metadata.set_int32s("tokenizer.ggml.token_type", {2, 3, 3, 6, type});
    expect_rejected(metadata, "token 4 has the type");
  }
}

TEST(VocabularyThreats, ByteTokensThatAreNone) {
  for (const char* text : {"<0x-1>", "<0x1>", "<0x100>", "<0xG0>", "0x00", "", "<0x 1>"}) {
    Metadata metadata = stored(sentence_piece());
    metadata.set_strings("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", text, "a"});
    expect_rejected(metadata, "token 3 is marked as a byte");
  }
}

// CVE-2025-52566: ids compared with the wrong sign.
TEST(VocabularyThreats, SpecialTokensOutOfRange) {
  for (const char* name : {"bos", "eos", "eot", "unknown", "seperator", "padding", "cls", "mask"}) {
    const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
    Metadata metadata = stored(sentence_piece());
    for (const uint32_t id : {5u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
      metadata.set_uint32(key, id);
      expect_rejected(metadata, key);
    }
    metadata.set("" + key, {MetadataType::kInt32, int64_t{-1}});
    expect_rejected(metadata, key);
    metadata.set_string(key, "1");
    expect_rejected(metadata, key);
  }
  Metadata metadata = stored(sentence_piece());
  metadata.set_int32s("tokenizer.minim.strips_left", {5});
  expect_rejected(metadata, "strips_left");
}

TEST(VocabularyThreats, MissingAndBrokenParts) {
  expect_rejected({}, "'tokenizer.ggml.model' is missing");
  for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.scores"}) {
    Metadata metadata = stored(sentence_piece());
    metadata.erase(key);
    expect_rejected(metadata, key);
  }
  Metadata empty = stored(sentence_piece());
  empty.set_strings("tokenizer.ggml.tokens", {});
  expect_rejected(empty, "tokenizer.ggml.tokens");
  Metadata metadata = stored(sentence_piece());
  metadata.set_string("tokenizer.ggml.model", "other");
  expect_error(ErrorCode::kUnsupported, "'other'", [&] { read_vocabulary(metadata); });
  metadata = stored(sentence_piece());
  metadata.set_string("tokenizer.minim.normalization", "upper");
  expect_error(ErrorCode::kUnsupported, "'upper'", [&] { read_vocabulary(metadata); });
}

// Rebuilding absent merges from the tokens takes quadratic time elsewhere.
TEST(VocabularyThreats, MissingAndBrokenMerges) {
  Metadata metadata = stored(sentence_piece());
  metadata.set_string("tokenizer.ggml.model", "gpt2");
  expect_rejected(metadata, "'tokenizer.ggml.merges' is missing");
  for (const char* merge : {"", "a", " ", "a ", " a"}) {
    metadata.set_strings("tokenizer.ggml.merges", {"a b", merge});
    expect_rejected(metadata, "merge 1");
  }
}

TEST(Vocabulary, Phi3TokensSwallowSpaces) {
  MINIM_DATA_OR_SKIP(path, "conformance/gguf_vocab/ggml-vocab-phi-3.gguf");
  const Vocabulary vocabulary = read_vocabulary(open_gguf(path)->metadata());
  EXPECT_EQ(vocabulary.add_bos, true);
  for (const int32_t id : vocabulary.strips_right) {
    EXPECT_NE(vocabulary.tokens[static_cast<size_t>(id)], "<|endoftext|>");
  }
  Metadata metadata = open_gguf(path)->metadata();
  metadata.set_string("general.name", "Phi-3-mini");
  const Vocabulary named = read_vocabulary(metadata);
  EXPECT_FALSE(named.strips_right.empty());
}

}  // namespace
}  // namespace minim
