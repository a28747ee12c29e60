// A small model that guesses what a larger one says next (Leviathan et al., 2023; Chen et al.,
// 2023). What it guesses is its most probable token each time, so that what the larger model draws
// can be compared with it as it is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/context.h"
#include "model/model.h"
#include "runtime/session.h"
#include "text/tokenizer.h"

namespace minim {

// Of one scheduler, whose thread computes with it; made anywhere. The context must outlive it.
class DraftModel {
 public:
  // Throws kInvalidArgument where `own`, its tokenizer, has other tokens than `target`, the one of
  // the model that it guesses for: saying which is the first.
  DraftModel(const Context& context, std::shared_ptr<const Model> model, const Tokenizer& own,
             const Tokenizer& target);

  const Model& model() const { return prototype_.model(); }

  // Reads one text.
  class Reader {
   public:
    explicit Reader(DraftModel& draft) : draft_(draft) {}

    // Guesses after `text`, `most` at most, into `guesses`: until the probability that all of them
    // are right, as the draft sees it, falls below `probability_min`. None while there is more to
    // read than is read at once, and where the text does not fit its context. Throws what
    // Session::append() throws.
    void guess(std::span<const TokenId> text, int64_t most, double probability_min,
               std::vector<TokenId>& guesses);

   private:
    bool catch_up(std::span<const TokenId> text);

    DraftModel& draft_;
    std::optional<Session> session_;  // made when first asked for
  };

 private:
  Session prototype_;   // all share its scratch memory and its pool
  int64_t vocabulary_;  // tokens that can be guessed
};

}  // namespace minim
