#include "serve/anthropic/conversation.h"

#include <fmt/core.h>

#include <utility>

#include "serve/engine/prompt_check.h"

namespace minim::serve {
namespace {

constexpr size_t kMessagesMax = 4096;
constexpr size_t kBlocksMax = 4096;
constexpr size_t kToolsMax = 128;

[[noreturn]] void refuse_block(const Fields& block, const std::string& type) {
  block.refuse("type",
               fmt::format("is '{}', which this server does not take here", type.substr(0, 40)),
               "unsupported_value");
}

// A string, or a list of blocks of text.
std::string read_texts(const OrderedJson& value, const std::string& path) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) {
    refuse_value(path,
                 fmt::format("must be a string or a list of blocks, but is {}", kind_of(value)),
                 "invalid_type");
  }
  if (value.size() > kBlocksMax) refuse_value(path, "has too many blocks");
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    Fields block(value[i], fmt::format("{}[{}]", path, i));
    const std::string type = block.required_text("type");
    if (type != "text") refuse_block(block, type);
    text += block.required_text("text");
    block.ignore({"cache_control", "citations"});
    block.finish();
  }
  return text;
}

// What the blocks of one message bring: a message, and before it the results of tools.
struct ReadMessage {
  OrderedJson results = OrderedJson::array();
  OrderedJson calls = OrderedJson::array();
  std::string text;
  std::string reasoning;
};

void read_block(Fields& block, bool is_user, ReadMessage& message) {
  const std::string type = block.required_text("type");
  if (type == "text") {
    message.text += block.required_text("text");
    block.ignore({"citations"});
  } else if (type == "tool_result" && is_user) {
    OrderedJson result = {{"role", "tool"}, {"tool_call_id", block.required_text("tool_use_id")}};
    const OrderedJson* content = block.value("content");
    result["content"] = content == nullptr ? "" : read_texts(*content, block.path_of("content"));
    block.boolean("is_error");  // the content says it
    message.results.push_back(std::move(result));
  } else if (type == "tool_use" && !is_user) {
    const std::string id = block.required_text("id");
    const std::string name = block.required_text("name");
    block.required("input");
    const Fields input = *block.object("input");  // an object
    message.calls.push_back(
        {{"id", id},
         {"type", "function"},
         {"function", {{"name", name}, {"arguments", block.required("input")}}}});
  } else if (type == "thinking" && !is_user) {
    message.reasoning += block.required_text("thinking");
    block.ignore({"signature"});
  } else {
    refuse_block(block, type);
  }
  block.ignore({"cache_control"});
  block.finish();
}

ReadMessage read_content(Fields& fields, bool is_user) {
  ReadMessage message;
  const OrderedJson& content = fields.required("content");
  const std::string path = fields.path_of("content");
  if (!content.is_array()) {
    message.text = read_texts(content, path);
    return message;
  }
  const OrderedJson& blocks = *fields.list("content", kBlocksMax);
  for (size_t i = 0; i < blocks.size(); ++i) {
    Fields block(blocks[i], fmt::format("{}[{}]", path, i));
    read_block(block, is_user, message);
  }
  return message;
}

void read_messages(Fields& fields, const ServedModel& model, ChatPlan& plan) {
  const OrderedJson& given = fields.required_list("messages", kMessagesMax);
  if (given.empty()) fields.refuse("messages", "is empty; give at least one message");
  for (size_t i = 0; i < given.size(); ++i) {
    Fields message(given[i], fmt::format("messages[{}]", i));
    message.required("role");
    const bool is_user = *message.choice("role", {"user", "assistant"}) == 0;
    ReadMessage read = read_content(message, is_user);
    message.finish();
    check_text_size(model, read.text.size(), message.path_of("content"));
    for (OrderedJson& result : read.results) plan.messages.push_back(std::move(result));
    if (i > 0 && i + 1 == given.size() && !is_user && read.calls.empty()) {
      plan.prefill = std::move(read.text);
      return;
    }
    if (read.text.empty() && read.calls.empty() && !read.results.empty()) continue;
    OrderedJson one = {{"role", is_user ? "user" : "assistant"}, {"content", std::move(read.text)}};
    if (!read.reasoning.empty()) one["reasoning_content"] = std::move(read.reasoning);
    if (!read.calls.empty()) one["tool_calls"] = std::move(read.calls);
    plan.messages.push_back(std::move(one));
  }
}

void read_tools(Fields& fields, Tools& tools) {
  const OrderedJson* given = fields.list("tools", kToolsMax);
  for (size_t i = 0; given != nullptr && i < given->size(); ++i) {
    Fields tool((*given)[i], fmt::format("tools[{}]", i));
    tool.choice("type", {"custom"});
    const std::string name = tool.required_text("name");
    if (!is_tool_name(name) || tools.has(name)) {
      tool.refuse("name", "must have 1 to 64 letters, digits, '_', '-' and '.', and be no other's");
    }
    OrderedJson function = {{"name", name}};
    if (auto description = tool.text("description")) function["description"] = *description;
    tool.required("input_schema");
    const Fields schema = *tool.object("input_schema");  // an object
    function["parameters"] = tool.required("input_schema");
    tool.ignore({"cache_control"});
    tool.finish();
    tools.list.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
}

void read_choice(Fields& fields, Tools& tools) {
  tools.choice = tools.list.empty() ? CallChoice::kNone : CallChoice::kAuto;
  auto choice = fields.object("tool_choice");
  if (!choice) return;
  choice->required("type");
  constexpr CallChoice kChoices[] = {CallChoice::kAuto, CallChoice::kRequired, CallChoice::kNamed,
                                     CallChoice::kNone};
  tools.choice = kChoices[*choice->choice("type", {"auto", "any", "tool", "none"})];
  if (tools.forced() && tools.list.empty()) {
    choice->refuse("type", "asks for a call, and there are no tools");
  }
  if (tools.choice == CallChoice::kNamed) {
    tools.name = choice->required_text("name");
    if (!tools.has(tools.name)) choice->refuse("name", "is the name of none of the tools");
  }
  tools.parallel = !choice->boolean("disable_parallel_tool_use").value_or(false);
  choice->finish();
}

}  // namespace

void read_conversation(Fields& fields, const ServedModel& model, ChatPlan& plan) {
  plan.messages = OrderedJson::array();
  if (const OrderedJson* system = fields.value("system")) {
    std::string text = read_texts(*system, "system");
    check_text_size(model, text.size(), "system");
    plan.messages.push_back({{"role", "system"}, {"content", std::move(text)}});
  }
  read_messages(fields, model, plan);
  read_tools(fields, plan.tools);
  read_choice(fields, plan.tools);
  if (plan.tools.allowed() && !model.has_tool_calls()) {
    fields.refuse(
        "tools",
        "cannot be used: neither the model's chat template nor its family tells how it would "
        "write a call",
        "unsupported_parameter");
  }
  if (plan.tools.forced() && !plan.prefill.empty()) {
    fields.refuse("tool_choice", "asks for a call, and the answer is begun already");
  }
}

}  // namespace minim::serve
