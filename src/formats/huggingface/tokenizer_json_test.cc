#include "formats/huggingface/tokenizer_json.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "formats/huggingface/tokenizer_config.h"
#include "formats/huggingface/tokenizer_document.h"
#include "formats/metadata.h"
#include "formats/testing/corruption.h"
#include "formats/vocabulary.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::expect_error;

Json byte_bpe() {
  return parse_json(R"({
    "version": "1.0",
    "added_tokens": [
      {"id": 4, "content": "<s>", "special": true, "lstrip": true, "rstrip": false},
      {"id": 5, "content": "<think>", "special": false, "rstrip": true},
      {"id": 7, "content": "<|end|>", "special": false}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "dropout": null, "ignore_merges": false,
      "vocab": {"a": 0, "b": 1, "ab": 2, "abb": 3}, "merges": ["a b", ["ab", "b"]]}
  })",
                    "test");
}

// As Llama 2 and Gemma have it.
Json sentence_piece_bpe() {
  return parse_json(R"({
    "added_tokens": [{"id": 0, "content": "<unk>", "special": true},
                     {"id": 1, "content": "<s>", "special": true},
                     {"id": 2, "content": "</s>", "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "\u2581"},
      {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
    "pre_tokenizer": null,
    "decoder": {"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
      {"type": "ByteFallback"}, {"type": "Fuse"},
      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true,
      "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "<0x41>": 3, "a": 4, "b": 5, "ab": 6,
                "bab": 7, "aa": 8},
      "merges": ["a b", "b ab", "ba b"]}
  })",
                    "test");
}

Json unigram() {
  return parse_json(R"({
    "added_tokens": [{"id": 0, "content": "<pad>", "special": true},
                     {"id": 1, "content": "</s>", "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [
      {"type": "Precompiled", "precompiled_charsmap": "AAECAw=="},
      {"type": "Strip", "strip_left": false, "strip_right": true},
      {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}]},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}],
      "special_tokens": {"</s>": {"id": "</s>", "ids": [1]}}},
    "decoder": {"type": "Metaspace"},
    "model": {"type": "Unigram", "unk_id": 2,
      "vocab": [["<pad>", 0], ["</s>", 0.0], ["<unk>", 0.0], ["a", -1.5], ["\u2581", -2]]}
  })",
                    "test");
}

Json word_piece() {
  return parse_json(R"({
    "added_tokens": [{"id": 0, "content": "[PAD]", "special": true},
                     {"id": 1, "content": "[CLS]", "special": true},
                     {"id": 2, "content": "[SEP]", "special": true}],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                   "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
    "decoder": {"type": "WordPiece", "prefix": "##"},
    "model": {"unk_token": "[UNK]", "continuing_subword_prefix": "##",
      "max_input_chars_per_word": 100,
      "vocab": {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "word": 4, "##s": 5}}
  })",
                    "test");
}

Vocabulary read(const Json& json) { return read_tokenizer_json(json.dump()); }

void expect_refused(ErrorCode code, std::string_view part, Json json,
                    const std::function<void(Json&)>& change) {
  change(json);
  expect_error(code, part, [&] { read(json); });
}

TEST(TokenizerJson, ReadsByteLevelBpe) {
  const Vocabulary vocabulary = read(byte_bpe());
  EXPECT_EQ(vocabulary.kind, TokenizerKind::kByteBpe);
  EXPECT_EQ(vocabulary.tokens, (std::vector<std::string>{"a", "b", "ab", "abb", "<s>", "<think>",
                                                         "[PAD6]", "<|end|>"}));
  EXPECT_EQ(vocabulary.types[4], TokenType::kControl);
  EXPECT_EQ(vocabulary.types[5], TokenType::kUserDefined);
  EXPECT_EQ(vocabulary.types[6], TokenType::kUnused);
  EXPECT_EQ(vocabulary.types[7], TokenType::kControl);  // by its look
  EXPECT_EQ(vocabulary.merges, (std::vector<std::string>{"a b", "ab b"}));
  EXPECT_EQ(vocabulary.pre_tokenizer, "gpt-2");
  EXPECT_EQ(vocabulary.normalization, "nfc");
  EXPECT_EQ(vocabulary.bos, 4);
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_FALSE(vocabulary.add_eos);
  EXPECT_EQ(vocabulary.strips_left, std::vector<int32_t>{4});
  EXPECT_EQ(vocabulary.strips_right, std::vector<int32_t>{5});
}

TEST(TokenizerJson, NamesKnownPreTokenizers) {
  const auto name_of = [](const char* parts, bool ignore_merges) {
    Json json = byte_bpe();
    json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", parse_json(parts, "test")}};
    json["model"]["ignore_merges"] = ignore_merges;
    const Vocabulary vocabulary = read(json);
    return vocabulary.pre_tokenizer.empty() ? vocabulary.pre_patterns.at(0)
                                            : vocabulary.pre_tokenizer;
  };
  const std::string tail = R"(,{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}])";
  const std::string words =
      R"("behavior":"Isolated","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|)"
      R"([^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|)"
      R"(\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}})";
  EXPECT_EQ(name_of(("[{\"type\":\"Split\"," + words + tail).c_str(), true), "llama-bpe");
  EXPECT_EQ(name_of(("[{\"type\":\"Split\"," + words + tail).c_str(), false), "dbrx");
  EXPECT_EQ(name_of(("[{\"type\":\"Split\",\"invert\":true,\"behavior\":\"Removed\"," +
                     words.substr(words.find("\"pattern\"")) + tail)
                        .c_str(),
                    false),
            "dbrx");
  EXPECT_EQ(name_of(R"([{"type":"Digits","individual_digits":true},
                        {"type":"ByteLevel","add_prefix_space":false}])",
                    false),
            "starcoder");
  EXPECT_EQ(name_of(R"([{"type":"Punctuation","behavior":"Contiguous"},
                        {"type":"ByteLevel","add_prefix_space":false},
                        {"type":"Split","pattern":{"Regex":"[0-9][0-9][0-9]"},
                         "behavior":"Isolated"}])",
                    false),
            "falcon");
  EXPECT_EQ(name_of(R"([{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}])", false),
            "none");
  EXPECT_EQ(name_of(R"([{"type":"Split","pattern":{"String":"a.b"},"behavior":"Isolated"},
                        {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}])",
                    false),
            R"(a\.b)");
}

TEST(TokenizerJson, ScoresSentencePieceBpeByItsMerges) {
  const Vocabulary vocabulary = read(sentence_piece_bpe());
  EXPECT_EQ(vocabulary.kind, TokenizerKind::kSentencePieceBpe);
  EXPECT_EQ(vocabulary.unknown, 0);
  EXPECT_EQ(vocabulary.types[0], TokenType::kUnknown);
  EXPECT_EQ(vocabulary.types[3], TokenType::kByte);
  EXPECT_EQ(vocabulary.scores[6], 0);
  EXPECT_EQ(vocabulary.scores[7], -1);
  EXPECT_EQ(vocabulary.types[7], TokenType::kNormal);
  EXPECT_EQ(vocabulary.types[8], TokenType::kUnused);  // no merge makes it
  EXPECT_TRUE(vocabulary.add_space_prefix);
  EXPECT_TRUE(vocabulary.merges.empty());
}

TEST(TokenizerJson, SpacePrefixOfSentencePieceBpe) {
  Json json = sentence_piece_bpe();
  json["normalizer"] = json["normalizer"]["normalizers"][1];
  EXPECT_FALSE(read(json).add_space_prefix);
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "Metaspace"}, {"prepend_scheme", "first"}};
  EXPECT_TRUE(read(json).add_space_prefix);
  json["pre_tokenizer"] = {{"type", "Metaspace"}, {"prepend_scheme", "never"}};
  EXPECT_FALSE(read(json).add_space_prefix);
}

TEST(TokenizerJson, ReadsUnigram) {
  const Vocabulary vocabulary = read(unigram());
  EXPECT_EQ(vocabulary.kind, TokenizerKind::kUnigram);
  EXPECT_EQ(vocabulary.scores, (std::vector<float>{0, 0, 0, -1.5f, -2}));
  EXPECT_EQ(vocabulary.unknown, 2);
  EXPECT_EQ(vocabulary.eos, 1);
  EXPECT_TRUE(vocabulary.add_eos);
  EXPECT_TRUE(vocabulary.remove_extra_whitespaces);
  EXPECT_EQ(vocabulary.precompiled_charsmap, (std::vector<uint8_t>{0, 1, 2, 3}));
}

TEST(TokenizerJson, ReadsWordPieceAsGgufStoresIt) {
  const Vocabulary vocabulary = read(word_piece());
  EXPECT_EQ(vocabulary.kind, TokenizerKind::kWordPiece);
  EXPECT_EQ(vocabulary.tokens,
            (std::vector<std::string>{"[PAD]", "[CLS]", "[SEP]", "[UNK]", "\u2581word", "s"}));
  EXPECT_EQ(vocabulary.cls, 1);
  EXPECT_EQ(vocabulary.separator, 2);
  EXPECT_EQ(vocabulary.padding, 0);
  EXPECT_TRUE(vocabulary.lowercase);
}

TEST(TokenizerJson, ReadsThirdPartyFiles) {
  MINIM_DATA_OR_SKIP(neox, "conformance/hf_tokenizers/20B_tokenizer.json.xz");
  const Vocabulary bytes = read_tokenizer_json(testing::read_data(neox));
  EXPECT_EQ(bytes.kind, TokenizerKind::kByteBpe);
  EXPECT_EQ(bytes.pre_tokenizer, "gpt-2");
  EXPECT_EQ(bytes.normalization, "nfc");
  EXPECT_EQ(bytes.tokens.size(), 50277u);
  EXPECT_EQ(bytes.merges.size(), 50009u);
  MINIM_DATA_OR_SKIP(bert, "conformance/hf_tokenizers/bert-base-uncased.json.xz");
  const Vocabulary words = read_tokenizer_json(testing::read_data(bert));
  EXPECT_EQ(words.kind, TokenizerKind::kWordPiece);
  EXPECT_EQ(words.tokens.size(), 30522u);
  EXPECT_EQ(words.cls, 101);
}

TEST(TokenizerJson, UnknownComponentsAreNamed) {
  const auto unsupported = [](std::string_view part, const std::function<void(Json&)>& change) {
    expect_refused(ErrorCode::kUnsupported, part, byte_bpe(), change);
  };
  unsupported("the normalizer Lowercase", [](Json& j) { j["normalizer"]["type"] = "Lowercase"; });
  unsupported("the normalizer Nmt",
              [](Json& j) { j["normalizer"]["normalizers"][0]["type"] = "Nmt"; });
  unsupported("more than one Unicode", [](Json& j) {
    j["normalizer"]["normalizers"].push_back({{"type", "NFD"}});
  });
  unsupported("the pre-tokenizer Whitespace",
              [](Json& j) { j["pre_tokenizer"]["type"] = "Whitespace"; });
  unsupported("add_prefix_space", [](Json& j) { j["pre_tokenizer"]["add_prefix_space"] = true; });
  unsupported("the behavior Removed", [](Json& j) {
    j["pre_tokenizer"] = {
        {"type", "Split"}, {"pattern", {{"String", "x"}}}, {"behavior", "Removed"}};
  });
  unsupported("the decoder CTC", [](Json& j) { j["decoder"]["type"] = "CTC"; });
  unsupported("the post-processor Other", [](Json& j) { j["post_processor"]["type"] = "Other"; });
  unsupported("the model WordLevel", [](Json& j) { j["model"]["type"] = "WordLevel"; });
  unsupported("end_of_word_suffix", [](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; });
  unsupported("dropout", [](Json& j) { j["model"]["dropout"] = 0.1; });
  unsupported("single_word", [](Json& j) { j["added_tokens"][0]["single_word"] = true; });
  unsupported("neither on bytes", [](Json& j) {
    j["pre_tokenizer"] = nullptr;
    j["decoder"] = nullptr;
  });
  unsupported("other than [token] text", [](Json& j) {
    Json& single = j["post_processor"]["single"];
    single.insert(single.begin(), single[0]);
  });
  expect_refused(ErrorCode::kUnsupported, "Strip by itself", unigram(), [](Json& j) {
    j["normalizer"] = {{"type", "Strip"}};
  });
  expect_refused(ErrorCode::kUnsupported, "Replace of 'x'", unigram(), [](Json& j) {
    j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", "x"}}}, {"content", "y"}};
  });
  expect_refused(ErrorCode::kUnsupported, "BertNormalizer with other", word_piece(),
                 [](Json& j) { j["normalizer"]["strip_accents"] = false; });
  expect_refused(ErrorCode::kUnsupported, "another prefix", word_piece(),
                 [](Json& j) { j["model"]["continuing_subword_prefix"] = "@@"; });
}

TEST(TokenizerJson, BrokenFilesAreNamed) {
  const auto broken = [](std::string_view part, const std::function<void(Json&)>& change) {
    expect_refused(ErrorCode::kFormat, part, byte_bpe(), change);
  };
  broken("it has no model", [](Json& j) { j.erase("model"); });
  broken("it has no model", [](Json& j) { j["model"] = 7; });
  broken("no vocabulary", [](Json& j) { j["model"]["vocab"] = Json::object(); });
  broken("must be an object", [](Json& j) {
    j["model"]["vocab"] = {{"a", 0}, {"b", 1}, {"c", 2}};
    j["model"]["vocab"] = parse_json(R"([["a",0]])", "");
  });
  broken("the id 2 stands twice", [](Json& j) { j["model"]["vocab"]["b"] = 2; });
  broken("2^31 or more", [](Json& j) { j["model"]["vocab"]["b"] = int64_t{1} << 31; });
  broken("the id 2147483647", [](Json& j) { j["model"]["vocab"]["b"] = 2147483647; });
  broken("the id 1000000", [](Json& j) { j["added_tokens"][0]["id"] = 1000000; });
  broken("a number", [](Json& j) { j["model"]["vocab"]["b"] = -1; });
  broken("not two tokens", [](Json& j) { j["model"]["merges"][0] = "ab"; });
  broken("not two tokens", [](Json& j) { j["model"]["merges"][0] = "a b c"; });
  broken("has not two parts", [](Json& j) { j["model"]["merges"][1] = {"a"}; });
  broken("holds 'a b'", [](Json& j) { j["model"]["merges"][1] = {"a b", "c"}; });
  broken("an object", [](Json& j) { j["model"]["merges"][1] = Json::object(); });
  broken("which has no single id", [](Json& j) {
    j["post_processor"]["special_tokens"]["<s>"]["ids"] = {4, 5};
  });
  broken("which is no token",
         [](Json& j) { j["post_processor"]["special_tokens"]["<s>"]["ids"] = {4000}; });
  broken("without id and content", [](Json& j) { j["added_tokens"][0].erase("id"); });
  broken("a Sequence without", [](Json& j) { j["normalizer"].erase("normalizers"); });
  broken("without a type", [](Json& j) { j["decoder"].erase("type"); });
  broken("must be true or false", [](Json& j) { j["pre_tokenizer"]["use_regex"] = 1; });
  expect_refused(ErrorCode::kFormat, "unk_id is 99", unigram(),
                 [](Json& j) { j["model"]["unk_id"] = 99; });
  expect_refused(ErrorCode::kFormat, "is not a number", unigram(),
                 [](Json& j) { j["model"]["vocab"][3][1] = 1e300; });
  expect_refused(ErrorCode::kFormat, "makes no token", sentence_piece_bpe(),
                 [](Json& j) { j["model"]["merges"][0] = "a c"; });
  expect_refused(ErrorCode::kFormat, "not base64", unigram(),
                 [](Json& j) { j["normalizer"]["normalizers"][0]["precompiled_charsmap"] = "*"; });
}

TEST(TokenizerJsonThreats, TextThatIsNoDocument) {
  const auto broken = [](ErrorCode code, const std::string& text, std::string_view part) {
    expect_error(code, part, [&] { read_tokenizer_json(text); });
  };
  broken(ErrorCode::kFormat, "", "not valid JSON");
  broken(ErrorCode::kFormat, "[]", "not an object");
  broken(ErrorCode::kFormat, std::string("{}\0", 3), "zero byte");
  broken(ErrorCode::kFormat, "{\"a\":1,\"a\":2}", "stands twice");
  broken(ErrorCode::kFormat, R"({"model":{"vocab":{},"vocab":{}}})", "stands twice");
  broken(ErrorCode::kLimit, std::string(100'000, '['), "nested deeper");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  broken(ErrorCode::kLimit, objects, "nested deeper");
  std::string wide = "{\"a\":[";
  for (int i = 0; i < 3'000'000; ++i) wide += "0,";
  broken(ErrorCode::kLimit, wide + "0]}", "more memory");
}

TEST(TokenizerJson, EveryTruncationAndBitFlipEndsCleanly) {
  const auto describe = [](std::span<const std::byte> bytes) {
    Metadata metadata;
    const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    write_vocabulary(read_tokenizer_json(text), metadata);
    return testing::describe_metadata(metadata);
  };
  for (const Json& json : {byte_bpe(), sentence_piece_bpe(), unigram(), word_piece()}) {
    const std::string text = json.dump();
    testing::try_every_truncation(text, describe);
  }
  for (const Json& json : {byte_bpe(), unigram()}) {
    const std::string text = json.dump();
    testing::try_every_bit_flip(text, text.size(), describe);
  }
}

TEST(TokenizerConfig, NamesSpecialTokens) {
  Vocabulary vocabulary = read(byte_bpe());
  apply_tokenizer_config(
      parse_json(R"({"bos_token": "<s>", "eos_token": {"content": "<|end|>"}, "pad_token": null,
                     "mask_token": "absent", "add_bos_token": false, "add_eos_token": true,
                     "chat_template": [{"name": "tool_use", "template": "x"},
                                       {"name": "default", "template": "y"}]})",
                 "test"),
      vocabulary);
  EXPECT_EQ(vocabulary.bos, 4);
  EXPECT_EQ(vocabulary.eos, 7);
  EXPECT_EQ(vocabulary.mask, std::nullopt);
  EXPECT_FALSE(vocabulary.add_bos);
  EXPECT_TRUE(vocabulary.add_eos);
  EXPECT_EQ(vocabulary.chat_template, "y");
}

TEST(TokenizerConfig, ContradictionsAndWrongTypesAreNamed) {
  Vocabulary vocabulary = read(byte_bpe());
  expect_error(ErrorCode::kUnsupported, "tokenizer.json adds the token 4", [&] {
    apply_tokenizer_config(parse_json(R"({"bos_token": "<|end|>"})", "test"), vocabulary);
  });
  expect_error(ErrorCode::kFormat, "'chat_template'", [&] {
    apply_tokenizer_config(parse_json(R"({"chat_template": 7})", "test"), vocabulary);
  });
  expect_error(ErrorCode::kFormat, "'add_bos_token'", [&] {
    apply_tokenizer_config(parse_json(R"({"add_bos_token": "yes"})", "test"), vocabulary);
  });
  expect_error(ErrorCode::kFormat, "'bos_token_id' is a list", [&] {
    apply_special_ids(parse_json(R"({"bos_token_id": [1]})", "test"), "test", vocabulary);
  });
  expect_error(ErrorCode::kFormat, "is no number", [&] {
    apply_special_ids(parse_json(R"({"eos_token_id": ["x"]})", "test"), "test", vocabulary);
  });
}

TEST(TokenizerConfig, AddsTokensThatAModelLacks) {
  Vocabulary vocabulary = read(sentence_piece_bpe());
  add_tokens_by_name(parse_json(R"({"<pad>": 10, "plain": 9})", "test"), vocabulary);
  EXPECT_EQ(vocabulary.tokens.size(), 11u);
  EXPECT_EQ(vocabulary.types[9], TokenType::kUserDefined);
  EXPECT_EQ(vocabulary.types[10], TokenType::kControl);
  add_tokens_by_id(parse_json(R"({"added_tokens_decoder": {
      "12": {"content": "<x>", "special": true, "rstrip": true}}})",
                              "test"),
                   vocabulary);
  EXPECT_EQ(vocabulary.tokens[11], "[PAD11]");
  EXPECT_EQ(vocabulary.types[12], TokenType::kControl);
  EXPECT_EQ(vocabulary.strips_right, std::vector<int32_t>{12});
  for (const char* bad : {"-1", "99999999", "x", ""}) {
    const Json json = {{"added_tokens_decoder", {{bad, {{"content", "<y>"}}}}}};
    expect_error(ErrorCode::kFormat, "'<y>'", [&] { add_tokens_by_id(json, vocabulary); });
  }
}

}  // namespace
}  // namespace minim
