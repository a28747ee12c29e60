#include "serve/openapi/schema.h"

// OpenAI's Responses API.
namespace minim::serve::schema {
namespace {

OrderedJson part(const char* type, const char* name = "text") {
  return closed({{"type", constant(type)},
                 {name, text()},
                 {"annotations", without_effect()},
                 {"logprobs", without_effect()}},
                {"type", name});
}

OrderedJson parts(OrderedJson of) { return either({text(), list(std::move(of), 0, 4096)}); }

// Fields that every item may have.
OrderedJson item(OrderedJson schema) {
  return with(std::move(schema),
              {{"id", text()}, {"status", choice({"in_progress", "completed", "incomplete"})}});
}

void add_items(OrderedJson& components) {
  const OrderedJson input = parts(part("input_text"));
  const OrderedJson said =
      parts(either({part("output_text"), part("refusal", "refusal"), part("input_text")}));
  components["InputItem"] = either(
      {item(closed({{"type", constant("message")},
                    {"role", choice({"user", "system", "developer"})},
                    {"content", input},
                    {"phase", without_effect()}},
                   {"role", "content"})),
       item(closed({{"type", constant("message")},
                    {"role", constant("assistant")},
                    {"content", said},
                    {"phase", without_effect()}},
                   {"role", "content"})),
       item(closed({{"type", constant("function_call")},
                    {"call_id", text()},
                    {"name", text()},
                    {"arguments", about("JSON, as a text.", text())}},
                   {"type", "call_id", "name", "arguments"})),
       item(closed(
           {{"type", constant("function_call_output")}, {"call_id", text()}, {"output", input}},
           {"type", "call_id", "output"})),
       item(closed({{"type", constant("reasoning")},
                    {"summary", parts(part("summary_text"))},
                    {"content", parts(part("reasoning_text"))}},
                   {"type"}))});
}

OrderedJson text_field() {
  const OrderedJson schema = about("A JSON schema.", map(any()));
  const OrderedJson format =
      either({closed({{"type", choice({"text", "json_object"})}}, {"type"}),
              closed({{"type", constant("json_schema")},
                      {"name", text()},
                      {"description", without_effect()},
                      {"schema", schema},
                      {"strict", about("Always held to it.", boolean())}},
                     {"type", "name", "schema"}),
              closed({{"type", constant("regex")}, {"pattern", text()}}, {"type", "pattern"}),
              closed({{"type", constant("gbnf")}, {"grammar", text()}}, {"type", "grammar"})});
  return closed({{"format", format}});
}

OrderedJson metadata() {
  OrderedJson value = text();
  value["maxLength"] = 512;
  OrderedJson schema = map(value);
  schema["maxProperties"] = 16;
  return schema;
}

OrderedJson request() {
  const OrderedJson tool = closed({{"type", constant("function")},
                                   {"name", tool_name()},
                                   {"description", text()},
                                   {"parameters", about("A JSON schema.", map(any()))},
                                   {"strict", boolean()}},
                                  {"type", "name"});
  OrderedJson earlier = text();
  earlier["minLength"] = 1;
  OrderedJson schema = closed(
      {{"model", text()},
       {"input", either({text(), list(ref("InputItem"), 1, 4096)})},
       {"instructions", text()},
       {"previous_response_id", earlier},
       {"max_output_tokens", integer(1)},
       {"stream", boolean()},
       {"stream_options", closed({{"include_obfuscation", without_effect()}})},
       {"store", about("Whether it can be asked for again; true by default.", boolean())},
       {"background", about("Answers whether or not the client stays.", boolean())},
       {"include", list(constant("message.output_text.logprobs"), 0, 16)},
       {"top_logprobs", integer(0, 20)},
       {"text", text_field()},
       {"tools", list(tool, 0, 128)},
       {"tool_choice",
        either({choice({"none", "auto", "required"}),
                closed({{"type", constant("function")}, {"name", text()}}, {"type", "name"})})},
       {"parallel_tool_calls", boolean()},
       {"reasoning", closed({})},
       {"truncation", constant("disabled")}},
      {"input"});
  add_sampling(schema);
  add_labels(schema);
  schema["properties"]["metadata"] = metadata();
  return with_examples(
      std::move(schema),
      {R"({"input": "Tell me a story.", "max_output_tokens": 1, "metadata": {"a": "b"},
           "store": false})",
       R"({"input": [
             {"role": "user", "content": [{"type": "input_text", "text": "How is it outside?"}]},
             {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Ask."}],
              "content": [{"type": "reasoning_text", "text": "I have a tool."}]},
             {"role": "assistant", "content": [{"type": "output_text", "text": "I look."},
                                               {"type": "refusal", "refusal": "Or not."},
                                               {"type": "input_text", "text": "Yes."}]},
             {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
             {"type": "function_call_output", "call_id": "c",
              "output": [{"type": "input_text", "text": "It rains."}]}],
           "tools": [{"type": "function", "name": "look"}], "tool_choice": "auto",
           "max_output_tokens": 1, "store": false})",
       R"({"input": "a", "max_output_tokens": 1, "store": false, "stop": ["b"],
           "logit_bias": {"7": 1}, "include": ["message.output_text.logprobs"],
           "text": {"format": {"type": "json_schema", "name": "n",
                               "schema": {"type": "number"}}}})",
       R"({"input": "a", "max_output_tokens": 1, "store": false,
           "text": {"format": {"type": "regex", "pattern": "[0-9]+"}}})",
       R"({"input": "a", "max_output_tokens": 1, "store": false,
           "text": {"format": {"type": "gbnf", "grammar": "root ::= \"a\""}}})",
       R"({"input": "a", "max_output_tokens": 1, "store": false, "stream": true,
           "stream_options": {}, "reasoning": {},
           "tools": [{"type": "function", "name": "f"}],
           "tool_choice": {"type": "function", "name": "f"}})",
       R"({"input": "a", "max_output_tokens": 1, "text": {"format": {"type": "text"}}})"});
}

OrderedJson nullable_text() { return nullable(text()); }

void add_output(OrderedJson& components) {
  const OrderedJson said = reply({{"type", constant("output_text")},
                                  {"text", text()},
                                  {"annotations", list(any())},
                                  {"logprobs", list(ref("TokenLogprob"))}});
  const OrderedJson status = choice({"in_progress", "completed", "incomplete"});
  components["OutputItem"] = either(
      {reply({{"id", text()},
              {"type", constant("message")},
              {"status", status},
              {"role", constant("assistant")},
              {"content", list(said)}}),
       reply({{"id", text()},
              {"type", constant("reasoning")},
              {"status", status},
              {"summary", list(any())},
              {"content", list(reply({{"type", constant("reasoning_text")}, {"text", text()}}))}}),
       reply({{"id", text()},
              {"type", constant("function_call")},
              {"status", status},
              {"call_id", text()},
              {"name", text()},
              {"arguments", text()}})});
}

OrderedJson response() {
  const OrderedJson error = reply({{"code", text()}, {"message", text()}});
  const OrderedJson usage =
      reply({{"input_tokens", integer(0)},
             {"input_tokens_details", reply({{"cached_tokens", integer(0)}})},
             {"output_tokens", integer(0)},
             {"output_tokens_details", reply({{"reasoning_tokens", integer(0)}})},
             {"total_tokens", integer(0)}});
  return reply(
      {{"id", text()},
       {"object", constant("response")},
       {"created_at", integer(0)},
       {"status", choice({"in_progress", "completed", "incomplete", "failed", "cancelled"})},
       {"error", nullable(error)},
       {"incomplete_details", nullable(reply({{"reason", text()}}))},
       {"model", text()},
       {"output", list(ref("OutputItem"))},
       {"background", boolean()},
       {"instructions", nullable_text()},
       {"max_output_tokens", nullable(integer(1))},
       {"max_tool_calls", nullable(integer())},
       {"metadata", metadata()},
       {"parallel_tool_calls", boolean()},
       {"previous_response_id", nullable_text()},
       {"prompt_cache_key", any()},
       {"reasoning", reply({{"effort", nullable_text()}, {"summary", nullable_text()}})},
       {"safety_identifier", any()},
       {"service_tier", text()},
       {"store", boolean()},
       {"temperature", number()},
       {"text", map(any())},
       {"tool_choice", any()},
       {"tools", list(map(any()))},
       {"top_logprobs", integer(0)},
       {"top_p", number()},
       {"truncation", text()},
       {"user", any()},
       {"completed_at", nullable(integer(0))},
       {"usage", nullable(usage)},
       {"minim", ref("Extension")}},
      {"minim"});
}

// Each has a type, and what that says.
OrderedJson event() {
  return reply({{"type", text()},
                {"sequence_number", integer(0)},
                {"response", ref("Response")},
                {"item", ref("OutputItem")},
                {"part", any()},
                {"item_id", text()},
                {"output_index", integer(0)},
                {"content_index", integer(0)},
                {"delta", text()},
                {"text", text()},
                {"name", text()},
                {"arguments", text()},
                {"logprobs", list(ref("TokenLogprob"))}},
               {"response", "item", "part", "item_id", "output_index", "content_index", "delta",
                "text", "name", "arguments", "logprobs"});
}

}  // namespace

void add_openai_responses(OrderedJson& components) {
  add_items(components);
  add_output(components);
  components["ResponseRequest"] = request();
  components["Response"] = response();
  components["ResponseEvent"] = event();
  components["ResponseInputList"] = reply({{"object", constant("list")},
                                           {"data", list(map(any()))},
                                           {"first_id", nullable_text()},
                                           {"last_id", nullable_text()},
                                           {"has_more", boolean()}});
}

}  // namespace minim::serve::schema
