#include "train/data/token_shard.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "tests/support/test_data.h"

namespace minim::train {
namespace {

using Tokens = std::vector<int32_t>;

class TokenShardTest : public ::testing::Test {
 protected:
  std::string write(int32_t vocabulary_size, bool with_unlearned) const {
    TokenShardWriter writer(path(), {.key = 77, .index = 3, .vocabulary_size = vocabulary_size});
    writer.add(Tokens{1, 2, vocabulary_size - 1}, {}, 11, 100);
    const std::vector<bool> learned =
        with_unlearned ? std::vector{false, true} : std::vector<bool>{};
    writer.add(Tokens{4, 5}, learned, 12, 50);
    writer.commit();
    return read_file(path());
  }
  Path path() const { return folder_.path() / "x.tokens"; }

  static std::shared_ptr<const TokenShard> parse(const std::string& bytes) {
    return TokenShard::parse(std::as_bytes(std::span(bytes)), "x");
  }

  static void expect_damage(const std::string& bytes) {
    try {
      parse(bytes);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
    }
  }

  minim::testing::TemporaryFolder folder_;
};

TEST_F(TokenShardTest, GivesBackWhatWasWritten) {
  for (const int32_t vocabulary_size : {100, 0x10000, 0x10001, 1 << 24}) {
    for (const bool with_unlearned : {false, true}) {
      write(vocabulary_size, with_unlearned);
      const auto shard = TokenShard::open(path());
      EXPECT_EQ(shard->header(), (ShardHeader{77, 3, vocabulary_size, 150}));
      ASSERT_EQ(shard->document_count(), 2u);
      EXPECT_EQ(shard->begin(1), 3u);
      EXPECT_EQ(shard->end(1), 5u);
      EXPECT_EQ(shard->text_hash(0), 11u);
      EXPECT_EQ(shard->text_hash(1), 12u);
      Tokens tokens(5);
      shard->copy_tokens(0, tokens);
      EXPECT_EQ(tokens, (Tokens{1, 2, vocabulary_size - 1, 4, 5}));
      for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(shard->learned(i), !with_unlearned || i != 3);
    }
  }
}

TEST_F(TokenShardTest, AnEmptyShardIsSound) {
  TokenShardWriter writer(path(), {.vocabulary_size = 1});
  writer.commit();
  EXPECT_EQ(TokenShard::open(path())->document_count(), 0u);
}

TEST_F(TokenShardTest, EveryTruncationAndBitFlipIsFound) {
  const std::string bytes = write(100, true);
  for (size_t size = 0; size < bytes.size(); ++size) expect_damage(bytes.substr(0, size));
  expect_damage(bytes + '\0');
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    expect_damage(changed);
  }
}

// Whoever writes a file on purpose gets the checksum right.
TEST_F(TokenShardTest, NumbersThatMakeNoSenseAreRefused) {
  const std::string bytes = write(100, true);
  const auto change = [&](size_t offset, uint64_t value, size_t size) {
    std::string changed = bytes;
    std::memcpy(changed.data() + offset, &value, size);
    const uint64_t checksum = shard_checksum(std::as_bytes(std::span(changed)));
    std::memcpy(changed.data() + 64, &checksum, 8);
    return changed;
  };
  EXPECT_NO_THROW(parse(change(8, 78, 8)));
  expect_damage(change(20, 3, 4));   // wide
  expect_damage(change(20, 0, 4));   // all learned
  expect_damage(change(20, 4, 4));   // an unknown flag
  expect_damage(change(56, 1, 8));   // what is reserved
  expect_damage(change(24, 0, 8));   // vocabulary
  expect_damage(change(24, 99, 8));  // with a token past its end
  expect_damage(change(24, UINT64_MAX, 8));
  for (const uint64_t count :
       {uint64_t{0}, uint64_t{1}, uint64_t{3}, uint64_t{1} << 61, UINT64_MAX / 8 + 1, UINT64_MAX}) {
    expect_damage(change(32, count, 8));
    expect_damage(change(40, count, 8));
  }
  const size_t ends = bytes.size() - 32;
  expect_damage(change(ends, 0, 8));
  expect_damage(change(ends, 5, 8));
  expect_damage(change(ends, 6, 8));
  expect_damage(change(ends + 8, 4, 8));
}

}  // namespace
}  // namespace minim::train
