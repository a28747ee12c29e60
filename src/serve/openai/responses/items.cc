#include "serve/openai/responses/items.h"

#include <fmt/core.h>

#include <set>
#include <string>
#include <utility>

#include "serve/engine/prompt_check.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

constexpr size_t kItemsMax = 4096;
constexpr size_t kPartsMax = 4096;
constexpr const char* kStatuses[] = {"in_progress", "completed", "incomplete"};

struct Reader {
  const ServedModel& model;
  const std::string& id_tail;
};

[[noreturn]] void refuse_kind_of_part(const Fields& part, const std::string& type) {
  refuse_value(
      part.path_of("type"),
      fmt::format("is '{}', which this server does not take; it takes texts", type.substr(0, 40)),
      "unsupported_value");
}

// {"type", "text"}, of one of the types.
OrderedJson read_part(const OrderedJson& value, const std::string& path, const Reader& reader,
                      std::initializer_list<std::string_view> types) {
  Fields part(value, path);
  const std::string type = part.required_text("type");
  if (std::find(types.begin(), types.end(), type) == types.end()) refuse_kind_of_part(part, type);
  const std::string name = type == "refusal" ? "refusal" : "text";
  std::string text = part.required_text(name);
  check_text_size(reader.model, text.size(), part.path_of(name));
  part.ignore({"annotations", "logprobs"});
  part.finish();
  OrderedJson read = {{"type", type}, {name, std::move(text)}};
  if (type == "output_text") read["annotations"] = OrderedJson::array();
  return read;
}

// A string, or a list of parts.
OrderedJson read_parts(Fields& fields, std::string_view name, const Reader& reader,
                       const char* type, std::initializer_list<std::string_view> types) {
  const OrderedJson& given = fields.required(name);
  const std::string path = fields.path_of(name);
  OrderedJson parts = OrderedJson::array();
  if (given.is_string()) {
    check_text_size(reader.model, given.get_ref<const std::string&>().size(), path);
    parts.push_back({{"type", type}, {"text", given}});
    return parts;
  }
  if (!given.is_array()) {
    refuse_value(path,
                 fmt::format("must be a string or a list of parts, but is {}", kind_of(given)),
                 "invalid_type");
  }
  const OrderedJson& list = *fields.list(name, kPartsMax);
  for (size_t i = 0; i < list.size(); ++i) {
    parts.push_back(read_part(list[i], fmt::format("{}[{}]", path, i), reader, types));
  }
  return parts;
}

std::string read_id(Fields& fields, const char* prefix, size_t index, const Reader& reader) {
  return fields.text("id").value_or(fmt::format("{}_{}_{}", prefix, reader.id_tail, index));
}

std::string read_status(Fields& fields) {
  return kStatuses[fields.choice("status", {"in_progress", "completed", "incomplete"}).value_or(1)];
}

OrderedJson read_message(Fields& fields, size_t index, const Reader& reader) {
  fields.required("role");
  const size_t role = *fields.choice("role", {"user", "assistant", "system", "developer"});
  constexpr const char* kRoles[] = {"user", "assistant", "system", "developer"};
  const bool is_answer = role == 1;
  OrderedJson content = is_answer
                            ? read_parts(fields, "content", reader, "output_text",
                                         {"output_text", "refusal", "input_text"})
                            : read_parts(fields, "content", reader, "input_text", {"input_text"});
  fields.ignore({"phase"});
  return {{"id", read_id(fields, "msg", index, reader)},
          {"type", "message"},
          {"status", read_status(fields)},
          {"role", kRoles[role]},
          {"content", std::move(content)}};
}

OrderedJson read_call(Fields& fields, size_t index, const Reader& reader) {
  const std::string arguments = fields.required_text("arguments");
  check_text_size(reader.model, arguments.size(), fields.path_of("arguments"));
  OrderedJson parsed = OrderedJson::object();
  try {
    if (!arguments.empty()) parsed = parse_request_json(arguments);
  } catch (const Refusal& refusal) {
    fields.refuse("arguments", fmt::format("is no JSON: {}", refusal.what()));
  }
  if (!parsed.is_object()) fields.refuse("arguments", "must hold a JSON object");
  return {{"id", read_id(fields, "fc", index, reader)},
          {"type", "function_call"},
          {"status", read_status(fields)},
          {"call_id", fields.required_text("call_id")},
          {"name", fields.required_text("name")},
          {"arguments", arguments}};
}

OrderedJson read_output(Fields& fields, size_t index, const Reader& reader) {
  const OrderedJson& given = fields.required("output");
  OrderedJson output = read_parts(fields, "output", reader, "input_text", {"input_text"});
  if (given.is_string()) output = given;
  return {{"id", read_id(fields, "fco", index, reader)},
          {"type", "function_call_output"},
          {"status", read_status(fields)},
          {"call_id", fields.required_text("call_id")},
          {"output", std::move(output)}};
}

OrderedJson read_reasoning(Fields& fields, size_t index, const Reader& reader) {
  OrderedJson summary = OrderedJson::array();
  if (fields.value("summary") != nullptr) {
    summary = read_parts(fields, "summary", reader, "summary_text", {"summary_text"});
  }
  OrderedJson content = OrderedJson::array();
  if (fields.value("content") != nullptr) {
    content = read_parts(fields, "content", reader, "reasoning_text", {"reasoning_text"});
  }
  fields.unsupported({"encrypted_content"});
  return {{"id", read_id(fields, "rs", index, reader)},
          {"type", "reasoning"},
          {"status", read_status(fields)},
          {"summary", std::move(summary)},
          {"content", std::move(content)}};
}

OrderedJson read_item(const OrderedJson& value, size_t index, const std::string& path,
                      const Reader& reader) {
  Fields fields(value, path);
  const std::string type = fields.text("type").value_or("message");
  OrderedJson item;
  if (type == "message") {
    item = read_message(fields, index, reader);
  } else if (type == "function_call") {
    item = read_call(fields, index, reader);
  } else if (type == "function_call_output") {
    item = read_output(fields, index, reader);
  } else if (type == "reasoning") {
    item = read_reasoning(fields, index, reader);
  } else if (type == "item_reference") {
    fields.refuse("type",
                  "cannot be 'item_reference'; send the item itself, or go on with "
                  "'previous_response_id'",
                  "unsupported_value");
  } else {
    fields.refuse("type",
                  fmt::format("is '{}', which this server does not take; it takes 'message', "
                              "'function_call', 'function_call_output' and 'reasoning'",
                              type.substr(0, 40)),
                  "unsupported_value");
  }
  fields.finish();
  return item;
}

std::string text_of(const OrderedJson& parts) {
  if (parts.is_string()) return parts;
  std::string text;
  for (const OrderedJson& part : parts) {
    text += part.contains("refusal") ? part["refusal"].get<std::string>()
                                     : part["text"].get<std::string>();
  }
  return text;
}

// The message that what an assistant says or calls now is a part of.
OrderedJson& assistant_turn(OrderedJson& messages, bool with_content) {
  const bool goes_on = !messages.empty() && messages.back()["role"] == "assistant" &&
                       !(with_content && (messages.back()["content"] != "" ||
                                          messages.back().contains("tool_calls")));
  if (!goes_on) messages.push_back({{"role", "assistant"}, {"content", ""}});
  return messages.back();
}

}  // namespace

OrderedJson read_input_items(Fields& fields, const ServedModel& model, const std::string& id_tail) {
  const OrderedJson& given = fields.required("input");
  const Reader reader{model, id_tail};
  if (given.is_string()) {
    const OrderedJson message = {{"role", "user"}, {"content", given}};
    check_text_size(model, given.get_ref<const std::string&>().size(), "input");
    return OrderedJson::array({read_item(message, 0, "input", reader)});
  }
  if (!given.is_array()) {
    refuse_value("input",
                 fmt::format("must be a string or a list of items, but is {}", kind_of(given)),
                 "invalid_type");
  }
  const OrderedJson& list = fields.required_list("input", kItemsMax);
  if (list.empty()) fields.refuse("input", "is empty; give at least one item");
  OrderedJson items = OrderedJson::array();
  for (size_t i = 0; i < list.size(); ++i) {
    items.push_back(read_item(list[i], i, fmt::format("input[{}]", i), reader));
  }
  return items;
}

OrderedJson messages_of_items(const OrderedJson& items, size_t first) {
  if (items.size() > kItemsMax) {
    throw Refusal(
        400, fmt::format("the conversation has {} items, and may have {}", items.size(), kItemsMax),
        "previous_response_id", "limit_exceeded");
  }
  OrderedJson messages = OrderedJson::array();
  std::set<std::string> calls;
  for (size_t i = 0; i < items.size(); ++i) {
    const OrderedJson& item = items[i];
    const std::string type = item["type"];
    if (type == "function_call") {
      const std::string arguments = item["arguments"];
      calls.insert(item["call_id"].get<std::string>());
      assistant_turn(messages, /*with_content=*/false)["tool_calls"].push_back(
          {{"id", item["call_id"]},
           {"type", "function"},
           {"function",
            {{"name", item["name"]},
             {"arguments",
              arguments.empty() ? OrderedJson::object() : parse_request_json(arguments)}}}});
    } else if (type == "function_call_output") {
      if (calls.count(item["call_id"].get<std::string>()) == 0) {
        refuse_value(fmt::format("input[{}].call_id", i - std::min(i, first)),
                     "is the id of no call before it in the conversation");
      }
      messages.push_back({{"role", "tool"},
                          {"tool_call_id", item["call_id"]},
                          {"content", text_of(item["output"])}});
    } else if (type == "reasoning") {
      assistant_turn(messages, /*with_content=*/true)["reasoning_content"] =
          text_of(item["content"]);
    } else if (item["role"] == "assistant") {
      assistant_turn(messages, /*with_content=*/true)["content"] = text_of(item["content"]);
    } else {
      const bool is_user = item["role"] == "user";
      messages.push_back(
          {{"role", is_user ? "user" : "system"}, {"content", text_of(item["content"])}});
    }
  }
  return messages;
}

}  // namespace minim::serve
