#include "formats/metadata.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/testing/corruption.h"

namespace minim {
namespace {

using testing::expect_error;

Metadata sample() {
  Metadata metadata;
  metadata.set_uint32("count", 7);
  metadata.set("signed", {MetadataType::kInt16, int64_t{-7}});
  metadata.set_uint64("huge", ~uint64_t{0});
  metadata.set_float32("number", 0.5f);
  metadata.set_bool("flag", true);
  metadata.set_string("text", "x");
  metadata.set_int32s("signed list", {-1, 2});
  metadata.set_uint8s("bytes", std::vector<uint8_t>{1, 255});
  metadata.set_float32s("number list", {1.5});
  metadata.set_strings("text list", {"a", "b"});
  metadata.set("flags", {MetadataType::kArray,
                         MetadataArray{MetadataType::kBool, std::vector<uint64_t>{1, 0}}});
  return metadata;
}

TEST(Metadata, ReadsIntegersOfAnyWidth) {
  const Metadata metadata = sample();
  EXPECT_EQ(metadata.integer("count"), 7);
  EXPECT_EQ(metadata.integer("signed"), -7);
  EXPECT_EQ(metadata.integer("absent"), std::nullopt);
  EXPECT_EQ(metadata.integers("bytes"), (std::vector<int64_t>{1, 255}));
  EXPECT_EQ(metadata.integers("signed list"), (std::vector<int64_t>{-1, 2}));
  expect_error(ErrorCode::kFormat, "2^63", [&] { metadata.integer("huge"); });
}

TEST(Metadata, ReadsNumbersOfAnyType) {
  const Metadata metadata = sample();
  EXPECT_EQ(metadata.number("number"), 0.5);
  EXPECT_EQ(metadata.number("count"), 7.0);
  EXPECT_EQ(metadata.number("signed"), -7.0);
  EXPECT_EQ(metadata.numbers("number list"), std::vector<double>{1.5});
  EXPECT_EQ(metadata.numbers("bytes"), (std::vector<double>{1, 255}));
}

// CVE-2024-8063: a number under a key where another type was expected.
TEST(Metadata, OtherTypesAreNamed) {
  const Metadata metadata = sample();
  const auto expect_type = [](std::string_view message, const std::function<void()>& action) {
    expect_error(ErrorCode::kFormat, message, action);
  };
  expect_type("'text' must be an integer, but is string", [&] { metadata.integer("text"); });
  expect_type("'number' must be an integer, but is float32", [&] { metadata.integer("number"); });
  expect_type("'flag' must be an integer", [&] { metadata.integer("flag"); });
  expect_type("'flag' must be a number", [&] { metadata.number("flag"); });
  expect_type("'count' must be a bool", [&] { metadata.boolean("count"); });
  expect_type("'count' must be a string", [&] { metadata.string("count"); });
  expect_type("'count' must be an array of integers", [&] { metadata.integers("count"); });
  expect_type("but is an array of bool", [&] { metadata.integers("flags"); });
  expect_type("but is an array of string", [&] { metadata.numbers("text list"); });
  expect_type("must be an array of strings, but is string", [&] { metadata.strings("text"); });
  expect_type("but is an array of uint8", [&] { metadata.strings("bytes"); });
}

TEST(Metadata, RequiresValuesInRange) {
  const Metadata metadata = sample();
  EXPECT_EQ(metadata.require_integer("count", 7, 7), 7);
  expect_error(ErrorCode::kFormat, "'count' is 7, outside 8 to 9",
               [&] { metadata.require_integer("count", 8, 9); });
  expect_error(ErrorCode::kFormat, "'absent' is missing",
               [&] { metadata.require_integer("absent", 0, 1); });
  expect_error(ErrorCode::kFormat, "'absent' is missing",
               [&] { metadata.require_string("absent"); });
}

TEST(Metadata, KeepsTheOrderOfKeys) {
  Metadata metadata = sample();
  metadata.set_uint32("count", 8);
  EXPECT_EQ(metadata.entries()[0].first, "count");
  EXPECT_EQ(metadata.integer("count"), 8);
  metadata.erase("signed");
  metadata.erase("absent");
  EXPECT_FALSE(metadata.contains("signed"));
  EXPECT_EQ(metadata.entries()[1].first, "huge");
  EXPECT_EQ(metadata.string("text"), "x");
  EXPECT_EQ(metadata.strings("text list")->at(1), "b");
}

TEST(Printable, EscapesWhatATerminalWouldAct) {
  EXPECT_EQ(printable("plain \u00e4\u2581"), "plain \u00e4\u2581");
  EXPECT_EQ(printable("a\x1b[2J\n\x7f"), "a\\x1b[2J\\x0a\\x7f");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(printable(std::string(200, 'x'), 10), "xxxxxxxxxx...");
}

}  // namespace
}  // namespace minim
