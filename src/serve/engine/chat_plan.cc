#include "serve/engine/chat_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "serve/engine/prompt_check.h"
#include "serve/request/json_text.h"
#include "serve/request/refusal.h"

namespace minim::serve {
namespace {

constexpr size_t kNameMax = 64;

// Calls whose arguments are valid by their schemas.
ConstraintSource call_constraint(const ServedModel& model, const Tools& tools) {
  return {.kind = ConstraintKind::kTools,
          .text = json_text(tools.list),
          .use = {.notation = *model.tool_notation(),
                  .choice = tools.forced() ? ToolChoice::kRequired : ToolChoice::kAuto,
                  .name = tools.name,
                  .parallel = tools.parallel}};
}

ToolList read_list(const OrderedJson& tools) {
  try {
    return read_tools(tools);
  } catch (const Error& error) {
    throw Refusal(400, error.what(), "tools", "unsupported_value");
  }
}

std::shared_ptr<const Constraint> compile(ServedModel& model, const ConstraintSource& source,
                                          const std::string& path) {
  try {
    return model.make_constraint(source);
  } catch (const Error& error) {
    throw Refusal(400, error.what(), path, "unsupported_value");
  }
}

}  // namespace

bool is_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

bool Tools::has(std::string_view name_of_one) const {
  return std::any_of(list.begin(), list.end(), [&](const OrderedJson& tool) {
    return tool["function"]["name"] == name_of_one;
  });
}

PreparedChat prepare_chat(ServedModel& model, ChatPlan plan) {
  if (!model.has_chat()) throw Refusal(400, model.chat_problem(), "model", "no_chat_template");
  OrderedJson variables = {{"messages", std::move(plan.messages)}, {"add_generation_prompt", true}};
  if (plan.tools.allowed()) variables["tools"] = plan.tools.list;
  ChatTokens prompt;
  try {
    prompt = model.encode_chat(std::move(variables));
  } catch (const Error& error) {
    throw refusal_of(error, "messages");
  }
  const bool held = plan.format.has_value() || plan.tools.forced();
  PreparedChat prepared;
  prepared.parts = {.reasoning = !held && plan.prefill.empty(),
                    .reasoning_begun = prompt.reasoning_begun};
  if (plan.tools.allowed()) {
    prepared.parts.tool_calls = model.tool_notation();
    prepared.parts.tools = read_list(plan.tools.list);
  }
  TextGeneratorOptions generator = std::move(plan.generator);
  // Calls may be written with control tokens; else these are no text.
  generator.decode.skip_special = !plan.tools.allowed();
  // What must come begins at once.
  if (held && prompt.reasoning_begun) model.append_own_text("\n\n</think>\n\n", prompt);
  if (plan.format) {
    generator.generator.constraint = compile(model, plan.format->source, plan.format->path);
  } else if (plan.tools.allowed()) {
    generator.generator.constraint = compile(model, call_constraint(model, plan.tools), "tools");
  }
  if (!plan.prefill.empty()) {
    const auto begun = model.tokenizer()->encode(plan.prefill, {.add_special = false});
    prompt.tokens.insert(prompt.tokens.end(), begun.begin(), begun.end());
    generator.decode.strip_leading_space = false;
  }
  check_prompt(model, prompt.tokens.size(), "messages");
  prepared.prompt_tokens = static_cast<int64_t>(prompt.tokens.size());
  auto& stops = generator.stop_strings;
  stops.insert(stops.end(), prompt.stop_strings.begin(), prompt.stop_strings.end());
  for (int64_t i = 0; i < plan.count; ++i) {
    prepared.texts.push_back({prompt.tokens, generator});
    prepared.texts.back().options.generator.sampler.seed += static_cast<uint64_t>(i);
  }
  return prepared;
}

PreparedChat prepare_text(ServedModel& model, const std::string& prompt, const std::string& behind,
                          const std::optional<AnswerFormat>& format,
                          TextGeneratorOptions generator) {
  PreparedChat prepared{.parts = {.reasoning = false}};
  std::vector<TokenId> tokens = model.tokenizer()->encode(prompt);
  if (!behind.empty()) tokens = fill_prompt(model, tokens, behind, "suffix");
  check_prompt(model, tokens.size(), "prompt");
  prepared.prompt_tokens = static_cast<int64_t>(tokens.size());
  generator.decode.strip_leading_space = false;
  generator.decode.skip_special = true;
  if (format) generator.generator.constraint = compile(model, format->source, format->path);
  prepared.texts.push_back({std::move(tokens), std::move(generator)});
  return prepared;
}

}  // namespace minim::serve
