// Texts that come as a string, as tokens, or as a list of either.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "serve/engine/served_model.h"
#include "serve/request/fields.h"

namespace minim::serve {

struct Prompt {
  std::vector<TokenId> tokens;
  std::string text;
  std::string path;  // of the field: "input[2]"
};

// Text that looks like a special token stays text. Throws Refusal(400) with the path of what is of
// the wrong type, empty, outside the vocabulary, or does not fit the context.
std::vector<Prompt> read_prompts(Fields& fields, std::string_view name, const ServedModel& model,
                                 size_t count_max);

}  // namespace minim::serve
