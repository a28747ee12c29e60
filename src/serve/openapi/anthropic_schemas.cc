#include "serve/openapi/schema.h"

namespace minim::serve::schema {
namespace {

OrderedJson text_block() {
  return closed({{"type", constant("text")},
                 {"text", text()},
                 {"cache_control", without_effect()},
                 {"citations", without_effect()}},
                {"type", "text"});
}

OrderedJson texts() { return either({text(), list(text_block(), 0, 4096)}); }

void add_conversation(OrderedJson& components) {
  const OrderedJson result = closed({{"type", constant("tool_result")},
                                     {"tool_use_id", text()},
                                     {"content", texts()},
                                     {"is_error", boolean()},
                                     {"cache_control", without_effect()}},
                                    {"type", "tool_use_id"});
  const OrderedJson use = closed({{"type", constant("tool_use")},
                                  {"id", text()},
                                  {"name", text()},
                                  {"input", map(any())},
                                  {"cache_control", without_effect()}},
                                 {"type", "id", "name", "input"});
  const OrderedJson thinking = closed({{"type", constant("thinking")},
                                       {"thinking", text()},
                                       {"signature", without_effect()},
                                       {"cache_control", without_effect()}},
                                      {"type", "thinking"});
  const auto content = [](OrderedJson block) {
    return either({text(), list(std::move(block), 0, 4096)});
  };
  components["Message"] = either(
      {closed({{"role", constant("user")}, {"content", content(either({text_block(), result}))}},
              {"role", "content"}),
       closed({{"role", constant("assistant")},
               {"content", content(either({text_block(), use, thinking}))}},
              {"role", "content"})});
  components["MessageTool"] = closed({{"type", constant("custom")},
                                      {"name", tool_name()},
                                      {"description", text()},
                                      {"input_schema", about("A JSON schema.", map(any()))},
                                      {"cache_control", without_effect()}},
                                     {"name", "input_schema"});
  const OrderedJson alone = about("At most one call.", boolean());
  components["MessageToolChoice"] = either(
      {closed({{"type", choice({"auto", "any", "none"})}, {"disable_parallel_tool_use", alone}},
              {"type"}),
       closed({{"type", constant("tool")}, {"name", text()}, {"disable_parallel_tool_use", alone}},
              {"type", "name"})});
}

OrderedJson conversation(std::initializer_list<const char*> required) {
  return closed({{"model", text()},
                 {"system", texts()},
                 {"messages", list(ref("Message"), 1, 4096)},
                 {"tools", list(ref("MessageTool"), 0, 128)},
                 {"tool_choice", ref("MessageToolChoice")}},
                required);
}

OrderedJson request() {
  const OrderedJson schema =
      with(conversation({"messages", "max_tokens"}),
           {{"max_tokens", about("At most so many; no more than the context.", integer(1))},
            {"temperature", number(0, 1)},
            {"top_p", number(0, 1)},
            {"top_k", integer(0, 1 << 24)},
            {"stop_sequences", stop_strings()},
            {"stream", boolean()},
            {"service_tier", choice({"auto", "standard_only"})},
            {"thinking", closed({{"type", constant("disabled")}}, {"type"})},
            {"output_config",
             closed({{"format", closed({{"type", constant("json_schema")},
                                        {"schema", about("A JSON schema.", map(any()))}},
                                       {"type", "schema"})}})},
            {"metadata", without_effect()}});
  return with_examples(
      schema, {R"({"max_tokens": 1, "messages": [{"role": "user", "content": "Tell me a story."}],
           "thinking": {"type": "disabled"}})",
               R"({"max_tokens": 1, "messages": [{"role": "user", "content": "a"}],
           "output_config": {"format": {"type": "json_schema", "schema": {"type": "number"}}}})",
               R"({"max_tokens": 1, "system": [{"type": "text", "text": "Be brief."}],
           "messages": [
             {"role": "user", "content": [{"type": "text", "text": "And the weather?"}]},
             {"role": "assistant", "content": [
               {"type": "thinking", "thinking": "I have a tool.", "signature": ""},
               {"type": "text", "text": "I look."},
               {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}]},
             {"role": "user", "content": [
               {"type": "tool_result", "tool_use_id": "t1",
                "content": [{"type": "text", "text": "It rains."}]}]}],
           "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
           "tool_choice": {"type": "auto"}})",
               R"({"max_tokens": 1, "stream": true, "stop_sequences": ["b"],
           "messages": [{"role": "user", "content": "a"}],
           "tools": [{"name": "f", "input_schema": {"type": "object"}}],
           "tool_choice": {"type": "tool", "name": "f"}})",
               R"({"max_tokens": 1, "messages": [{"role": "user", "content": "a"}],
           "tools": [{"name": "f", "input_schema": {"type": "object"}}],
           "tool_choice": {"type": "any"}})"});
}

OrderedJson usage() {
  return reply({{"input_tokens", integer(0)},
                {"cache_creation_input_tokens", integer(0)},
                {"cache_read_input_tokens", integer(0)},
                {"output_tokens", integer(0)}});
}

OrderedJson reason() {
  return nullable(choice({"end_turn", "max_tokens", "stop_sequence", "tool_use"}));
}

OrderedJson block() {
  return either(
      {reply({{"type", constant("text")}, {"text", text()}}),
       reply({{"type", constant("thinking")}, {"thinking", text()}, {"signature", text()}}),
       reply({{"type", constant("tool_use")},
              {"id", text()},
              {"name", text()},
              {"input", map(any())}})});
}

void add_events(OrderedJson& components) {
  const OrderedJson delta =
      either({reply({{"type", constant("text_delta")}, {"text", text()}}),
              reply({{"type", constant("thinking_delta")}, {"thinking", text()}}),
              reply({{"type", constant("input_json_delta")}, {"partial_json", text()}})});
  const OrderedJson ended = reply({{"stop_reason", reason()}, {"stop_sequence", nullable(text())}});
  components["MessageEvent"] = either(
      {reply({{"type", constant("message_start")}, {"message", ref("MessageReply")}}),
       reply({{"type", constant("content_block_start")},
              {"index", integer(0)},
              {"content_block", block()}}),
       reply({{"type", constant("content_block_delta")}, {"index", integer(0)}, {"delta", delta}}),
       reply({{"type", constant("content_block_stop")}, {"index", integer(0)}}),
       reply({{"type", constant("message_delta")},
              {"delta", ended},
              {"usage", usage()},
              {"minim", ref("Extension")}}),
       reply({{"type", constant("message_stop")}})});
}

}  // namespace

void add_anthropic(OrderedJson& components) {
  add_conversation(components);
  components["MessageRequest"] = request();
  components["TokenCountRequest"] =
      with_examples(with(conversation({"messages"}), {{"thinking", without_effect()}}),
                    {R"({"messages": [{"role": "user", "content": "How many?"}], "system": "a"})"});
  components["MessageReply"] = reply({{"id", text()},
                                      {"type", constant("message")},
                                      {"role", constant("assistant")},
                                      {"model", text()},
                                      {"content", list(block())},
                                      {"stop_reason", reason()},
                                      {"stop_sequence", nullable(text())},
                                      {"usage", usage()},
                                      {"minim", ref("Extension")}},
                                     {"minim"});
  components["TokenCount"] = reply({{"input_tokens", integer(0)}});
  components["MessageError"] = reply(
      {{"type", constant("error")}, {"error", reply({{"type", text()}, {"message", text()}})}});
  add_events(components);
}

}  // namespace minim::serve::schema
