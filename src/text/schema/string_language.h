// The texts of JSON strings, by what the strings contain.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "text/grammar/grammar.h"

namespace minim {

// Any string of min to max characters (max: Grammar::kUnbounded), with its quotes. Where length
// does not matter, every escape that JSON knows may be used; elsewhere only what JSON wants escaped
// is escaped.
ExpressionId string_of_length(Grammar& grammar, uint32_t min, uint32_t max);

// The strings whose content an automaton accepts, with their quotes.
ExpressionId quoted(Grammar& grammar, const Automaton& content);

// Any content of min to max characters.
Automaton content_of_length(Grammar& grammar, uint32_t min, uint32_t max);
// What a format of JSON Schema accepts; nothing for formats that are not known.
std::optional<Automaton> content_of_format(Grammar& grammar, std::string_view format);

// A string as JSON writes it, with its quotes.
std::string json_string(std::string_view content);

}  // namespace minim
