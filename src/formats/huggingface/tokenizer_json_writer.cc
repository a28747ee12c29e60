#include "formats/huggingface/tokenizer_json_writer.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/pre_tokenizer.h"

namespace minim {
namespace {

OrderedJson byte_level() {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", false}};
}

OrderedJson added_tokens(const Vocabulary& vocabulary) {
  OrderedJson list = OrderedJson::array();
  const auto has = [](const std::vector<int32_t>& ids, size_t id) {
    return std::find(ids.begin(), ids.end(), static_cast<int32_t>(id)) != ids.end();
  };
  for (size_t i = 0; i < vocabulary.types.size(); ++i) {
    const TokenType type = vocabulary.types[i];
    if (type != TokenType::kControl && type != TokenType::kUserDefined) continue;
    list.push_back({{"id", i},
                    {"content", vocabulary.tokens[i]},
                    {"single_word", false},
                    {"lstrip", has(vocabulary.strips_left, i)},
                    {"rstrip", has(vocabulary.strips_right, i)},
                    {"normalized", false},
                    {"special", type == TokenType::kControl}});
  }
  return list;
}

OrderedJson normalizer(const Vocabulary& vocabulary) {
  if (vocabulary.normalization.empty()) return nullptr;
  std::string name = vocabulary.normalization;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return {{"type", name}};
}

OrderedJson pre_tokenizer(const Vocabulary& vocabulary) {
  std::vector<std::string> patterns = vocabulary.pre_patterns;
  if (!vocabulary.pre_tokenizer.empty()) {
    patterns = pre_tokenizer_patterns(vocabulary.pre_tokenizer);
  }
  OrderedJson stages = OrderedJson::array();
  for (const std::string& pattern : patterns) {
    stages.push_back({{"type", "Split"},
                      {"pattern", {{"Regex", pattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}});
  }
  stages.push_back(byte_level());
  return {{"type", "Sequence"}, {"pretokenizers", stages}};
}

OrderedJson post_processor(const Vocabulary& vocabulary) {
  const bool adds_bos = vocabulary.add_bos && vocabulary.bos;
  const bool adds_eos = vocabulary.add_eos && vocabulary.eos;
  if (!adds_bos && !adds_eos) return byte_level();
  OrderedJson single = OrderedJson::array(), pair = OrderedJson::array();
  OrderedJson tokens = OrderedJson::object();
  const auto add_special = [&](int32_t id) {
    const std::string& name = vocabulary.tokens[static_cast<size_t>(id)];
    single.push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
    pair.push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
    tokens[name] = {
        {"id", name}, {"ids", OrderedJson::array({id})}, {"tokens", OrderedJson::array({name})}};
  };
  if (adds_bos) add_special(*vocabulary.bos);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  pair.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  if (adds_eos) add_special(*vocabulary.eos);
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", tokens}};
}

OrderedJson model(const Vocabulary& vocabulary) {
  OrderedJson vocab = OrderedJson::object();
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) vocab[vocabulary.tokens[i]] = i;
  const bool ignores =
      vocabulary.ignore_merges || pre_tokenizer_facts(vocabulary.pre_tokenizer).ignore_merges;
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", ignores},
          {"vocab", vocab},
          {"merges", vocabulary.merges}};
}

}  // namespace

std::string format_tokenizer_json(const Vocabulary& vocabulary) {
  if (vocabulary.kind != TokenizerKind::kByteBpe) {
    throw Error(ErrorCode::kUnsupported,
                "tokenizer.json: only byte-level BPE vocabularies can be written; write GGUF");
  }
  const OrderedJson document = {{"version", "1.0"},
                                {"truncation", nullptr},
                                {"padding", nullptr},
                                {"added_tokens", added_tokens(vocabulary)},
                                {"normalizer", normalizer(vocabulary)},
                                {"pre_tokenizer", pre_tokenizer(vocabulary)},
                                {"post_processor", post_processor(vocabulary)},
                                {"decoder", byte_level()},
                                {"model", model(vocabulary)}};
  return document.dump(2) + "\n";
}

}  // namespace minim
