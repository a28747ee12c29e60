// What one text may say: a grammar followed token by token.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/token_grammar.h"

namespace minim {

// A copy is a text of its own. One thread at a time; what is shared is shared safely.
class Constraint {
 public:
  explicit Constraint(std::shared_ptr<TokenGrammar> grammar);

  // The tokens that may follow: [tries.mask_words()], overwritten. Of the model's distribution it
  // leaves exactly what can become a text of the grammar; tokens that end the text are among them
  // where it is one. Throws kLimit for texts that can be read in too many ways, or nest too deep.
  void allowed(std::span<uint64_t> bits);
  size_t mask_words() const { return grammar_->tries().mask_words(); }
  const Tokenizer& tokenizer() const { return grammar_->tries().tokenizer(); }

  // The token that follows; false, and nothing changes, if it may not.
  bool accept(TokenId token);
  // Text that was not made of tokens here, likewise.
  bool accept_text(std::string_view text);
  // Undoes the last `count` of accept() and accept_text(). REQUIRES: count <= rollback_max().
  void rollback(size_t count);
  size_t rollback_max() const { return ends_.size() - 1; }

  // Whether the text may end here.
  bool is_complete() const;
  // Whether nothing but its end may follow. True too once a token has ended it.
  bool is_finished() const;

  // What must follow, whatever is chosen: empty where there is a choice or the text may end.
  std::string forced_text() const;
  // The tokens that the tokenizer makes of it, up to the first that could as well be a longer one
  // which goes on past the forced text: from there on, choosing token by token is better.
  std::vector<TokenId> forced_tokens() const;

 private:
  static constexpr size_t kHistory = 4096;

  std::span<const Place> places() const {
    const size_t begin = ends_.size() > 1 ? ends_[ends_.size() - 2] : 0;
    return std::span<const Place>(places_).subspan(begin);
  }
  bool advance(std::string_view text);
  void forget();
  bool could_be_longer(std::string_view rest) const;

  std::shared_ptr<TokenGrammar> grammar_;
  Reader reader_;
  // The places after each accepted token, one after the other; those of now are the last.
  std::vector<Place> places_;
  std::vector<size_t> ends_;
  bool ended_ = false;
};

}  // namespace minim
