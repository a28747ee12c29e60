#include "text/vocabulary_hash.h"

#include <gtest/gtest.h>

#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

TEST(VocabularyHash, ChangesWithWhatChangesTokens) {
  const Vocabulary same = testing::byte_bpe_vocabulary();
  const uint64_t hash = hash_vocabulary(same);
  EXPECT_EQ(hash_vocabulary(testing::byte_bpe_vocabulary()), hash);
  const auto changed = [&](auto change) {
    Vocabulary other = same;
    change(other);
    return hash_vocabulary(other) != hash;
  };
  EXPECT_TRUE(changed([](Vocabulary& v) { v.tokens[300 % v.tokens.size()] += "x"; }));
  EXPECT_TRUE(changed([](Vocabulary& v) { std::swap(v.merges[0], v.merges[3]); }));
  EXPECT_TRUE(changed([](Vocabulary& v) { v.pre_tokenizer = "qwen2"; }));
  EXPECT_TRUE(changed([](Vocabulary& v) { v.add_bos = !v.add_bos; }));
  EXPECT_TRUE(changed([](Vocabulary& v) { v.eos.reset(); }));
  EXPECT_TRUE(changed([](Vocabulary& v) { v.chat_template = "x"; }));
  // A token's end is not taken for the next one's start.
  EXPECT_TRUE(changed([](Vocabulary& v) {
    v.tokens[0] += v.tokens[1].front();
    v.tokens[1].erase(0, 1);
  }));
}

}  // namespace
}  // namespace minim
