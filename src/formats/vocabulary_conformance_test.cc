// Tokenizers against vectors made by the models' own programs. Vocabularies come from GGUF files,
// SentencePiece models, tokenizer.json and tiktoken ranks of the data folder.
#include <gtest/gtest.h>

#include <sstream>
#include <unordered_map>

#include "base/json.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/huggingface/tokenizer_json.h"
#include "formats/sentencepiece.h"
#include "formats/vocabulary.h"
#include "tests/support/test_data.h"
#include "text/byte_alphabet.h"
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
  const EncodeOptions options = {.add_special = false, .parse_special = false};
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

// Any file of the conformance folder that holds a vocabulary.
std::shared_ptr<const Tokenizer> open_tokenizer(const std::string& file) {
  const Path path = testing::data_path("conformance/" + file);
  if (path.empty()) return nullptr;
  if (file.ends_with(".gguf")) return open_gguf_tokenizer(path);
  const std::string content = testing::read_data(path);
  if (file.ends_with(".model")) {
    return Tokenizer::make(read_sentencepiece(std::as_bytes(std::span(content))));
  }
  return Tokenizer::make(read_tokenizer_json(content));
}

constexpr EncodeOptions kPlain = {.add_special = false, .parse_special = false};
constexpr EncodeOptions kOwnText = {.add_special = false, .parse_special = true};

// Made by scripts/golden/tokenizer_cases.py with sentencepiece and tokenizers.
class GoldenCases : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenCases, EveryTextGivesItsIds) {
  const auto tokenizer = open_tokenizer(GetParam());
  if (tokenizer == nullptr) GTEST_SKIP() << "needs conformance/" << GetParam();
  const Json cases = parse_json(read_file(testing::golden_path("golden/text/tokenizer_cases.json")),
                                "tokenizer_cases.json");
  // sentencepiece never finds control tokens in a text, tokenizers always does.
  const bool finds_special = std::string_view(GetParam()).starts_with("hf_tokenizers/");
  const Json& expected = cases.at(GetParam());
  ASSERT_EQ(expected.size(), 150u);
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string text = cases.at("texts").at(i);
    EXPECT_EQ(tokenizer->encode(text, finds_special ? kOwnText : kPlain),
              expected.at(i).get<std::vector<TokenId>>())
        << ::testing::PrintToString(text);
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenCases,
                         ::testing::Values("sentencepiece/test_model.model",
                                           "sentencepiece/llama2_tokenizer.model",
                                           "hf_tokenizers/bert-base-uncased.json.xz",
                                           "hf_tokenizers/20B_tokenizer.json.xz"));

struct HubModel {
  const char* name;  // in tokenizer_tests.json
  const char* file;
  size_t begin, end;  // control tokens around the ids
};

class HubVectors : public ::testing::TestWithParam<HubModel> {};

TEST_P(HubVectors, IdsAndTextAgree) {
  MINIM_DATA_OR_SKIP(vectors, "conformance/hf_tokenizers/tokenizer_tests.json");
  const auto [name, file, begin, end] = GetParam();
  const auto tokenizer = open_tokenizer(file);
  if (tokenizer == nullptr) GTEST_SKIP() << "needs conformance/" << file;
  const Json cases = parse_json(read_file(vectors), "tokenizer_tests.json").at(name);
  ASSERT_GE(cases.size(), 18u);
  for (const Json& test : cases) {
    auto expected = test.at("encoded").at("input_ids").get<std::vector<TokenId>>();
    ASSERT_GE(expected.size(), begin + end);
    const bool word_piece = tokenizer->vocabulary().kind == TokenizerKind::kWordPiece;
    if (begin > 0) {  // control tokens are written out, and Llama 2's first space stays
      EXPECT_EQ(tokenizer->decode(expected, {.strip_leading_space = word_piece}),
                test.at("decoded_with_special"));
    }
    expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(begin));
    expected.resize(expected.size() - end);
    const std::string text = test.at("input");
    EXPECT_EQ(tokenizer->encode(text, kPlain), expected) << text;
    // Byte BPE and Llama 2 give the text back; what BERT gives is in the file.
    const std::string decoded =
        word_piece ? test.at("decoded_without_special").get<std::string>() : text;
    EXPECT_EQ(tokenizer->decode(expected, {.skip_special = true}), decoded);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, HubVectors,
    ::testing::Values(
        HubModel{"bert-base-uncased", "hf_tokenizers/bert-base-uncased.json.xz", 1, 1},
        HubModel{"google-bert/bert-base-uncased", "gguf_vocab/ggml-vocab-bert-bge.gguf", 1, 1},
        HubModel{"distilgpt2", "gguf_vocab/ggml-vocab-gpt-2.gguf", 0, 0},
        HubModel{"tiiuae/falcon-7b", "gguf_vocab/ggml-vocab-falcon.gguf", 0, 0},
        HubModel{"coreml-projects/Llama-2-7b-chat-coreml", "sentencepiece/llama2_tokenizer.model",
                 1, 0},
        HubModel{"coreml-projects/Llama-2-7b-chat-coreml", "gguf_vocab/ggml-vocab-llama-spm.gguf",
                 1, 0}));

struct LongText {
  const char* vectors;
  const char* file;
};

class LongTexts : public ::testing::TestWithParam<LongText> {};

TEST_P(LongTexts, IdsAgree) {
  const auto [vectors, file] = GetParam();
  const auto tokenizer = open_tokenizer(file);
  if (tokenizer == nullptr) GTEST_SKIP() << "needs conformance/" << file;
  MINIM_DATA_OR_SKIP(path, std::string("conformance/hf_tokenizers/") + vectors);
  const Json test = parse_json(read_file(path), vectors);
  const auto expected = test.at("token_ids").get<std::vector<TokenId>>();
  auto encoded = tokenizer->encode(test.at("text").get<std::string>(), kPlain);
  // BERT's and Llama's ids are written with the control tokens around them.
  const bool word_piece = tokenizer->vocabulary().kind == TokenizerKind::kWordPiece;
  const bool byte_bpe = tokenizer->vocabulary().kind == TokenizerKind::kByteBpe;
  if (!byte_bpe) encoded.insert(encoded.begin(), expected.front());
  if (word_piece) encoded.push_back(expected.back());
  EXPECT_EQ(encoded, expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, LongTexts,
    ::testing::Values(LongText{"gpt2_encoded_tokens.json", "gguf_vocab/ggml-vocab-gpt-2.gguf"},
                      LongText{"llama_encoded.json", "sentencepiece/llama2_tokenizer.model"},
                      LongText{"bert_uncased_encoded.json",
                               "hf_tokenizers/bert-base-uncased.json.xz"}));

TEST(BertVectors, QuestionsAreCutIntoTheirWords) {
  MINIM_DATA_OR_SKIP(path, "conformance/hf_tokenizers/basic_tokenized_questions.json.xz");
  // Every word of the file is a token here, so that each must come out whole.
  const Json questions = parse_json(testing::read_data(path), "basic_tokenized_questions.json");
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kWordPiece;
  vocabulary.tokens = {"[UNK]", "##absent"};
  vocabulary.unknown = 0;
  std::unordered_map<std::string, TokenId> ids;
  for (const Json& question : questions) {
    for (const std::string word : question) {
      if (ids.emplace(word, static_cast<TokenId>(vocabulary.tokens.size())).second) {
        vocabulary.tokens.push_back(word);
      }
    }
  }
  const auto tokenizer = Tokenizer::make(vocabulary);
  for (const Json& question : questions) {
    std::string text;
    std::vector<TokenId> expected;
    for (const std::string word : question) {
      text += word + " ";
      expected.push_back(ids.at(word));
    }
    EXPECT_EQ(tokenizer->encode(text, kPlain), expected) << text;
  }
}

std::string decode_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xFF);
  }
  return bytes;
}

// A tiktoken file lists byte strings by rank; the merge that makes a token is the last one when it
// is merged from its bytes by the lower ranks only.
Vocabulary read_tiktoken(const std::string& file, const std::string& pre_tokenizer) {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kByteBpe;
  vocabulary.pre_tokenizer = pre_tokenizer;
  std::unordered_map<std::string, int> ranks;
  std::istringstream lines(file);
  std::string encoded;
  for (int rank; lines >> encoded >> rank;) {
    const std::string bytes = decode_base64(encoded);
    EXPECT_EQ(rank, static_cast<int>(vocabulary.tokens.size()));
    vocabulary.tokens.push_back(encode_letters(bytes));
    ranks.emplace(bytes, rank);
    if (bytes.size() == 1) continue;
    std::vector<std::string> parts;
    for (const char byte : bytes) parts.emplace_back(1, byte);
    while (parts.size() > 2) {
      size_t best = 0;
      int best_rank = rank;
      for (size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto found = ranks.find(parts[i] + parts[i + 1]);
        if (found == ranks.end() || found->second >= best_rank) continue;
        best = i;
        best_rank = found->second;
      }
      EXPECT_LT(best_rank, rank) << "token " << rank;
      if (best_rank == rank) return vocabulary;
      parts[best] += parts[best + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    vocabulary.merges.push_back(encode_letters(parts[0]) + " " + encode_letters(parts[1]));
  }
  return vocabulary;
}

TEST(Tiktoken, R50kIsGpt2) {
  MINIM_DATA_OR_SKIP(ranks, "conformance/tiktoken/r50k_base.tiktoken");
  MINIM_DATA_OR_SKIP(gguf, "conformance/gguf_vocab/ggml-vocab-gpt-2.gguf");
  MINIM_DATA_OR_SKIP(prose, "text/misc/botchan.txt.xz");
  const auto r50k = Tokenizer::make(read_tiktoken(read_file(ranks), "gpt-2"));
  const auto gpt2 = open_gguf_tokenizer(gguf);
  for (const std::string& input : split_inputs(read_file(gguf.string() + ".inp"))) {
    EXPECT_EQ(r50k->encode(input, kPlain), gpt2->encode(input, kPlain)) << input;
  }
  const std::string text = testing::read_data(prose);
  EXPECT_EQ(r50k->encode(text, kPlain), gpt2->encode(text, kPlain));
}

TEST(Tiktoken, Cl100kIsTheBeginningOfLlama3) {
  MINIM_DATA_OR_SKIP(ranks, "conformance/tiktoken/cl100k_base.tiktoken");
  MINIM_DATA_OR_SKIP(vectors, "conformance/hf_tokenizers/tokenizer_tests.json");
  const auto tokenizer = Tokenizer::make(read_tiktoken(read_file(ranks), "llama-bpe"));
  const Json cases = parse_json(read_file(vectors), "tokenizer_tests.json")
                         .at("pcuenq/Llama-3.2-1B-Instruct-tokenizer");
  int compared = 0;
  for (const Json& test : cases) {
    auto expected = test.at("encoded").at("input_ids").get<std::vector<TokenId>>();
    expected.erase(expected.begin());
    const bool shared = std::all_of(expected.begin(), expected.end(),
                                    [&](TokenId id) { return id < tokenizer->size(); });
    if (!shared) continue;  // made by Llama 3's own merges
    ++compared;
    EXPECT_EQ(tokenizer->encode(test.at("input").get<std::string>(), kPlain), expected);
  }
  EXPECT_GE(compared, 15);
}

TEST(Gpt2Files, MergesGiveTheIdsOfTheirEncoder) {
  MINIM_DATA_OR_SKIP(encoder_path, "conformance/gpt2/encoder.json.xz");
  MINIM_DATA_OR_SKIP(merges_path, "conformance/gpt2/vocab.bpe.xz");
  MINIM_DATA_OR_SKIP(gguf, "conformance/gguf_vocab/ggml-vocab-gpt-2.gguf");
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kByteBpe;
  vocabulary.pre_tokenizer = "gpt-2";
  const Json encoder = parse_json(testing::read_data(encoder_path), "encoder.json");
  vocabulary.tokens.resize(encoder.size());
  for (const auto& [token, id] : encoder.items()) {
    vocabulary.tokens.at(id.get<size_t>()) = token;
  }
  std::istringstream lines(testing::read_data(merges_path));
  std::string line;
  std::getline(lines, line);  // #version
  while (std::getline(lines, line) && !line.empty()) vocabulary.merges.push_back(line);
  const auto tokenizer = Tokenizer::make(vocabulary);
  const auto expected = open_gguf_tokenizer(gguf);
  for (const std::string& input : split_inputs(read_file(gguf.string() + ".inp"))) {
    EXPECT_EQ(tokenizer->encode(input, kPlain), expected->encode(input, kPlain)) << input;
  }
}

}  // namespace
}  // namespace minim
