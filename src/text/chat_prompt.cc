#include "text/chat_prompt.h"

#include <algorithm>
#include <iterator>
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

// A template may move or cut what it was given, so marks need not come in pairs: everything from a
// begin to the next end is text. `is_text` carries that over the pieces of one text.
void ChatPrompt::append_tokens(std::string_view marked, bool& is_text,
                               std::vector<TokenId>& tokens) const {
  const auto append = [&](std::string_view part, bool parse_special) {
    if (part.empty()) return;
    const auto more =
        tokenizer_->encode(part, {.add_special = false, .parse_special = parse_special});
    tokens.insert(tokens.end(), more.begin(), more.end());
  };
  while (!marked.empty()) {
    const size_t mark = marked.find(is_text ? kTextEnd : kTextBegin);
    append(without_marks(marked.substr(0, mark)), !is_text);
    if (mark == std::string_view::npos) break;
    marked.remove_prefix(mark + kTextBegin.size());
    is_text = !is_text;
  }
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
  bool is_text = false;
  append_tokens(text, is_text, tokens);
  return tokens;
}

// The text of the first messages; `asks`: and of what asks for an answer to them.
std::string ChatPrompt::render_front(const OrderedJson& variables, size_t message_count, bool asks,
                                     int64_t now) const {
  OrderedJson front = variables;
  auto& messages = front["messages"];
  messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(message_count), messages.end());
  front["add_generation_prompt"] = asks;
  return template_.render(front, now);
}

// What follows the token that ends the answer, a line end for instance, the model never says.
void ChatPrompt::end_answer(std::vector<ChatPiece>& pieces) const {
  std::vector<TokenId>& answer = pieces.back().tokens;
  const auto last = std::find_if(answer.rbegin(), answer.rend(),
                                 [&](TokenId token) { return tokenizer_->ends_generation(token); });
  if (last == answer.rend() || last == answer.rbegin()) return;
  ChatPiece rest = {{last.base(), answer.end()}, false};
  answer.erase(last.base(), answer.end());
  pieces.push_back(std::move(rest));
}

std::vector<ChatPiece> ChatPrompt::encode_turns(OrderedJson variables, int64_t now) const {
  variables = complete(std::move(variables));
  const OrderedJson messages = variables["messages"];
  const Vocabulary& vocabulary = tokenizer_->vocabulary();
  const std::string text = render_front(variables, messages.size(), false, now);
  std::vector<ChatPiece> pieces;
  const std::string bos = stored(vocabulary, vocabulary.bos);
  if (vocabulary.add_bos && vocabulary.bos && !text.starts_with(bos)) {
    pieces.push_back({{*vocabulary.bos}, false});
  }
  bool is_text = false;
  size_t done = 0;
  const auto append = [&](size_t end, bool is_answer) {
    pieces.push_back({{}, is_answer});
    append_tokens(std::string_view(text).substr(done, end - done), is_text, pieces.back().tokens);
    done = end;
  };
  // The place in `text` up to which `front` is the same.
  const auto place_after = [&](const std::string& front, const char* what) {
    if (text.starts_with(front) && front.size() >= done) return front.size();
    throw Error(ErrorCode::kUnsupported,
                std::string("chat: the template ") + what +
                    ", so that answers cannot be told from what asks for them; train with a "
                    "template that only ever adds to a conversation");
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].value("role", "") != "assistant") continue;
    append(place_after(render_front(variables, i, true, now), "asks differently than it answers"),
           false);
    append(place_after(render_front(variables, i + 1, false, now), "changes earlier turns"), true);
    end_answer(pieces);
  }
  if (done < text.size()) append(text.size(), false);
  return pieces;
}

}  // namespace minim
