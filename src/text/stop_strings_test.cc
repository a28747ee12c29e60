// Stop strings on texts that are cut everywhere, against looking at the whole text.
#include "text/stop_strings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "text/utf8.h"

namespace minim {
namespace {

struct Outcome {
  std::string text;
  std::string stop;  // empty: none
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << "'" << outcome.text << "' stopped by '" << outcome.stop << "'";
}

// The string that is complete first, the longest of several.
Outcome specification(const std::string& text, const std::vector<std::string>& strings) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::string found;
    for (const std::string& string : strings) {
      if (text.substr(0, end).ends_with(string) && string.size() > found.size()) found = string;
    }
    if (!found.empty()) return {text.substr(0, end - found.size()), found};
  }
  return {text, ""};
}

// No more is held back than what may become a string.
bool may_become_one(const std::string& held, const std::vector<std::string>& strings) {
  return held.empty() || std::any_of(strings.begin(), strings.end(), [&](const std::string& s) {
           return held.size() < s.size() && s.starts_with(held);
         });
}

TEST(StopStrings, AnyCutOfAnyTextEndsAtTheSamePlace) {
  const std::vector<std::string> all = {"ab",   "aab", "b",    "abc",  "caa", "aaaa",
                                        "é",    "éa",  "日本", "本日", "日",  "a本",
                                        "\n\n", "end", "aéaé", "bca",  "cc",  "éé"};
  const std::vector<std::string> letters = {"a", "b", "c", "é", "日", "本", "\n", "e", "n", "d"};
  Rng rng(1);
  int stopped = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> strings;
    for (uint64_t n = rng.below(5); n > 0; --n) strings.push_back(all[rng.below(all.size())]);
    std::string text;
    std::vector<size_t> borders = {0};  // of characters
    for (uint64_t n = rng.below(25); n > 0; --n) {
      text += letters[rng.below(2 + rng.below(letters.size() - 1))];
      borders.push_back(text.size());
    }
    StopStrings stops(strings);
    Outcome got;
    for (size_t at = 0; at + 1 < borders.size() && !stops.stopped();) {
      const size_t next = std::min(borders.size() - 1, at + rng.below(4));
      const std::string piece =
          stops.push(std::string_view(text).substr(borders[at], borders[next] - borders[at]));
      EXPECT_TRUE(is_valid_utf8(piece));
      got.text += piece;
      at = next;
      if (!stops.stopped()) {
        ASSERT_TRUE(text.starts_with(got.text));
        ASSERT_TRUE(
            may_become_one(text.substr(got.text.size(), borders[at] - got.text.size()), strings));
      }
    }
    if (const auto stop = stops.stopped()) {
      got.stop = *stop;
      ++stopped;
      EXPECT_EQ(stops.push("more"), "");
    } else {
      got.text += stops.finish();
    }
    ASSERT_EQ(got, specification(text, strings)) << text;
  }
  EXPECT_GT(stopped, 500);
}

TEST(StopStrings, ByHand) {
  StopStrings stops({"</s>", "\nUser:"});
  EXPECT_EQ(stops.push("Hello <"), "Hello ");
  EXPECT_EQ(stops.push("/"), "");
  EXPECT_EQ(stops.push("b>\nUse"), "</b>");
  EXPECT_EQ(stops.push("r:"), "");
  EXPECT_EQ(stops.stopped(), "\nUser:");
  EXPECT_EQ(stops.finish(), "");
  EXPECT_EQ(stops.push("again <"), "again ");
  EXPECT_EQ(stops.finish(), "<");
  EXPECT_FALSE(stops.stopped());
}

TEST(StopStrings, WithoutStringsNothingIsHeldBack) {
  StopStrings stops({});
  EXPECT_EQ(stops.push("text"), "text");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, StringsThatMakeNoSenseAreRefused) {
  for (const std::string& bad : {std::string(), std::string("a\xC3"), std::string(5000, 'x')}) {
    EXPECT_THROW(StopStrings({"fine", bad}), Error);
  }
}

}  // namespace
}  // namespace minim
