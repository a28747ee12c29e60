#include "text/chat_prompt.h"

#include <string_view>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

// Noncharacters, reserved by Unicode for use inside a program: they surround special-token text in
// what people wrote while the template is at work on it.
constexpr std::string_view kTextBegin = "\xef\xb7\x90";  // U+FDD0
constexpr std::string_view kTextEnd = "\xef\xb7\x91";    // U+FDD1

std::string_view chat_template_of(const Vocabulary& vocabulary) {
  if (vocabulary.chat_template.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "chat: the model has no chat template; give it plain text to continue");
  }
  return vocabulary.chat_template;
}

// User-defined tokens are words of the vocabulary like any other; control tokens are commands.
std::vector<ByteTrie::Entry> control_tokens(const Vocabulary& vocabulary) {
  std::vector<ByteTrie::Entry> entries;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (vocabulary.types[i] != TokenType::kControl) continue;
    entries.push_back({vocabulary.tokens[i], static_cast<int32_t>(i)});
  }
  return entries;
}

std::string stored(const Vocabulary& vocabulary, std::optional<int32_t> token) {
  return token ? vocabulary.tokens[static_cast<size_t>(*token)] : std::string();
}

std::string without_marks(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    if (text.starts_with(kTextBegin) || text.starts_with(kTextEnd)) {
      text.remove_prefix(kTextBegin.size());
    } else {
      plain += text.front();
      text.remove_prefix(1);
    }
  }
  return plain;
}

}  // namespace

ChatPrompt::ChatPrompt(std::shared_ptr<const Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)),
      template_(chat_template_of(tokenizer_->vocabulary())),
      matcher_(control_tokens(tokenizer_->vocabulary())) {}

// Every string below `value`, keys left alone.
void ChatPrompt::mark_special(OrderedJson& value) const {
  if (value.is_structured()) {
    for (OrderedJson& item : value) mark_special(item);
    return;
  }
  if (!value.is_string()) return;
  const auto& text = value.get_ref<const std::string&>();
  if (text.find(kTextBegin) != std::string::npos || text.find(kTextEnd) != std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument,
                "chat: a message contains U+FDD0 or U+FDD1, which are no characters; remove them");
  }
  const auto matches = matcher_.find(text);
  if (matches.empty()) return;
  std::string marked;
  size_t done = 0;
  for (const SpecialMatch& match : matches) {
    marked += text.substr(done, match.begin - done);
    marked += kTextBegin;
    marked += text.substr(match.begin, match.length);
    marked += kTextEnd;
    done = match.begin + match.length;
  }
  value = marked + text.substr(done);
}

OrderedJson ChatPrompt::complete(OrderedJson variables) const {
  for (auto& [key, value] : variables.items()) mark_special(value);
  variables["bos_token"] = stored(tokenizer_->vocabulary(), tokenizer_->vocabulary().bos);
  variables["eos_token"] = stored(tokenizer_->vocabulary(), tokenizer_->vocabulary().eos);
  return variables;
}

std::string ChatPrompt::render(OrderedJson variables, int64_t now) const {
  return without_marks(template_.render(complete(std::move(variables)), now));
}

std::vector<TokenId> ChatPrompt::encode(OrderedJson variables, int64_t now) const {
  const std::string text = template_.render(complete(std::move(variables)), now);
  const Vocabulary& vocabulary = tokenizer_->vocabulary();
  std::vector<TokenId> tokens;
  // The template often writes BOS itself; two would be one too many.
  const std::string bos = stored(vocabulary, vocabulary.bos);
  if (vocabulary.add_bos && vocabulary.bos && !text.starts_with(bos)) {
    tokens.push_back(*vocabulary.bos);
  }
  const auto append = [&](std::string_view part, bool parse_special) {
    if (part.empty()) return;
    const auto more =
        tokenizer_->encode(part, {.add_special = false, .parse_special = parse_special});
    tokens.insert(tokens.end(), more.begin(), more.end());
  };
  // A template may move or cut what it was given, so marks need not come in pairs: everything from
  // a begin to the next end is text.
  std::string_view rest = text;
  bool is_text = false;
  while (!rest.empty()) {
    const size_t mark = rest.find(is_text ? kTextEnd : kTextBegin);
    append(without_marks(rest.substr(0, mark)), !is_text);
    if (mark == std::string_view::npos) break;
    rest.remove_prefix(mark + kTextBegin.size());
    is_text = !is_text;
  }
  return tokens;
}

}  // namespace minim
