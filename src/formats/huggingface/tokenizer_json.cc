#include "formats/huggingface/tokenizer_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "formats/byte_reader.h"
#include "formats/huggingface/tokenizer_components.h"
#include "formats/huggingface/tokenizer_document.h"
#include "text/pre_tokenizer.h"
#include "text/utf8.h"
#include "text/vocabulary_check.h"

namespace minim {
namespace {

constexpr const char* kOrigin = "tokenizer.json";

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "tokenizer.json: " + what);
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kUnsupported, "tokenizer.json: " + what + " is not supported");
}

struct AddedToken {
  int64_t id = 0;
  std::string content;
  bool special = false;
  bool strips_left = false;
  bool strips_right = false;
};

const Json& part_of(const Json& tree, const char* key) {
  static const Json kNull;
  const auto found = tree.find(key);
  return found == tree.end() ? kNull : *found;
}

std::vector<AddedToken> read_added_tokens(const Json& list) {
  std::vector<AddedToken> added;
  if (list.is_null()) return added;
  if (!list.is_array()) fail("'added_tokens' is not a list");
  for (const Json& item : list) {
    const auto id = json_get<int64_t>(item, "id", kOrigin);
    auto content = json_get<std::string>(item, "content", kOrigin);
    if (!id || *id < 0 || !content || content->empty())
      fail("an added token without id and content");
    const auto flag = [&](const char* key) {
      return json_get<bool>(item, key, kOrigin).value_or(false);
    };
    if (flag("single_word")) {
      refuse(fmt::format("the added token '{}' with single_word", printable(*content)));
    }
    added.push_back({*id, *std::move(content), flag("special"), flag("lstrip"), flag("rstrip")});
  }
  return added;
}

// Old files leave the model's type out.
std::string model_type(const TokenizerDocument& document, const Json& model) {
  if (auto type = json_get<std::string>(model, "type", kOrigin)) return *type;
  if (model.contains("merges")) return "BPE";
  if (!document.pieces.empty()) return "Unigram";
  if (model.contains("max_input_chars_per_word")) return "WordPiece";
  fail("the model has no type");
}

// Assembles a Vocabulary from the parts of a document.
class TokenizerImport {
 public:
  explicit TokenizerImport(TokenizerDocument document)
      : document_(std::move(document)),
        model_(part_of(document_.tree, "model")),
        normalization_(read_normalizer(part_of(document_.tree, "normalizer"))),
        pre_tokenization_(read_pre_tokenizer(part_of(document_.tree, "pre_tokenizer"))),
        added_(read_added_tokens(part_of(document_.tree, "added_tokens"))) {}

  Vocabulary run() {
    if (!model_.is_object()) fail("it has no model");
    check_decoder(part_of(document_.tree, "decoder"));
    const std::string type = model_type(document_, model_);
    if (type == "BPE") {
      read_bpe();
    } else if (type == "Unigram") {
      read_unigram();
    } else if (type == "WordPiece") {
      read_word_piece();
    } else {
      refuse(fmt::format("the model {}", printable(type)));
    }
    apply_post_processor();
    return std::move(vocabulary_);
  }

 private:
  std::optional<std::string> model_text(const char* key) const {
    return json_get<std::string>(model_, key, kOrigin);
  }
  bool model_flag(const char* key) const {
    return json_get<bool>(model_, key, kOrigin).value_or(false);
  }

  // Gives every id its text: the model's, then the added tokens over them.
  void place_tokens() {
    size_t count = document_.vocab.size() + document_.pieces.size();
    if (count == 0) fail("the model has no vocabulary");
    int64_t last = static_cast<int64_t>(document_.pieces.size()) - 1;
    for (const auto& [token, id] : document_.vocab) last = std::max(last, id);
    for (const AddedToken& token : added_) last = std::max(last, token.id);
    // Some vocabularies have holes, but an id must not decide how much memory is taken.
    count += added_.size();
    if (last >= static_cast<int64_t>(2 * count + 1024)) {
      fail(fmt::format("the id {} in a vocabulary of {} tokens", last, count));
    }
    const auto size = static_cast<size_t>(last) + 1;
    vocabulary_.tokens.assign(size, {});
    vocabulary_.types.assign(size, TokenType::kUnused);
    std::vector<bool> taken(size);
    for (auto& [token, id] : document_.vocab) {
      const auto place = static_cast<size_t>(id);
      if (taken[place]) fail(fmt::format("the id {} stands twice in the vocabulary", id));
      taken[place] = true;
      set_token(place, std::move(token), TokenType::kNormal);
    }
    for (size_t i = 0; i < document_.pieces.size(); ++i) {
      taken[i] = true;
      set_token(i, std::move(document_.pieces[i].first), TokenType::kNormal);
    }
    for (size_t i = 0; i < size; ++i) {
      if (!taken[i]) vocabulary_.tokens[i] = fmt::format("[PAD{}]", i);
    }
  }

  void set_token(size_t id, std::string text, TokenType type) {
    vocabulary_.tokens[id] = std::move(text);
    vocabulary_.types[id] = type;
  }

  // After the merges have been looked up, because added tokens may be written differently.
  void place_added_tokens() {
    for (AddedToken& token : added_) {
      const auto id = static_cast<int32_t>(token.id);
      const bool control = token.special || looks_special(token.content);
      if (token.strips_left) vocabulary_.strips_left.push_back(id);
      if (token.strips_right) vocabulary_.strips_right.push_back(id);
      if (!control) replace_space_marks(token.content);
      TokenType type = control ? TokenType::kControl : TokenType::kUserDefined;
      const auto place = static_cast<size_t>(token.id);
      // <unk> and the bytes keep what they are for.
      if (vocabulary_.types[place] == TokenType::kUnknown ||
          vocabulary_.types[place] == TokenType::kByte) {
        type = vocabulary_.types[place];
      }
      set_token(place, std::move(token.content), type);
    }
  }

  static void replace_space_marks(std::string& text) {
    static constexpr std::string_view kSpaceMark = "\u2581";
    for (size_t at = text.find(kSpaceMark); at != std::string::npos; at = text.find(kSpaceMark)) {
      text.replace(at, kSpaceMark.size(), " ");
    }
  }

  std::optional<int32_t> find(std::string_view token) const {
    const auto& tokens = vocabulary_.tokens;
    const auto found = std::find(tokens.begin(), tokens.end(), token);
    if (found == tokens.end()) return std::nullopt;
    return static_cast<int32_t>(found - tokens.begin());
  }

  void set_unknown(const char* key) {
    const auto name = model_text(key);
    if (!name || name->empty()) return;
    vocabulary_.unknown = find(*name);
    if (!vocabulary_.unknown) fail(fmt::format("'{}' is no token", printable(*name)));
    vocabulary_.types[static_cast<size_t>(*vocabulary_.unknown)] = TokenType::kUnknown;
  }

  void mark_bytes() {
    if (!model_flag("byte_fallback")) return;
    for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
      if (parse_byte_token(vocabulary_.tokens[i])) vocabulary_.types[i] = TokenType::kByte;
    }
  }

  void read_bpe() {
    if (!document_.pieces.empty()) fail("the vocabulary of a BPE model must be an object");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!model_text(key).value_or("").empty()) refuse(fmt::format("a BPE model with {}", key));
    }
    if (json_get<double>(model_, "dropout", kOrigin).value_or(0) != 0) refuse("BPE dropout");
    const bool bytes =
        pre_tokenization_.byte_level || decodes_bytes(part_of(document_.tree, "decoder"));
    place_tokens();
    if (bytes) {
      read_byte_bpe();
    } else if (model_flag("byte_fallback") &&
               (normalization_.escapes_spaces || pre_tokenization_.metaspace)) {
      read_sentence_piece_bpe();
    } else {
      refuse("a BPE model that works neither on bytes nor falls back to them");
    }
  }

  void read_byte_bpe() {
    if (normalization_.prepends_space || normalization_.escapes_spaces ||
        normalization_.collapses_spaces || normalization_.is_bert ||
        !normalization_.charsmap.empty()) {
      refuse("a normalizer of SentencePiece or BERT before byte-level BPE");
    }
    if (pre_tokenization_.metaspace || pre_tokenization_.splits_spaces ||
        pre_tokenization_.is_bert) {
      refuse("a pre-tokenizer of SentencePiece or BERT before byte-level BPE");
    }
    vocabulary_.kind = TokenizerKind::kByteBpe;
    vocabulary_.normalization = normalization_.form;
    vocabulary_.ignore_merges = model_flag("ignore_merges");
    vocabulary_.add_space_prefix = false;
    vocabulary_.merges = std::move(document_.merges);
    choose_pre_tokenizer();
    set_unknown("unk_token");
    place_added_tokens();
  }

  // A GGUF name where the patterns are those of one, for other readers; else the patterns.
  void choose_pre_tokenizer() {
    static constexpr std::array kNames = {
        "none",   "gpt-2",          "llama-bpe",    "dbrx",   "qwen2",  "starcoder",
        "falcon", "deepseek-coder", "deepseek-v3",  "tekken", "gpt-4o", "bloom",
        "viking", "chameleon",      "deepseek-llm", "default"};
    for (const char* name : kNames) {
      const PreTokenizerFacts facts = pre_tokenizer_facts(name);
      if (facts.known && facts.ignore_merges == vocabulary_.ignore_merges &&
          pre_tokenizer_patterns(name) == pre_tokenization_.patterns) {
        vocabulary_.pre_tokenizer = name;
        return;
      }
    }
    if (pre_tokenization_.patterns.empty()) {
      vocabulary_.pre_tokenizer = "none";
    } else {
      vocabulary_.pre_patterns = std::move(pre_tokenization_.patterns);
    }
  }

  void read_sentence_piece_bpe() {
    if (!normalization_.form.empty() || normalization_.is_bert || normalization_.collapses_spaces) {
      refuse("this normalizer before SentencePiece BPE");
    }
    if (!pre_tokenization_.patterns.empty() || pre_tokenization_.is_bert) {
      refuse("a pre-tokenizer with patterns before SentencePiece BPE");
    }
    vocabulary_.kind = TokenizerKind::kSentencePieceBpe;
    vocabulary_.pre_tokenizer = "default";
    vocabulary_.add_space_prefix =
        normalization_.prepends_space || pre_tokenization_.prepends_space;
    vocabulary_.precompiled_charsmap = std::move(normalization_.charsmap);
    set_unknown("unk_token");
    mark_bytes();
    score_by_merges();
    place_added_tokens();
  }

  // SentencePiece merges the pair whose result scores best, so a token's score is the rank of the
  // first merge that makes it. What no merge makes must not come out of one either.
  void score_by_merges() {
    std::unordered_map<std::string_view, size_t> ids;
    ids.reserve(vocabulary_.tokens.size());
    for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) ids.emplace(vocabulary_.tokens[i], i);
    std::vector<bool> made(vocabulary_.tokens.size());
    vocabulary_.scores.assign(vocabulary_.tokens.size(), 0.0f);
    float score = 0;
    std::string whole;
    for (const std::string& merge : document_.merges) {
      const size_t space = merge.find(' ');
      if (space == std::string::npos) fail("a merge without a space");
      whole.assign(merge, 0, space).append(merge, space + 1);
      const auto found = ids.find(whole);
      if (found == ids.end()) {
        fail(fmt::format("the merge '{}' makes no token", printable(merge)));
      }
      if (made[found->second]) continue;
      made[found->second] = true;
      vocabulary_.scores[found->second] = score--;
    }
    for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
      if (made[i]) continue;
      vocabulary_.scores[i] = score;
      const bool one = utf8_at_length(vocabulary_.tokens[i]) >= vocabulary_.tokens[i].size();
      if (vocabulary_.types[i] == TokenType::kNormal && !one) {
        vocabulary_.types[i] = TokenType::kUnused;
      }
    }
  }

  static size_t utf8_at_length(std::string_view text) {
    return text.empty() ? 0 : utf8_at(text, 0).length;
  }

  void read_unigram() {
    if (!pre_tokenization_.patterns.empty() || pre_tokenization_.byte_level ||
        pre_tokenization_.is_bert || normalization_.is_bert || !normalization_.form.empty()) {
      refuse("this normalizer or pre-tokenizer before Unigram");
    }
    if (!pre_tokenization_.metaspace) refuse("Unigram without Metaspace");
    if (!document_.vocab.empty()) fail("the vocabulary of a Unigram model must be a list");
    for (const auto& [piece, score] : document_.pieces) {
      vocabulary_.scores.push_back(static_cast<float>(score));
      if (!std::isfinite(vocabulary_.scores.back())) {
        fail(fmt::format("the score of '{}' is not a number", printable(piece)));
      }
    }
    place_tokens();
    vocabulary_.scores.resize(vocabulary_.tokens.size(), 0.0f);
    vocabulary_.kind = TokenizerKind::kUnigram;
    vocabulary_.pre_tokenizer = "default";
    vocabulary_.add_space_prefix = pre_tokenization_.prepends_space;
    vocabulary_.remove_extra_whitespaces =
        normalization_.collapses_spaces || pre_tokenization_.splits_spaces;
    vocabulary_.precompiled_charsmap = std::move(normalization_.charsmap);
    if (const auto unknown = json_get<int64_t>(model_, "unk_id", kOrigin)) {
      if (*unknown < 0 || *unknown >= static_cast<int64_t>(vocabulary_.tokens.size())) {
        fail(fmt::format("unk_id is {}, which is no token", *unknown));
      }
      vocabulary_.unknown = static_cast<int32_t>(*unknown);
      vocabulary_.types[static_cast<size_t>(*unknown)] = TokenType::kUnknown;
    }
    mark_bytes();
    place_added_tokens();
  }

  void read_word_piece() {
    if (!normalization_.is_bert || !pre_tokenization_.is_bert) {
      refuse("WordPiece without BertNormalizer and BertPreTokenizer");
    }
    if (model_text("continuing_subword_prefix").value_or("##") != "##") {
      refuse("WordPiece with another prefix than ##");
    }
    if (!document_.pieces.empty()) fail("the vocabulary of a WordPiece model must be an object");
    place_tokens();
    vocabulary_.kind = TokenizerKind::kWordPiece;
    vocabulary_.lowercase = normalization_.lowercase;
    vocabulary_.add_space_prefix = false;
    set_unknown("unk_token");
    // As GGUF stores them: words are marked, the pieces that continue one are not.
    for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
      std::string& token = vocabulary_.tokens[i];
      if (token.starts_with('[') && token.ends_with(']')) continue;
      token = token.starts_with("##") ? token.substr(2) : "\u2581" + token;
    }
    place_added_tokens();
    vocabulary_.padding = find("[PAD]");
    vocabulary_.mask = find("[MASK]");
  }

  void apply_post_processor() {
    const PostProcessing around = read_post_processor(part_of(document_.tree, "post_processor"));
    const auto set = [&](std::optional<int64_t> id, std::optional<int32_t>& place, bool& flag) {
      if (!id) return;
      if (*id >= static_cast<int64_t>(vocabulary_.tokens.size())) {
        fail(fmt::format("the post-processor adds {}, which is no token", *id));
      }
      place = static_cast<int32_t>(*id);
      flag = true;
    };
    const bool word_piece = vocabulary_.kind == TokenizerKind::kWordPiece;
    set(around.before, word_piece ? vocabulary_.cls : vocabulary_.bos, vocabulary_.add_bos);
    set(around.after, word_piece ? vocabulary_.separator : vocabulary_.eos, vocabulary_.add_eos);
  }

  TokenizerDocument document_;
  const Json& model_;
  Normalization normalization_;
  PreTokenization pre_tokenization_;
  std::vector<AddedToken> added_;
  Vocabulary vocabulary_;
};

}  // namespace

bool looks_special(std::string_view token) {
  static constexpr std::array<std::string_view, 4> kNames = {"<pad>", "<mask>", "<2mass>",
                                                             "[@BOS@]"};
  const auto wrapped = [&](std::string_view open, std::string_view close) {
    return token.starts_with(open) && token.ends_with(close) &&
           token.size() >= open.size() + close.size();
  };
  return std::find(kNames.begin(), kNames.end(), token) != kNames.end() || wrapped("<|", "|>") ||
         wrapped("<\uff5c", "\uff5c>") || wrapped("<unused", ">");
}

Vocabulary read_tokenizer_json(std::string_view text) {
  return TokenizerImport(parse_tokenizer_document(text)).run();
}

}  // namespace minim
