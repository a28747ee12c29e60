// Against the examples of NIST, and whatever pieces the input comes in.
#include "base/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace minim {
namespace {

std::string digest(const std::string& text, size_t piece = SIZE_MAX) {
  Sha256 hash;
  for (size_t at = 0; at < text.size();) {
    const size_t count = std::min(piece, text.size() - at);
    hash.add(std::as_bytes(std::span(text.data() + at, count)));
    at += count;
  }
  return hash.finish();
}

TEST(Sha256, ThePublishedExamples) {
  EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesMakeNoDifference) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  const std::string whole = digest(text);
  for (const size_t piece : {1, 3, 55, 56, 63, 64, 65, 128, 200}) {
    EXPECT_EQ(digest(text, piece), whole) << piece;
  }
}

}  // namespace
}  // namespace minim
