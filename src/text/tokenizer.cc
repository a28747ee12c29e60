#include "text/tokenizer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "text/byte_bpe.h"
#include "text/sentencepiece_bpe.h"
#include "text/unicode.h"
#include "text/unigram.h"
#include "text/vocabulary_check.h"
#include "text/word_piece.h"

namespace minim {
namespace {

constexpr size_t kTextBytesMax = size_t{512} << 20;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::string out;
  size_t at = 0;
  for (size_t next; (next = text.find(from, at)) != std::string::npos; at = next + from.size()) {
    out.append(text, at, next - at).append(to);
  }
  text = out.append(text, at);
}

// The rules that BERT's own decoder ends with.
void clean_word_piece_spaces(std::string& text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kRules = {{
      {" .", "."},
      {" ?", "?"},
      {" !", "!"},
      {" ,", ","},
      {" ' ", "'"},
      {" n't", "n't"},
      {" 'm", "'m"},
      {" 's", "'s"},
      {" 've", "'ve"},
      {" 're", "'re"},
  }};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

// Where the white space before `end` begins.
size_t space_begin(std::string_view text, size_t begin, size_t end) {
  while (end > begin) {
    size_t at = end - 1;
    while (at > begin && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
    if (!is_space(utf8_at(text.substr(0, end), at).code)) break;
    end = at;
  }
  return end;
}

// Where the white space from `begin` on ends.
size_t space_end(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const Utf8Character character = utf8_at(text, begin);
    if (!is_space(character.code)) break;
    begin += character.length;
  }
  return begin;
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::make(Vocabulary vocabulary) {
  check_vocabulary(vocabulary);
  std::shared_ptr<Tokenizer> made;
  switch (vocabulary.kind) {
    case TokenizerKind::kSentencePieceBpe:
      made = std::make_shared<SentencePieceBpeTokenizer>(std::move(vocabulary));
      break;
    case TokenizerKind::kUnigram:
      made = std::make_shared<UnigramTokenizer>(std::move(vocabulary));
      break;
    case TokenizerKind::kByteBpe:
      made = std::make_shared<ByteBpeTokenizer>(std::move(vocabulary));
      break;
    case TokenizerKind::kWordPiece:
      made = std::make_shared<WordPieceTokenizer>(std::move(vocabulary));
      break;
  }
  if (made == nullptr) {
    throw Error(ErrorCode::kUnsupported, "vocabulary: the kind of tokenizer is not known");
  }
  made->find_special_tokens();
  return made;
}

Tokenizer::Tokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

void Tokenizer::name_tokens() const {
  by_name_ = TokenTable(vocabulary_.tokens.size());
  // Ordinary tokens first: a control token of the same name must not hide one.
  for (const bool ordinary : {true, false}) {
    for (TokenId id = 0; id < size(); ++id) {
      const std::string& token = vocabulary_.tokens[static_cast<size_t>(id)];
      const bool normal = vocabulary_.types[static_cast<size_t>(id)] == TokenType::kNormal;
      if (normal == ordinary && !token.empty()) by_name_.insert(token, id);
    }
  }
}

void Tokenizer::find_special_tokens() {
  const size_t count = vocabulary_.tokens.size();
  std::vector<ByteTrie::Entry> user_defined, special;
  ends_generation_.assign(count, false);
  for (size_t i = 0; i < count; ++i) {
    const std::string& token = vocabulary_.tokens[i];
    const int32_t id = static_cast<int32_t>(i);
    const TokenType type = vocabulary_.types[i];
    if (type == TokenType::kUserDefined && splits_user_defined_) {
      user_defined.push_back({token, id});
      special.push_back({token, id});
    }
    if (type == TokenType::kControl || type == TokenType::kUnknown) special.push_back({token, id});
    ends_generation_[i] = type == TokenType::kControl && is_end_marker(token);
  }
  if (vocabulary_.eos) ends_generation_[static_cast<size_t>(*vocabulary_.eos)] = true;
  if (vocabulary_.eot) ends_generation_[static_cast<size_t>(*vocabulary_.eot)] = true;
  user_defined_ = SpecialTokenMatcher(std::move(user_defined));
  special_ = SpecialTokenMatcher(std::move(special));

  strips_left_.assign(count, false);
  strips_right_.assign(count, false);
  for (const int32_t id : vocabulary_.strips_left) strips_left_[static_cast<size_t>(id)] = true;
  for (const int32_t id : vocabulary_.strips_right) strips_right_[static_cast<size_t>(id)] = true;
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  if (text.size() > kTextBytesMax) {
    throw Error(ErrorCode::kLimit, fmt::format("text: {} bytes to encode at once; at most {} are "
                                               "supported, give the text in parts",
                                               text.size(), kTextBytesMax));
  }
  const bool word_piece = vocabulary_.kind == TokenizerKind::kWordPiece;
  std::vector<TokenId> out;
  if (options.add_special) {
    if (word_piece && vocabulary_.cls) {
      out.push_back(*vocabulary_.cls);
    } else if (vocabulary_.add_bos && vocabulary_.bos) {
      out.push_back(*vocabulary_.bos);
    }
  }
  encode_segments(text, options.parse_special ? special_ : user_defined_, out);
  if (options.add_special) {
    if (word_piece && vocabulary_.separator) {
      out.push_back(*vocabulary_.separator);
    } else if (vocabulary_.add_eos && vocabulary_.eos) {
      out.push_back(*vocabulary_.eos);
    }
  }
  return out;
}

void Tokenizer::encode_segments(std::string_view text, const SpecialTokenMatcher& matcher,
                                std::vector<TokenId>& out) const {
  size_t begin = 0;
  bool begins = true;
  for (const SpecialMatch& match : matcher.find(text)) {
    const size_t token = static_cast<size_t>(match.token);
    size_t end = std::max(begin, match.begin);
    if (strips_left_[token]) end = space_begin(text, begin, end);
    if (end > begin) encode_text(text.substr(begin, end - begin), begins, out);
    out.push_back(match.token);
    // A user-defined token is text: no space is put after it, nor before what it begins.
    begins = is_control(match.token);
    begin = match.begin + match.length;
    if (strips_right_[token]) begin = space_end(text, begin);
  }
  if (begin < text.size()) encode_text(text.substr(begin), begins, out);
}

std::string Tokenizer::decode(std::span<const TokenId> tokens, const DecodeOptions& options) const {
  std::string out;
  bool begins = true;
  for (const TokenId token : tokens) decode_step(token, options, begins, out);
  if (vocabulary_.kind == TokenizerKind::kWordPiece && options.clean_spaces) {
    clean_word_piece_spaces(out);
  }
  return out;
}

void Tokenizer::decode_step(TokenId token, const DecodeOptions& options, bool& begins,
                            std::string& out) const {
  check_token(token);
  if (is_special(token)) {
    // WordPiece writes its special tokens like words; elsewhere text begins anew after a control.
    const bool word_piece = vocabulary_.kind == TokenizerKind::kWordPiece;
    if (!options.skip_special) {
      if (word_piece && !begins) out += ' ';
      out += vocabulary_.tokens[static_cast<size_t>(token)];
    }
    begins = word_piece ? begins && options.skip_special : is_control(token);
    return;
  }
  std::string_view bytes = spelling(token);
  if (begins && prefixes_space_ && options.strip_leading_space && bytes.starts_with(' ')) {
    bytes.remove_prefix(1);
  }
  begins = false;
  out += bytes;
}

std::optional<TokenId> Tokenizer::find(std::string_view token) const {
  std::call_once(named_, [this] { name_tokens(); });
  const int32_t id = by_name_.find(token);
  return id == TokenTable::kAbsent ? std::nullopt : std::optional<TokenId>(id);
}

bool Tokenizer::is_control(TokenId token) const {
  return vocabulary_.types[static_cast<size_t>(token)] == TokenType::kControl;
}

bool Tokenizer::is_special(TokenId token) const {
  check_token(token);
  return is_control(token) || vocabulary_.types[static_cast<size_t>(token)] == TokenType::kUnknown;
}

bool Tokenizer::ends_generation(TokenId token) const {
  check_token(token);
  return ends_generation_[static_cast<size_t>(token)];
}

void Tokenizer::check_token(TokenId token) const {
  if (token < 0 || token >= size()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("text: token {} is outside the vocabulary of {}", token, size()));
  }
}

void Tokenizer::set_spellings(const std::function<void(TokenId, std::string&)>& spell) {
  spellings_.clear();
  spelling_begins_.assign(1, 0);
  spelling_begins_.reserve(vocabulary_.tokens.size() + 1);
  for (TokenId id = 0; id < size(); ++id) {
    if (is_special(id)) {
      spellings_ += vocabulary_.tokens[static_cast<size_t>(id)];
    } else {
      spell(id, spellings_);
    }
    if (spellings_.size() > UINT32_MAX) {
      throw Error(ErrorCode::kLimit, "vocabulary: more than 4 GiB of tokens");
    }
    spelling_begins_.push_back(static_cast<uint32_t>(spellings_.size()));
  }
}

std::string_view Tokenizer::spelling(TokenId token) const {
  check_token(token);
  const size_t begin = spelling_begins_[static_cast<size_t>(token)];
  const size_t end = spelling_begins_[static_cast<size_t>(token) + 1];
  return std::string_view(spellings_).substr(begin, end - begin);
}

}  // namespace minim
