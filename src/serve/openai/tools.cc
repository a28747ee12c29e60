#include "serve/openai/tools.h"

#include <fmt/core.h>

#include <utility>

namespace minim::serve {
namespace {

constexpr size_t kToolsMax = 128;

OrderedJson read_function(Fields& function) {
  const std::string name = function.required_text("name");
  if (!is_tool_name(name)) {
    function.refuse("name", "must have 1 to 64 letters, digits, '_', '-' and '.'");
  }
  OrderedJson about = {{"name", name}};
  if (auto description = function.text("description")) about["description"] = *description;
  const OrderedJson* parameters = function.value("parameters");
  if (parameters != nullptr && !parameters->is_object()) {
    function.refuse("parameters", "must be a JSON schema, which is an object", "invalid_type");
  }
  about["parameters"] = parameters != nullptr ? *parameters
                                              : OrderedJson{{"type", "object"},
                                                            {"properties", OrderedJson::object()}};
  function.boolean("strict");  // arguments are held to the schema where a call must come
  return about;
}

OrderedJson read_tool(const OrderedJson& value, const std::string& path, ToolStyle style) {
  Fields tool(value, path);
  tool.required("type");
  tool.choice("type", {"function"});
  OrderedJson about;
  if (style == ToolStyle::kFlat) {
    about = read_function(tool);
  } else {
    tool.required("function");
    Fields function = *tool.object("function");
    about = read_function(function);
    function.finish();
  }
  tool.finish();
  return {{"type", "function"}, {"function", std::move(about)}};
}

void read_chosen_name(Fields& function, Tools& tools) {
  tools.name = function.required_text("name");
  if (!tools.has(tools.name)) function.refuse("name", "is the name of none of the tools");
}

void read_choice(Fields& fields, Tools& tools, ToolStyle style) {
  const OrderedJson* given = fields.value("tool_choice");
  if (given == nullptr) {
    tools.choice = tools.list.empty() ? CallChoice::kNone : CallChoice::kAuto;
    return;
  }
  if (given->is_object()) {
    Fields choice = *fields.object("tool_choice");
    choice.required("type");
    choice.choice("type", {"function"});
    if (style == ToolStyle::kFlat) {
      read_chosen_name(choice, tools);
    } else {
      choice.required("function");
      Fields function = *choice.object("function");
      read_chosen_name(function, tools);
      function.finish();
    }
    choice.finish();
    tools.choice = CallChoice::kNamed;
    return;
  }
  constexpr CallChoice kChoices[] = {CallChoice::kNone, CallChoice::kAuto, CallChoice::kRequired};
  tools.choice = kChoices[*fields.choice("tool_choice", {"none", "auto", "required"})];
  if (tools.forced() && tools.list.empty()) {
    fields.refuse("tool_choice", "asks for a call, and there are no tools");
  }
}

}  // namespace

Tools read_tools(Fields& fields, const ServedModel& model, ToolStyle style) {
  Tools tools;
  if (const OrderedJson* given = fields.list("tools", kToolsMax)) {
    for (size_t i = 0; i < given->size(); ++i) {
      const std::string path = fmt::format("{}[{}]", fields.path_of("tools"), i);
      OrderedJson tool = read_tool((*given)[i], path, style);
      if (tools.has(tool["function"]["name"].get_ref<const std::string&>())) {
        refuse_value(path + (style == ToolStyle::kFlat ? ".name" : ".function.name"),
                     "is the name of another tool too");
      }
      tools.list.push_back(std::move(tool));
    }
  }
  read_choice(fields, tools, style);
  tools.parallel = fields.boolean("parallel_tool_calls").value_or(true);
  if (tools.allowed() && !model.has_tool_calls()) {
    fields.refuse(
        "tools",
        "cannot be used: neither the model's chat template nor its family tells how it would "
        "write a call",
        "unsupported_parameter");
  }
  return tools;
}

}  // namespace minim::serve
