// Prompts and the answers that a good model gives them: what guessing wins depends on how much of
// an answer stands in its prompt.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace minim::bench {

struct AnsweredPrompt {
  const char* kind;  // "extraction", "editing", "free"
  const char* name;
  const char* prompt;
  const char* answer;
};
std::span<const AnsweredPrompt> answered_prompts();

// The answers as expressions of GBNF: as they are; and with values of JSON in which kStray could
// follow any character, so that each is a choice.
constexpr char kStray = '~';
std::string literal(std::string_view text);
std::string json_grammar(std::string_view answer);

}  // namespace minim::bench
