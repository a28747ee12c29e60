#include "formats/builtin/builtin_models.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/vocabulary.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace minim {
namespace {

TEST(BuiltinModels, AreWholeModels) {
  ASSERT_FALSE(builtin_models().empty());
  for (const BuiltinModel& model : builtin_models()) {
    const Path path = builtin_path(model);
    EXPECT_TRUE(is_builtin_path(path));
    const auto file = open_model_file(path);
    EXPECT_EQ(file->path(), path);
    EXPECT_EQ(file->format(), "gguf");
    EXPECT_FALSE(file->metadata().string("general.license").value_or("").empty())
        << "its licence is told";
    const auto tokenizer = Tokenizer::make(read_vocabulary(file->metadata()));
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("Once upon a time", {.add_special = false})),
              "Once upon a time");
    EXPECT_FALSE(tokenizer->vocabulary().chat_template.empty());
    EXPECT_LE(model.bytes.size(), size_t{12} << 20);
    for (const TensorEntry& tensor : file->tensors()) {
      EXPECT_EQ(tensor.load().bytes.size(), tensor.byte_count()) << tensor.name;
    }
  }
}

TEST(BuiltinModels, OthersAreRefusedByName) {
  EXPECT_FALSE(is_builtin_path("nano.gguf"));
  EXPECT_EQ(find_builtin("builtin:none"), nullptr);
  try {
    open_model_file("builtin:none");
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("builtin:nano"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace minim
