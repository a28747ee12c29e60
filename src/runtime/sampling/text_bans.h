// Texts that must not come about: which tokens would complete one, given what was written so far.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/sampling/text_tail.h"
#include "text/tokenizer.h"

namespace minim {

class TextBans {
 public:
  // Goes through the vocabulary once. Texts are not empty.
  TextBans(std::shared_ptr<const Tokenizer> tokenizer, const std::vector<std::string>& texts);

  // What comes after the tokens so far.
  void append(TokenId token);

  // Appends the tokens that would complete a banned text now; in no order, some twice.
  void find(std::vector<TokenId>& out) const;

  // The longest of the texts, in bytes.
  size_t bytes_max() const { return bytes_max_; }

 private:
  // Tokens that begin with the rest of a text, of which this much has been written.
  struct Completion {
    std::string written;
    std::vector<TokenId> tokens;
  };
  void add(const std::string& text);

  std::shared_ptr<const Tokenizer> tokenizer_;
  size_t bytes_max_;
  TextTail tail_;
  std::vector<Completion> completions_;  // `written` is empty for tokens that contain a text
};

}  // namespace minim
