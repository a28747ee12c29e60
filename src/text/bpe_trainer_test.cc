#include "text/bpe_trainer.h"

#include <gtest/gtest.h>

#include <fmt/core.h>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/rng.h"
#include "tests/support/test_data.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace minim {
namespace {

using testing::golden_path;

TextStream stream(std::vector<std::string> texts) {
  return [texts = std::move(texts), at = size_t{0}](std::string& text) mutable {
    if (at == texts.size()) return false;
    text = texts[at++];
    return true;
  };
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (;;) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + separator.size();
  }
}

uint64_t fnv1a(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

// The definition, word for word: count every pair of every word anew for each merge.
std::vector<std::string> merges_by_definition(const std::vector<std::string>& words,
                                              const Vocabulary& start, size_t merge_count,
                                              int64_t frequency_min) {
  std::vector<std::string> tokens(start.tokens.begin(), start.tokens.begin() + 257);
  std::map<std::vector<int32_t>, int64_t> counts;
  const auto id_of = [&](const std::string& token) {
    return static_cast<int32_t>(std::find(tokens.begin(), tokens.end(), token) - tokens.begin());
  };
  for (const std::string& word : words) {
    std::vector<int32_t> ids;
    for (const char c : word) ids.push_back(id_of(encode_letters(std::string(1, c))));
    ++counts[ids];
  }
  std::vector<std::string> merges;
  while (merges.size() < merge_count) {
    std::map<std::pair<int32_t, int32_t>, int64_t> pairs;
    for (const auto& [ids, count] : counts) {
      for (size_t i = 0; i + 1 < ids.size(); ++i) pairs[{ids[i], ids[i + 1]}] += count;
    }
    const auto best = std::max_element(pairs.begin(), pairs.end(), [](auto& a, auto& b) {
      return a.second != b.second ? a.second < b.second : a.first > b.first;
    });
    if (best == pairs.end() || best->second < frequency_min) break;
    const auto [left, right] = best->first;
    const std::string whole =
        tokens[static_cast<size_t>(left)] + tokens[static_cast<size_t>(right)];
    const std::string merge =
        tokens[static_cast<size_t>(left)] + " " + tokens[static_cast<size_t>(right)];
    if (std::find(merges.begin(), merges.end(), merge) == merges.end()) merges.push_back(merge);
    if (id_of(whole) == static_cast<int32_t>(tokens.size())) tokens.push_back(whole);
    std::map<std::vector<int32_t>, int64_t> next;
    for (const auto& [ids, count] : counts) {
      std::vector<int32_t> joined;
      for (size_t i = 0; i < ids.size(); ++i) {
        const bool here = i + 1 < ids.size() && ids[i] == left && ids[i + 1] == right;
        joined.push_back(here ? id_of(whole) : ids[i]);
        i += here ? 1 : 0;
      }
      next[joined] += count;
    }
    counts = std::move(next);
  }
  return merges;
}

TEST(BpeTrainer, MergesAreThoseOfHuggingFace) {
  ThreadPool threads(2);
  const auto texts = split(read_file(golden_path("golden/text/bpe_trainer_text.txt")), "\n\n");
  const Json golden = parse_json(read_file(golden_path("golden/text/bpe_trainer_merges.json")), "");
  for (const Json& expected : golden["cases"]) {
    BpeTrainerOptions options;
    options.pre_tokenizer = expected["pre_tokenizer"];
    options.vocabulary_size = expected["size"];
    options.frequency_min = expected["frequency_min"];
    const Vocabulary vocabulary = train_byte_bpe(threads, stream(texts), options);
    EXPECT_EQ(vocabulary.merges, expected["merges"].get<std::vector<std::string>>())
        << options.pre_tokenizer;
  }
}

TEST(BpeTrainer, MergesOfALargerTextAreThoseOfHuggingFace) {
  const Json golden = parse_json(read_file(golden_path("golden/text/bpe_trainer_merges.json")), "");
  MINIM_DATA_OR_SKIP(path, golden["large"][0]["file"].get<std::string>());
  const auto texts = split(testing::read_data(path), "<|endoftext|>");
  ThreadPool threads(2);
  for (const Json& expected : golden["large"]) {
    BpeTrainerOptions options;
    options.vocabulary_size = expected["size"];
    BpeTrainerReport report;
    const Vocabulary vocabulary = train_byte_bpe(threads, stream(texts), options, &report);
    EXPECT_EQ(vocabulary.merges.size(), expected["count"].get<size_t>());
    EXPECT_EQ(fmt::format("{:016x}", fnv1a(join(vocabulary.merges))), expected["hash"]);
    EXPECT_EQ(report.complete, vocabulary.tokens.size() == expected["size"].get<size_t>());
  }
}

TEST(BpeTrainer, MergesAreThoseOfTheDefinition) {
  ThreadPool threads(2);
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    // Words of two or three different bytes: long runs, overlaps, tokens made in several ways.
    Rng rng(seed);
    std::vector<std::string> words;
    for (int i = 0; i < 40; ++i) {
      std::string word(1 + rng.below(12), 'a');
      for (char& c : word) c = static_cast<char>('a' + rng.below(2 + seed % 2));
      words.push_back(word);
    }
    BpeTrainerOptions options;
    options.pre_tokenizer = "none";
    options.vocabulary_size = 257 + 60;
    options.frequency_min = 1 + static_cast<int64_t>(seed % 3);
    const Vocabulary vocabulary = train_byte_bpe(threads, stream(words), options);
    const auto expected = merges_by_definition(words, vocabulary, vocabulary.merges.size() + 5,
                                               options.frequency_min);
    ASSERT_GE(expected.size(), vocabulary.merges.size());
    EXPECT_TRUE(std::equal(vocabulary.merges.begin(), vocabulary.merges.end(), expected.begin()));
    if (vocabulary.tokens.size() < 257 + 60) {
      EXPECT_EQ(expected.size(), vocabulary.merges.size());
    }
  }
}

TEST(BpeTrainer, TheTokenizerRunsTheResult) {
  ThreadPool threads(1);
  const std::string text = read_file(golden_path("golden/text/bpe_trainer_text.txt"));
  BpeTrainerOptions options;
  options.vocabulary_size = 600;
  options.special_tokens = {"<|pad|>", "<|im_start|>", "<|im_end|>"};
  options.bos = "<|im_start|>";
  options.eos = "<|im_end|>";
  options.padding = "<|pad|>";
  options.add_bos = true;
  const Vocabulary vocabulary = train_byte_bpe(threads, stream({text}), options);
  ASSERT_EQ(vocabulary.tokens.size(), 600u);
  EXPECT_EQ(std::set(vocabulary.tokens.begin(), vocabulary.tokens.end()).size(), 600u);
  const auto tokenizer = Tokenizer::make(vocabulary);
  EXPECT_TRUE(tokenizer->is_special(1));
  EXPECT_TRUE(tokenizer->ends_generation(2));
  const auto tokens = tokenizer->encode(text);
  EXPECT_EQ(tokens.front(), 1);
  EXPECT_EQ(tokenizer->decode(std::span(tokens).subspan(1)), text);
  EXPECT_LT(tokens.size(), text.size() / 2);
  const std::string bytes = "\xff\x00\x80 any";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(bytes, {.add_special = false})), bytes);
}

TEST(BpeTrainer, ThreadsAndOrderChangeNothing) {
  auto texts = split(read_file(golden_path("golden/text/bpe_trainer_text.txt")), "\n");
  ThreadPool one(1), three(3);
  const BpeTrainerOptions options = {.vocabulary_size = 500};
  const auto expected = train_byte_bpe(one, stream(texts), options).merges;
  std::reverse(texts.begin(), texts.end());
  EXPECT_EQ(train_byte_bpe(three, stream(texts), options).merges, expected);
}

TEST(BpeTrainer, SpecialTokensInTheTextAreNotLearnt) {
  ThreadPool threads(1);
  std::string text;
  for (int i = 0; i < 50; ++i) text += "<|endoftext|>ab";
  BpeTrainerReport report;
  const auto merges =
      train_byte_bpe(threads, stream({text}), {.vocabulary_size = 300}, &report).merges;
  EXPECT_EQ(merges, std::vector<std::string>{"a b"});
  EXPECT_FALSE(report.complete);
  EXPECT_EQ(report.last_frequency, 50);
}

TEST(BpeTrainer, OptionsThatMakeNoSenseAreRefused) {
  ThreadPool threads(1);
  const auto refuses = [&](const BpeTrainerOptions& options, ErrorCode code, const char* words) {
    try {
      train_byte_bpe(threads, stream({"text"}), options);
      ADD_FAILURE() << "accepted: " << words;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  refuses({.vocabulary_size = 256}, ErrorCode::kInvalidArgument, "it takes 257");
  refuses({.frequency_min = 0}, ErrorCode::kInvalidArgument, "at least 1");
  refuses({.pre_tokenizer = "gpt2"}, ErrorCode::kUnsupported, "'gpt2' is not known");
  refuses({.normalization = "nfx"}, ErrorCode::kUnsupported, "'nfx'");
  refuses({.special_tokens = {"<a>", "<a>"}, .eos = ""}, ErrorCode::kInvalidArgument, "twice");
  refuses({.special_tokens = {"x"}, .eos = ""}, ErrorCode::kInvalidArgument, "two characters");
  refuses({.eos = "<|end|>"}, ErrorCode::kInvalidArgument, "add it to them");
  refuses({.add_bos = true}, ErrorCode::kInvalidArgument, "BOS");
  EXPECT_THROW(train_byte_bpe(threads, stream({}), {}), Error);
  EXPECT_THROW(train_byte_bpe(threads, stream({"", "<|endoftext|>"}), {}), Error);
}

TEST(BpeTrainer, StopsOnRequest) {
  ThreadPool threads(1);
  BpeTrainerOptions options;
  options.progress = [](const Progress&) { return false; };
  try {
    train_byte_bpe(threads, stream({"text"}), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace minim
