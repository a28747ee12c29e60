#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "base/rng.h"
#include "text/stream_decoder.h"
#include "text/tokenizer_test_support.h"
#include "text/utf8.h"

namespace minim {
namespace {

using testing::byte_bpe_vocabulary;
using testing::sentencepiece_bpe_vocabulary;
using testing::unigram_vocabulary;
using testing::word_piece_vocabulary;

// Only the text: no BOS and its like.
constexpr EncodeOptions kPlain = {.add_special = false, .parse_special = false};
constexpr EncodeOptions kOwnText = {.add_special = false, .parse_special = true};

// The stored forms, which read better than ids.
std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text,
                                const EncodeOptions& options = kPlain) {
  std::vector<std::string> names;
  for (const TokenId id : tokenizer.encode(text, options)) {
    names.push_back(tokenizer.vocabulary().tokens[static_cast<size_t>(id)]);
  }
  return names;
}

using Pieces = std::vector<std::string>;

std::string all_bytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  return bytes;
}

TEST(ByteBpe, MergesWithinWordsByRank) {
  const auto tokenizer = Tokenizer::make(byte_bpe_vocabulary());
  EXPECT_EQ(pieces(*tokenizer, "the thx the"), (Pieces{"the", "Ġ", "th", "x", "Ġthe"}));
  EXPECT_EQ(pieces(*tokenizer, "aaaaa"), (Pieces{"aaaa", "a"}));
  EXPECT_EQ(pieces(*tokenizer, ""), Pieces{});
  EXPECT_EQ(pieces(*tokenizer, "é"), (Pieces{"Ã©"}));
}

TEST(ByteBpe, AWholeWordWinsOverMergesWhereAsked) {
  Vocabulary vocabulary = byte_bpe_vocabulary();
  testing::add_token(vocabulary, "thx");
  vocabulary.scores.clear();
  EXPECT_EQ(pieces(*Tokenizer::make(vocabulary), "thx"), (Pieces{"th", "x"}));
  vocabulary.ignore_merges = true;
  EXPECT_EQ(pieces(*Tokenizer::make(vocabulary), "thx"), (Pieces{"thx"}));
}

TEST(ByteBpe, LeavesOutBytesThatItCannotWrite) {
  Vocabulary vocabulary = byte_bpe_vocabulary();
  vocabulary.tokens['#'] = "unreachable";
  vocabulary.types['#'] = TokenType::kUnused;
  EXPECT_EQ(pieces(*Tokenizer::make(vocabulary), "a#b"), (Pieces{"a", "b"}));
  vocabulary.unknown = vocabulary.eos;
  EXPECT_EQ(pieces(*Tokenizer::make(vocabulary), "a#b"), (Pieces{"a", "<|end|>", "b"}));
}

TEST(ByteBpe, NormalizesWhereAsked) {
  Vocabulary vocabulary = byte_bpe_vocabulary();
  vocabulary.normalization = "nfc";
  const auto tokenizer = Tokenizer::make(vocabulary);
  EXPECT_EQ(pieces(*tokenizer, "e\xCC\x81"), (Pieces{"Ã©"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("\xFF e\xCC\x81 \xC3", kPlain)), "\xFF é \xC3");
}

TEST(SentencePieceBpe, MergesByScoreAndFallsBackToBytes) {
  const auto tokenizer = Tokenizer::make(sentencepiece_bpe_vocabulary());
  EXPECT_EQ(pieces(*tokenizer, "the cat"), (Pieces{"▁the", "▁cat"}));
  EXPECT_EQ(pieces(*tokenizer, " the"), (Pieces{"▁", "▁the"}));
  EXPECT_EQ(pieces(*tokenizer, "z\xFF"), (Pieces{"▁", "<0x7A>", "<0xFF>"}));
  EXPECT_EQ(pieces(*tokenizer, "the", {}), (Pieces{"<s>", "▁the"}));
  EXPECT_EQ(pieces(*tokenizer, ""), Pieces{});
}

TEST(SentencePieceBpe, NeverMakesControlTokensOfText) {
  const auto tokenizer = Tokenizer::make(sentencepiece_bpe_vocabulary());
  EXPECT_EQ(pieces(*tokenizer, "<s>"), (Pieces{"▁", "<", "s", ">"}));
  EXPECT_EQ(pieces(*tokenizer, "<s>the</s>", kOwnText), (Pieces{"<s>", "▁the", "</s>"}));
  // Byte tokens are no text either.
  EXPECT_EQ(pieces(*tokenizer, "<0x41>", kOwnText).size(), 7u);
}

TEST(SentencePieceBpe, KeepsUserDefinedTokensWhole) {
  const auto tokenizer = Tokenizer::make(sentencepiece_bpe_vocabulary());
  EXPECT_EQ(pieces(*tokenizer, "the<tool>cat"), (Pieces{"▁the", "<tool>", "cat"}));
}

TEST(SentencePieceBpe, UnusedPiecesAreTakenApart) {
  Vocabulary vocabulary = sentencepiece_bpe_vocabulary();
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (vocabulary.tokens[i] == "cat") vocabulary.types[i] = TokenType::kUnused;
  }
  vocabulary.add_space_prefix = false;
  EXPECT_EQ(pieces(*Tokenizer::make(vocabulary), "cat"), (Pieces{"ca", "t"}));
}

TEST(SentencePieceBpe, ShortTextsMergeLikeLongOnes) {
  // Most strings of some letters, with scores in no order, so that merges compete everywhere.
  Vocabulary vocabulary = sentencepiece_bpe_vocabulary();
  const std::vector<std::string> letters = {"a", "b", "é", "▁"};
  Rng rng(17);
  std::vector<std::string> texts = {""};
  for (size_t begin = 0; begin < texts.size() && texts[begin].size() < 9; ++begin) {
    for (const std::string& letter : letters) texts.push_back(texts[begin] + letter);
  }
  for (const std::string& text : texts) {
    const auto type = rng.below(8) == 0 ? TokenType::kUnused : TokenType::kNormal;
    if (!text.empty() && rng.below(4) > 0) {
      testing::add_token(vocabulary, text, static_cast<float>(rng.below(50)), type);
    }
  }
  const auto with_all = Tokenizer::make(vocabulary);
  with_all->encode(std::string(5000, 'a'));
  const auto with_some = Tokenizer::make(vocabulary);
  for (int i = 0; i < 200; ++i) {
    std::string text;
    for (uint64_t left = rng.below(40); left > 0; --left) {
      text += std::vector<std::string>{"a", "b", "é", " ", "\xC3", "<unk>"}[rng.below(6)];
    }
    EXPECT_EQ(with_some->encode(text), with_all->encode(text)) << text;
  }
}

TEST(SentencePieceBpe, TakesMergesInPlaceOfScores) {
  Vocabulary vocabulary = sentencepiece_bpe_vocabulary();
  vocabulary.scores.clear();
  vocabulary.merges = {"▁ t", "h e", "▁t he", "c a", "ca t", "▁ cat"};
  const auto tokenizer = Tokenizer::make(vocabulary);
  EXPECT_EQ(pieces(*tokenizer, "the cat"), (Pieces{"▁the", "▁cat"}));
  vocabulary.merges.push_back("x y");
  EXPECT_THROW(Tokenizer::make(vocabulary), Error);
}

TEST(Unigram, FindsTheMostProbableSegmentation) {
  const auto tokenizer = Tokenizer::make(unigram_vocabulary(/*with_bytes=*/false));
  EXPECT_EQ(pieces(*tokenizer, "the cat"), (Pieces{"▁the", "▁cat"}));
  EXPECT_EQ(pieces(*tokenizer, "  the   cat "), (Pieces{"▁the", "▁cat"}));
  EXPECT_EQ(pieces(*tokenizer, "that"), (Pieces{"▁", "t", "h", "at"}));
  EXPECT_EQ(pieces(*tokenizer, "zzéthe", {}),
            (Pieces{"▁", "<unk>", "t", "h", "e", "</s>"}));  // one unknown for the run
  EXPECT_EQ(pieces(*tokenizer, "the<tool>"), (Pieces{"▁the", "<tool>"}));
  EXPECT_EQ(pieces(*tokenizer, "   "), Pieces{});
  const auto with_bytes = Tokenizer::make(unigram_vocabulary(/*with_bytes=*/true));
  EXPECT_EQ(pieces(*with_bytes, "az\xFF"), (Pieces{"▁", "a", "<0x7A>", "<0xFF>"}));
}

TEST(WordPiece, CoversWordsByTheirLongestBeginnings) {
  const auto tokenizer = Tokenizer::make(word_piece_vocabulary());
  EXPECT_EQ(pieces(*tokenizer, "The CAT,  running. Café 中中"),
            (Pieces{"the", "cat", ",", "run", "##ning", ".", "cafe", "中", "中"}));
  EXPECT_EQ(pieces(*tokenizer, "cats runx", {}), (Pieces{"[CLS]", "cat", "##s", "[UNK]", "[SEP]"}));
  EXPECT_EQ(pieces(*tokenizer, "[CLS]"), (Pieces{"[", "[UNK]", "]"}));
  EXPECT_EQ(pieces(*tokenizer, "the[SEP]cat", kOwnText), (Pieces{"the", "[SEP]", "cat"}));
  EXPECT_EQ(pieces(*tokenizer, std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(pieces(*tokenizer, std::string(101, 'a')), (Pieces{"[UNK]"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("the cats, running. the 'the' cat", kPlain)),
            "the cats, running. the'the'cat");
}

TEST(WordPiece, ReadsTheMarksOfGguf) {
  Vocabulary vocabulary = word_piece_vocabulary();
  for (std::string& token : vocabulary.tokens) {
    if (token.starts_with("##")) {
      token.erase(0, 2);
    } else if (token.size() == 1 || token[0] != '[') {
      token = "▁" + token;
    }
  }
  EXPECT_EQ(pieces(*Tokenizer::make(vocabulary), "cats running"),
            (Pieces{"▁cat", "s", "▁run", "ning"}));
}

TEST(Tokenizer, FindsControlTokensOnlyWhereAllowed) {
  const auto tokenizer = Tokenizer::make(byte_bpe_vocabulary());
  const TokenId end = *tokenizer->vocabulary().eos;
  const auto user_text = tokenizer->encode("a<|end|>", {});
  EXPECT_EQ(std::count(user_text.begin(), user_text.end(), end), 0);
  EXPECT_EQ(pieces(*tokenizer, "a<|end|><|end|>b", kOwnText),
            (Pieces{"a", "<|end|>", "<|end|>", "b"}));
  // User-defined tokens are text.
  EXPECT_EQ(pieces(*tokenizer, "a     b"), (Pieces{"a", "    ", "Ġ", "b"}));
}

TEST(Tokenizer, ChatMarkersAreControlTokensWhateverTheFileSays) {
  Vocabulary vocabulary = byte_bpe_vocabulary();
  const TokenId turn = testing::add_token(vocabulary, "<|im_end|>", 0, TokenType::kUserDefined);
  const TokenId gemma = testing::add_token(vocabulary, "<end_of_turn>");
  vocabulary.scores.clear();
  const auto tokenizer = Tokenizer::make(vocabulary);
  EXPECT_TRUE(tokenizer->is_special(turn));
  EXPECT_TRUE(tokenizer->ends_generation(turn));
  EXPECT_TRUE(tokenizer->ends_generation(gemma));
  EXPECT_TRUE(tokenizer->ends_generation(*vocabulary.eos));
  EXPECT_FALSE(tokenizer->ends_generation(*vocabulary.bos));
  EXPECT_GT(tokenizer->encode("<|im_end|>", kPlain).size(), 1u);
}

TEST(Tokenizer, SpecialTokensMaySwallowSpace) {
  Vocabulary vocabulary = byte_bpe_vocabulary();
  vocabulary.strips_right = {*vocabulary.eos};
  vocabulary.strips_left = {*vocabulary.bos};
  const auto tokenizer = Tokenizer::make(vocabulary);
  EXPECT_EQ(pieces(*tokenizer, "a <|end|> \n\xC2\xA0 b \xE3\x80\x80<|start|> c", kOwnText),
            (Pieces{"a", "Ġ", "<|end|>", "b", "<|start|>", "Ġ", "c"}));
}

TEST(Tokenizer, LongestSpecialTokenWinsAtTheLeftmostPlace) {
  Vocabulary vocabulary = byte_bpe_vocabulary();
  for (const char* name : {"<|end|>+", "|><|", "<|en", "nd|>x"}) {
    testing::add_token(vocabulary, name, 0, TokenType::kControl);
  }
  vocabulary.scores.clear();
  const auto tokenizer = Tokenizer::make(vocabulary);
  EXPECT_EQ(pieces(*tokenizer, "<|end|>+<|end|><|end<|eend|>x", kOwnText),
            (Pieces{"<|end|>+", "<|end|>", "<|en", "d", "<", "|", "e", "e", "nd|>x"}));
}

std::vector<Vocabulary> byte_complete_vocabularies() {
  Vocabulary no_prefix = sentencepiece_bpe_vocabulary();
  no_prefix.add_space_prefix = false;
  return {byte_bpe_vocabulary(),
          byte_bpe_vocabulary("default"),
          byte_bpe_vocabulary("tekken"),
          byte_bpe_vocabulary("deepseek-v3"),
          sentencepiece_bpe_vocabulary(),
          no_prefix,
          unigram_vocabulary(/*with_bytes=*/true)};
}

TEST(Tokenizer, AnyBytesComeBack) {
  Rng rng(3);
  std::vector<std::string> texts = {all_bytes(),
                                    all_bytes() + all_bytes(),
                                    "",
                                    " ",
                                    "  the",
                                    "\n",
                                    std::string("\0\0a", 3),
                                    "\xED\xA0\x80\xF4\x90\x80\x80",
                                    "é"};
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (uint64_t n = rng.below(40); n > 0; --n) text += static_cast<char>(rng.below(256));
    texts.push_back(std::move(text));
  }
  for (const Vocabulary& vocabulary : byte_complete_vocabularies()) {
    const auto tokenizer = Tokenizer::make(vocabulary);
    for (const std::string& text : texts) {
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, kPlain)), text)
          << ::testing::PrintToString(text);
    }
  }
}

TEST(Tokenizer, DecodesSpecialTokensAsAsked) {
  const auto tokenizer = Tokenizer::make(sentencepiece_bpe_vocabulary());
  const auto tokens = tokenizer->encode("the cat</s>the", {.parse_special = true});
  EXPECT_EQ(tokenizer->decode(tokens), "<s>the cat</s>the");
  EXPECT_EQ(tokenizer->decode(tokens, {.skip_special = true}), "the catthe");
  EXPECT_EQ(tokenizer->decode(tokens, {.strip_leading_space = false}), "<s> the cat</s> the");
  EXPECT_EQ(tokenizer->token_bytes(*tokenizer->find("▁cat")), " cat");
  EXPECT_EQ(tokenizer->token_bytes(*tokenizer->find("<0x0A>")), "\n");
  EXPECT_FALSE(tokenizer->find("dog"));
}

TEST(Tokenizer, RefusesIdsOutsideTheVocabulary) {
  const auto tokenizer = Tokenizer::make(byte_bpe_vocabulary());
  for (const TokenId id : {-1, tokenizer->size(), INT32_MIN, INT32_MAX}) {
    EXPECT_THROW(tokenizer->decode(std::vector<TokenId>{id}), Error);
    EXPECT_THROW(tokenizer->token_bytes(id), Error);
    EXPECT_THROW(tokenizer->is_special(id), Error);
    EXPECT_THROW(tokenizer->ends_generation(id), Error);
  }
}

TEST(StreamDecoder, NeverSplitsACharacter) {
  Rng rng(11);
  for (const Vocabulary& vocabulary : byte_complete_vocabularies()) {
    const auto tokenizer = Tokenizer::make(vocabulary);
    for (int i = 0; i < 200; ++i) {
      std::string text;
      for (uint64_t n = rng.below(30); n > 0; --n) {
        if (rng.below(2) == 0) {
          text += static_cast<char>(rng.below(256));
        } else {
          append_utf8(static_cast<char32_t>(rng.below(0xD800)), text);
        }
      }
      const auto tokens = tokenizer->encode(text);
      StreamDecoder decoder(tokenizer);
      std::string streamed;
      for (const TokenId token : tokens) {
        const std::string piece = decoder.push(token);
        EXPECT_TRUE(is_valid_utf8(piece));
        streamed += piece;
      }
      streamed += decoder.finish();
      EXPECT_EQ(streamed, replace_invalid_utf8(tokenizer->decode(tokens)));
    }
  }
}

TEST(StreamDecoder, HoldsBackAndGivesUpAtTheEnd) {
  const auto tokenizer = Tokenizer::make(sentencepiece_bpe_vocabulary());
  const auto byte = [&](const char* name) { return *tokenizer->find(name); };
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(*tokenizer->find("▁cat")), "cat");
  EXPECT_EQ(decoder.push(*tokenizer->find("▁cat")), " cat");
  EXPECT_EQ(decoder.push(byte("<0xF0>")), "");
  EXPECT_EQ(decoder.push(byte("<0x9F>")), "");
  EXPECT_EQ(decoder.push(byte("<0x98>")), "");
  EXPECT_EQ(decoder.push(byte("<0x80>")), "😀");
  EXPECT_EQ(decoder.push(byte("<0xE4>")), "");
  EXPECT_EQ(decoder.push(byte("<0x41>")),
            "\xEF\xBF\xBD"
            "A");
  EXPECT_EQ(decoder.push(byte("<0xE4>")), "");
  EXPECT_EQ(decoder.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.finish(), "");
  EXPECT_EQ(decoder.push(*tokenizer->find("▁cat")), "cat");
}

// threats.md: "a" x 100,000, one word of 5 MB, and a file's own hostile vocabulary.
TEST(Tokenizer, LongWordsTakeNoLongTime) {
  std::vector<Vocabulary> vocabularies = byte_complete_vocabularies();
  vocabularies.push_back(byte_bpe_vocabulary("none"));
  vocabularies.push_back(word_piece_vocabulary());
  vocabularies.push_back(unigram_vocabulary(/*with_bytes=*/false));
  for (const Vocabulary& vocabulary : vocabularies) {
    const auto tokenizer = Tokenizer::make(vocabulary);
    for (const char letter : {'a', ' ', '\n', '\xFF'}) {
      const std::string text(letter == 'a' ? 5'000'000 : 500'000, letter);
      const auto start = std::chrono::steady_clock::now();
      const auto tokens = tokenizer->encode(text);
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      EXPECT_LT(elapsed.count(), 60);  // quadratic time would take hours
      EXPECT_LE(tokens.size(), text.size() + 3);
    }
  }
}

}  // namespace
}  // namespace minim
