#include "formats/huggingface/tokenizer_json_writer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/huggingface/tokenizer_json.h"
#include "text/tokenizer.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

TEST(TokenizerJsonWriter, ReadsBackAsTheSameTokenizer) {
  for (const char* name : {"gpt-2", "llama-bpe", "smollm", "deepseek-coder", "none"}) {
    SCOPED_TRACE(name);
    Vocabulary vocabulary = testing::byte_bpe_vocabulary(name);
    vocabulary.add_bos = true;
    vocabulary.normalization = "nfc";
    const Vocabulary read = read_tokenizer_json(format_tokenizer_json(vocabulary));
    EXPECT_EQ(read.tokens, vocabulary.tokens);
    EXPECT_EQ(read.types, vocabulary.types);
    EXPECT_EQ(read.merges, vocabulary.merges);
    EXPECT_EQ(read.normalization, "nfc");
    EXPECT_TRUE(read.add_bos);
    EXPECT_EQ(read.bos, vocabulary.bos);
    const auto before = Tokenizer::make(vocabulary), after = Tokenizer::make(read);
    for (const char* text : {"the cat, the 12345    aaaa caf\xc3\xa9", "x", "<|end|> e "}) {
      EXPECT_EQ(after->encode(text), before->encode(text)) << text;
    }
  }
}

TEST(TokenizerJsonWriter, OtherKindsAreRefused) {
  EXPECT_THROW(format_tokenizer_json(testing::sentencepiece_bpe_vocabulary()), Error);
}

}  // namespace
}  // namespace minim
