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
// What the model has said already where a call must come.
constexpr const char* kCallBegin = "<tool_call>\n";

// References of a schema within another are meant within itself.
OrderedJson embedded_schema(OrderedJson schema, size_t index) {
  if (!schema.contains("$id")) schema["$id"] = fmt::format("urn:tool:{}", index);
  return schema;
}

// What a call that must come follows: {"name": ..., "arguments": ...} of the allowed tools, with
// arguments that are valid by their schemas.
ConstraintSource call_constraint(const Tools& tools) {
  OrderedJson calls = OrderedJson::array();
  for (size_t i = 0; i < tools.list.size(); ++i) {
    const OrderedJson& function = tools.list[i]["function"];
    if (tools.choice == ToolChoice::kNamed && function["name"] != tools.name) continue;
    calls.push_back({{"type", "object"},
                     {"properties",
                      {{"name", {{"const", function["name"]}}},
                       {"arguments", embedded_schema(function["parameters"], i)}}},
                     {"required", {"name", "arguments"}},
                     {"additionalProperties", false}});
  }
  const OrderedJson schema =
      calls.size() == 1 ? calls[0] : OrderedJson::object({{"anyOf", std::move(calls)}});
  return {.kind = ConstraintKind::kSchema, .text = json_text(schema)};
}

std::shared_ptr<const Constraint> compile(ServedModel& model, const ConstraintSource& source,
                                          const std::string& path) {
  try {
    return model.make_constraint(source);
  } catch (const Error& error) {
    throw Refusal(400, error.what(), path, "unsupported_value");
  }
}

// What is said for the model, so that what must come can begin at once.
void constrain(ServedModel& model, const ChatPlan& plan, ChatTokens& prompt,
               TextGeneratorOptions& generator) {
  if (prompt.reasoning_begun) model.append_own_text("\n\n</think>\n\n", prompt);
  if (plan.tools.forced()) model.append_own_text(kCallBegin, prompt);
  generator.generator.constraint = plan.format
                                       ? compile(model, plan.format->source, plan.format->path)
                                       : compile(model, call_constraint(plan.tools), "tools");
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
                    .reasoning_begun = prompt.reasoning_begun,
                    .is_call = plan.tools.forced()};
  TextGeneratorOptions generator = std::move(plan.generator);
  if (held) constrain(model, plan, prompt, generator);
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

PreparedChat prepare_text(ServedModel& model, const std::string& prompt,
                          const std::optional<AnswerFormat>& format,
                          TextGeneratorOptions generator) {
  PreparedChat prepared{.parts = {.reasoning = false}};
  std::vector<TokenId> tokens = model.tokenizer()->encode(prompt);
  check_prompt(model, tokens.size(), "prompt");
  prepared.prompt_tokens = static_cast<int64_t>(tokens.size());
  generator.decode.strip_leading_space = false;
  if (format) generator.generator.constraint = compile(model, format->source, format->path);
  prepared.texts.push_back({std::move(tokens), std::move(generator)});
  return prepared;
}

std::optional<ToolCall> parse_tool_call(const std::string& text) {
  try {
    const OrderedJson call = parse_ordered_json(text, "tool call", {.depth_max = 64});
    if (!call.is_object() || !call.contains("name") || !call["name"].is_string()) return {};
    OrderedJson arguments = call.value("arguments", OrderedJson::object());
    if (!arguments.is_object()) return {};
    return ToolCall{call["name"], std::move(arguments)};
  } catch (const Error&) {
    return {};
  }
}

}  // namespace minim::serve
