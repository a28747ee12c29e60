#include <gtest/gtest.h>

#include "formats/model_file.h"
#include "formats/testing/corruption.h"
#include "formats/testing/raw_bytes.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::expect_error;
using testing::write_bytes;

class OpenModelFileTest : public ::testing::Test {
 protected:
  Path file(std::string_view bytes) {
    const Path path = folder_.path() / "model";
    write_bytes(path, bytes);
    return path;
  }
  testing::TemporaryFolder folder_;
};

TEST_F(OpenModelFileTest, TellsFormatsByContent) {
  EXPECT_EQ(open_model_file(file(testing::gguf_header(0, 0).bytes()))->format(), "gguf");
  // The right reader, which then misses the other files.
  expect_error(ErrorCode::kNotFound, "config.json", [&] {
    open_model_file(file(std::move(testing::RawBytes().counted("{}")).bytes()));
  });
  expect_error(ErrorCode::kUnsupported, "llama2c: version 9", [&] {
    open_model_file(file(std::move(testing::RawBytes().u32(0x616b3432).u32(9)).bytes()));
  });
  expect_error(ErrorCode::kNotFound, "config.json", [&] { open_model_file(folder_.path()); });
}

TEST_F(OpenModelFileTest, SaysWhatAnythingElseStartsWith) {
  expect_error(ErrorCode::kFormat, "is empty", [&] { open_model_file(file("")); });
  expect_error(ErrorCode::kFormat, "it starts with 'PK\\x03\\x04'",
               [&] { open_model_file(file("PK\x03\x04")); });
  expect_error(ErrorCode::kFormat, "it starts with '<!DOCTYP', expected 'GGUF'",
               [&] { open_model_file(file("<!DOCTYPE html>")); });
  expect_error(ErrorCode::kNotFound, "nowhere", [&] { open_model_file("/nowhere/at/all"); });
}

}  // namespace
}  // namespace minim
