#include "text/word_counts.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace minim {
namespace {

TextStream repeat(std::string text, int times) {
  return [text = std::move(text), left = times](std::string& next) mutable {
    if (left-- <= 0) return false;
    next = text;
    return true;
  };
}

TEST(WordCounts, CountsWordsOfAllTexts) {
  ThreadPool threads(2);
  const WordCounts counts =
      count_words(threads, repeat("a cat<|x|>a cat", 3), {.special_tokens = {"<|x|>"}});
  EXPECT_EQ(counts.text_count, 3u);
  EXPECT_EQ(counts.text_bytes, 45u);
  EXPECT_EQ(counts.words.size(), 2u);
  EXPECT_EQ(counts.words.at("a"), 6);
  EXPECT_EQ(counts.words.at(" cat"), 6);
}

TEST(WordCounts, LongWordsAreCountedInPieces) {
  ThreadPool threads(1);
  const WordCounts counts =
      count_words(threads, repeat(std::string(2 * kCountedWordBytesMax + 5, 'x'), 1), {});
  EXPECT_EQ(counts.words.at(std::string(kCountedWordBytesMax, 'x')), 2);
  EXPECT_EQ(counts.words.at("xxxxx"), 1);
}

TEST(WordCounts, NormalizesFirst) {
  ThreadPool threads(1);
  const WordCounts counts = count_words(threads, repeat("e\xCC\x81", 1), {.normalization = "nfc"});
  EXPECT_EQ(counts.words.at("\xC3\xA9"), 1);
}

TEST(WordCounts, ForgetsRareWordsWhereThereIsNoRoom) {
  // 3 rounds of 16 MiB, each with words of its own and one that all share.
  std::vector<std::string> texts;
  for (int round = 0; round < 3; ++round) {
    std::string text = fmt::format("only{}", round);
    for (int i = 0; i < 50; ++i) {
      text += fmt::format(" rare{}{}{}", static_cast<char>('a' + round),
                          static_cast<char>('a' + i / 26), static_cast<char>('a' + i % 26));
    }
    text += " often often often";
    text.append((size_t{16} << 20) - text.size(), '\n');
    texts.push_back(text);
  }
  const auto count = [&](int thread_count) {
    ThreadPool threads(thread_count);
    size_t at = 0;
    return count_words(
        threads, [&](std::string& text) { return at < texts.size() && (text = texts[at++], true); },
        {.words_max = 60});
  };
  const WordCounts counts = count(1);
  EXPECT_EQ(counts.words.at(" often"), 9);
  EXPECT_GT(counts.words_forgotten, 50u);
  EXPECT_LE(counts.words.size(), 60u);
  EXPECT_EQ(count(2).words, counts.words);
}

TEST(WordCounts, RefusesTextsThatAreTooLarge) {
  ThreadPool threads(1);
  const auto count = [&](size_t size) {
    return count_words(threads, repeat(std::string(size, 'x'), 1), {.text_bytes_max = 100});
  };
  EXPECT_EQ(count(99).text_bytes, 99u);
  EXPECT_THROW(count(100), Error);
}

}  // namespace
}  // namespace minim
