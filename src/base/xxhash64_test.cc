#include "base/xxhash64.h"

#include <gtest/gtest.h>

#include <vector>

namespace minim {
namespace {

uint64_t hash_of(std::string_view text) {
  XxHash64 hash;
  hash.update(text);
  return hash.digest();
}

// The first four are widely published, the last two computed by another implementation.
TEST(XxHash64Test, KnownDigests) {
  EXPECT_EQ(hash_of(""), 0xef46db3751d8e999u);
  EXPECT_EQ(hash_of("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(hash_of("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(hash_of("The quick brown fox jumps over the lazy dog"), 0x0b242d361fda71bcu);
  std::vector<std::byte> bytes;
  for (int i = 0; i < 101; ++i) bytes.push_back(static_cast<std::byte>(i));
  XxHash64 plain;
  plain.update(bytes);
  EXPECT_EQ(plain.digest(), 0xe99038495f85381eu);
  XxHash64 seeded(2654435761);
  seeded.update(bytes);
  EXPECT_EQ(seeded.digest(), 0xa1c6d4174c37136du);
}

TEST(XxHash64Test, HoweverTheInputIsCutTheDigestIsTheSame) {
  std::vector<std::byte> bytes;
  for (int i = 0; i < 300; ++i) bytes.push_back(static_cast<std::byte>(i * 7 + i / 5));
  for (const size_t count : {0, 1, 31, 32, 33, 64, 100, 300}) {
    const std::span<const std::byte> whole(bytes.data(), count);
    XxHash64 at_once;
    at_once.update(whole);
    for (const size_t step : {1, 3, 7, 31, 32, 33, 65}) {
      XxHash64 in_pieces;
      for (size_t at = 0; at < count; at += step) {
        in_pieces.update(whole.subspan(at, std::min(step, count - at)));
        in_pieces.digest();  // changes nothing
      }
      EXPECT_EQ(in_pieces.digest(), at_once.digest()) << count << " in steps of " << step;
    }
  }
}

}  // namespace
}  // namespace minim
