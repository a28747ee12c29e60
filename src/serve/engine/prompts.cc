#include "serve/engine/prompts.h"

#include <fmt/core.h>

#include <utility>

#include "serve/engine/prompt_check.h"
#include "text/utf8.h"

namespace minim::serve {
namespace {

Prompt read_text(const OrderedJson& value, const ServedModel& model, std::string path) {
  auto text = value.get<std::string>();
  check_text_size(model, text.size(), path);
  std::vector<TokenId> tokens = model.tokenizer()->encode(text);
  return {std::move(tokens), std::move(text), std::move(path)};
}

Prompt read_tokens(const OrderedJson& list, const ServedModel& model, std::string path) {
  Prompt prompt{.path = std::move(path)};
  const int32_t size = model.tokenizer()->size();
  for (size_t i = 0; i < list.size(); ++i) {
    const OrderedJson& value = list[i];
    if (!value.is_number_integer() || value < 0 || value >= size) {
      refuse_value(fmt::format("{}[{}]", prompt.path, i),
                   fmt::format("must be a token of the model, 0 to {}", size - 1));
    }
    prompt.tokens.push_back(value.get<TokenId>());
  }
  prompt.text = replace_invalid_utf8(model.tokenizer()->decode(prompt.tokens));
  return prompt;
}

[[noreturn]] void refuse_kind(const std::string& path, const OrderedJson& value) {
  refuse_value(path, fmt::format("must be a string or a list of tokens, but is {}", kind_of(value)),
               "invalid_type");
}

}  // namespace

std::vector<Prompt> read_prompts(Fields& fields, std::string_view name, const ServedModel& model,
                                 size_t count_max) {
  const OrderedJson& given = fields.required(name);
  const std::string path = fields.path_of(name);
  std::vector<Prompt> prompts;
  if (given.is_string()) {
    prompts.push_back(read_text(given, model, path));
  } else if (given.is_array() && !given.empty() && given[0].is_number()) {
    prompts.push_back(read_tokens(given, model, path));
  } else if (given.is_array()) {
    if (given.empty()) refuse_value(path, "is empty");
    const OrderedJson& list = *fields.list(name, count_max);
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string at = fmt::format("{}[{}]", path, i);
      if (list[i].is_string()) {
        prompts.push_back(read_text(list[i], model, at));
      } else if (list[i].is_array()) {
        prompts.push_back(read_tokens(list[i], model, at));
      } else {
        refuse_kind(at, list[i]);
      }
    }
  } else {
    refuse_kind(path, given);
  }
  for (const Prompt& prompt : prompts) check_prompt(model, prompt.tokens.size(), prompt.path);
  return prompts;
}

}  // namespace minim::serve
