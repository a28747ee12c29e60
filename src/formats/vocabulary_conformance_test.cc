// Tokenizers against vectors made by the models' own programs. Vocabularies come from GGUF files,
// SentencePiece models, tokenizer.json and tiktoken ranks of the data folder.
#include <gtest/gtest.h>

#include <sstream>

#include "base/json.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/vocabulary.h"
#include "tests/support/test_data.h"
#include "text/tokenizer.h"

namespace minim {
namespace {

std::shared_ptr<const Tokenizer> open_gguf_tokenizer(const Path& path) {
  return Tokenizer::make(read_vocabulary(open_gguf(path)->metadata()));
}

std::vector<std::string> split_inputs(const std::string& file) {
  static constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> inputs;
  size_t begin = 0;
  for (size_t end; (end = file.find(kSeparator, begin)) != std::string::npos;) {
    inputs.push_back(file.substr(begin, end - begin));
    begin = end + kSeparator.size();
  }
  return inputs;
}

std::vector<TokenId> parse_ids(const std::string& line) {
  std::istringstream words(line);
  std::vector<TokenId> ids;
  for (TokenId id; words >> id;) ids.push_back(id);
  return ids;
}

class GgufVectors : public ::testing::TestWithParam<const char*> {};

TEST_P(GgufVectors, EveryInputGivesItsIds) {
  const std::string stem = std::string("conformance/gguf_vocab/ggml-vocab-") + GetParam() + ".gguf";
  MINIM_DATA_OR_SKIP(path, stem);
  const auto tokenizer = open_gguf_tokenizer(path);
  const std::vector<std::string> inputs = split_inputs(read_file(path.string() + ".inp"));
  std::istringstream lines(read_file(path.string() + ".out"));
  ASSERT_EQ(inputs.size(), 46u);
  EncodeOptions options;
  options.add_special = false;
  std::string line;
  for (const std::string& input : inputs) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(tokenizer->encode(input, options), parse_ids(line)) << '\'' << input << '\'';
  }
  EXPECT_FALSE(std::getline(lines, line) && !line.empty());
}

INSTANTIATE_TEST_SUITE_P(All, GgufVectors,
                         ::testing::Values("bert-bge", "deepseek-coder", "falcon", "gpt-2",
                                           "llama-spm", "phi-3"));

}  // namespace
}  // namespace minim
