#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace minim {
namespace {

Result<int> parse_digit(char c) {
  if (c < '0' || c > '9') return Error(ErrorCode::kFormat, "test: not a digit");
  return c - '0';
}

TEST(Result, HoldsAValue) {
  const Result<int> result = parse_digit('7');
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(static_cast<bool>(result));
  EXPECT_EQ(result.value(), 7);
}

TEST(Result, HoldsAnError) {
  const Result<int> result = parse_digit('x');
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kFormat);
  EXPECT_STREQ(result.error().what(), "test: not a digit");
}

TEST(Result, ValueOfARefusalThrowsItsError) {
  const Result<int> result = parse_digit('x');
  try {
    static_cast<void>(result.value());
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFormat);
  }
  EXPECT_THROW(static_cast<void>(parse_digit('x').value()), Error);
}

TEST(Result, MovesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(3));
  const std::unique_ptr<int> owned = std::move(result).value();
  EXPECT_EQ(*owned, 3);
}

TEST(Result, ErrorCodesHaveNames) {
  for (int code = 1; code <= 7; ++code) {
    EXPECT_STRNE(error_code_name(static_cast<ErrorCode>(code)), "");
  }
  EXPECT_STREQ(error_code_name(ErrorCode::kFormat), "format");
  EXPECT_STREQ(error_code_name(ErrorCode::kNotFound), "not found");
}

}  // namespace
}  // namespace minim
