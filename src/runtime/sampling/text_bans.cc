#include "runtime/sampling/text_bans.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace minim {
namespace {

size_t longest(const std::vector<std::string>& texts) {
  size_t bytes = 0;
  for (const std::string& text : texts) bytes = std::max(bytes, text.size());
  return bytes;
}

}  // namespace

TextBans::TextBans(std::shared_ptr<const Tokenizer> tokenizer,
                   const std::vector<std::string>& texts)
    : tokenizer_(std::move(tokenizer)), bytes_max_(longest(texts)), tail_(bytes_max_) {
  for (const std::string& text : texts) add(text);
}

void TextBans::add(const std::string& text) {
  std::vector<Completion> completions;
  for (size_t written = 0; written < text.size(); ++written) {
    completions.push_back({text.substr(0, written), {}});
  }
  for (TokenId token = 0; token < tokenizer_->size(); ++token) {
    if (tokenizer_->is_special(token)) continue;
    const std::string bytes = tokenizer_->token_bytes(token);
    if (bytes.find(text) != std::string::npos) {
      completions[0].tokens.push_back(token);
      continue;
    }
    for (size_t written = 1; written < text.size(); ++written) {
      const std::string_view rest = std::string_view(text).substr(written);
      if (bytes.starts_with(rest)) completions[written].tokens.push_back(token);
    }
  }
  for (Completion& completion : completions) {
    if (!completion.tokens.empty()) completions_.push_back(std::move(completion));
  }
}

void TextBans::append(TokenId token) {
  if (token < 0 || token >= tokenizer_->size() || tokenizer_->is_special(token)) {
    tail_.clear();
    return;
  }
  tail_.append(tokenizer_->token_bytes(token));
  tail_.trim();
}

void TextBans::find(std::vector<TokenId>& out) const {
  for (const Completion& completion : completions_) {
    if (!tail_.text().ends_with(completion.written)) continue;
    out.insert(out.end(), completion.tokens.begin(), completion.tokens.end());
  }
}

}  // namespace minim
