#include "cli/chat/message_joiner.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace minim::cli {
namespace {

// The messages that lines make; the last one in brackets if it is not whole.
std::vector<std::string> joined(const std::vector<std::string>& lines) {
  MessageJoiner joiner;
  std::vector<std::string> messages;
  for (const std::string& line : lines) {
    if (joiner.add(line)) messages.push_back(joiner.take());
  }
  if (joiner.open()) messages.push_back("[" + joiner.take() + "]");
  return messages;
}

using Messages = std::vector<std::string>;

TEST(MessageJoiner, LinesAreMessages) {
  EXPECT_EQ(joined({"one", "", "two"}), (Messages{"one", "", "two"}));
  EXPECT_EQ(joined({"pasted\nlines"}), (Messages{"pasted\nlines"}));
}

TEST(MessageJoiner, ABackslashGoesOn) {
  EXPECT_EQ(joined({"a\\", "b \\", "c", "d"}), (Messages{"a\nb \nc", "d"}));
  EXPECT_EQ(joined({"C:\\\\", "x"}), (Messages{"C:\\\\", "x"}));
  EXPECT_EQ(joined({"a\\"}), (Messages{"[a]"}));
}

TEST(MessageJoiner, QuotesHoldAnyLines) {
  EXPECT_EQ(joined({"\"\"\"", "a\\", "", "/help", "\"\"\"", "b"}), (Messages{"a\\\n\n/help", "b"}));
  EXPECT_EQ(joined({"\"\"\"a", "b\"\"\""}), (Messages{"a\nb"}));
  EXPECT_EQ(joined({"\"\"\"one line\"\"\""}), (Messages{"one line"}));
  EXPECT_EQ(joined({"\"\"\"", "a"}), (Messages{"[a]"}));
  EXPECT_EQ(joined({"\"\"\"", "\"\"\"", "b"}), (Messages{"", "b"}));
  EXPECT_EQ(joined({"say \"\"\"x"}), (Messages{"say \"\"\"x"}));
}

}  // namespace
}  // namespace minim::cli
