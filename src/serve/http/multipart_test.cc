#include "serve/http/multipart.h"

#include <gtest/gtest.h>

#include <string>

#include "serve/request/refusal.h"

namespace minim::serve {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=\"b-1\"";

std::string part(const std::string& head, const std::string& content) {
  return "--b-1\r\n" + head + "\r\n\r\n" + content + "\r\n";
}

TEST(Multipart, ReadsPartsAsTheyAre) {
  const std::string content = "{\"a\": 1}\r\n--b\r\n\0x";
  const std::string body = part("Content-Disposition: form-data; name=\"purpose\"", "batch") +
                           part(
                               "content-type: text/plain\r\ncontent-disposition: form-data; "
                               "filename=\"a \\\"b\\\";c.jsonl\"; name=file",
                               content) +
                           part("Content-Disposition: form-data; name=\"empty\"", "") +
                           "--b-1--\r\n";
  const auto parts = parse_form(kType, body);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].name, "purpose");
  EXPECT_EQ(parts[0].content, "batch");
  EXPECT_FALSE(parts[0].file_name);
  EXPECT_EQ(parts[1].name, "file");
  EXPECT_EQ(parts[1].file_name, "a \"b\";c.jsonl");
  EXPECT_EQ(parts[1].content, content);
  EXPECT_EQ(parts[2].content, "");
}

TEST(Multipart, EveryPrefixOfAFormIsRefused) {
  const std::string body = part("Content-Disposition: form-data; name=\"a\"", "1") + "--b-1--";
  EXPECT_EQ(parse_form(kType, body).size(), 1u);
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_THROW(parse_form(kType, body.substr(0, size)), Refusal) << size;
  }
}

TEST(Multipart, WhatIsNoFormIsRefused) {
  const std::string fine = part("Content-Disposition: form-data; name=a", "1") + "--b-1--";
  for (const char* type : {"", "application/json", "multipart/form-data",
                           "multipart/form-data; boundary=", "multipart/form-data; boundary=\"b-1",
                           "multipart/form-data; boundary=other"}) {
    EXPECT_THROW(parse_form(type, fine), Refusal) << type;
  }
  EXPECT_THROW(parse_form(kType, part("Content-Disposition: form-data", "1") + "--b-1--"), Refusal);
  EXPECT_THROW(parse_form(kType, part("no colon", "1") + "--b-1--"), Refusal);
  EXPECT_THROW(parse_form(kType, part("X: " + std::string(5000, 'x'), "1") + "--b-1--"), Refusal);
  std::string many;
  for (int i = 0; i < 65; ++i) many += part("Content-Disposition: form-data; name=a", "1");
  EXPECT_THROW(parse_form(kType, many + "--b-1--"), Refusal);
}

}  // namespace
}  // namespace minim::serve
