#include "formats/vocabulary_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/test_data.h"
#include "text/tokenizer.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

TEST(VocabularyFile, LoadsWhatWasSaved) {
  const testing::TemporaryFolder folder;
  Vocabulary vocabulary = testing::byte_bpe_vocabulary();
  vocabulary.chat_template = "{{ messages[0].content }}";
  for (const char* name : {"v.gguf", "v.json"}) {
    save_vocabulary(vocabulary, folder.path() / name);
    const Vocabulary loaded = load_vocabulary(folder.path() / name);
    EXPECT_EQ(loaded.tokens, vocabulary.tokens);
    EXPECT_EQ(loaded.types, vocabulary.types);
    EXPECT_EQ(loaded.merges, vocabulary.merges);
    EXPECT_EQ(Tokenizer::make(loaded)->encode("the cat    caf\xc3\xa9 99"),
              Tokenizer::make(vocabulary)->encode("the cat    caf\xc3\xa9 99"));
  }
  EXPECT_EQ(load_vocabulary(folder.path() / "v.gguf").chat_template, vocabulary.chat_template);
}

TEST(VocabularyFile, KindsThatJsonCannotHold) {
  const testing::TemporaryFolder folder;
  const Vocabulary vocabulary = testing::sentencepiece_bpe_vocabulary();
  EXPECT_THROW(save_vocabulary(vocabulary, folder.path() / "v.json"), Error);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "v.json"));
  save_vocabulary(vocabulary, folder.path() / "v.gguf");
  EXPECT_EQ(load_vocabulary(folder.path() / "v.gguf").tokens, vocabulary.tokens);
}

}  // namespace
}  // namespace minim
