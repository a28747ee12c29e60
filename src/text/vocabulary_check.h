// What must hold before a tokenizer is built from a vocabulary that some file contained.
#pragma once

#include <optional>
#include <string_view>

#include "text/vocabulary.h"

namespace minim {

// Throws kFormat or kLimit, naming the token or the field. Fills in absent types, and makes a
// control token of every token with the name of a chat marker: a user's text must not forge turns
// because a file calls such a token ordinary.
void check_vocabulary(Vocabulary& vocabulary);

// The byte that "<0x0A>" stands for, written with exactly two hexadecimal digits.
std::optional<uint8_t> parse_byte_token(std::string_view token);

// "<|eot_id|>", "<end_of_turn>" and their like: generation stops there whatever `eos` says.
bool is_end_marker(std::string_view token);

}  // namespace minim
