#include "serve/openapi/schema.h"

// What OpenAI's chat, completions, embeddings, and the rankings read.
namespace minim::serve::schema {
namespace {

OrderedJson stream_options() {
  return closed({{"include_usage", boolean()}, {"include_obfuscation", without_effect()}});
}

OrderedJson token_counts() {
  return about("At most so many tokens; no more than the model's context.", integer(1));
}

OrderedJson not_stored() { return about("These answers are not kept.", constant(false)); }

// A string, tokens, or a list of either.
OrderedJson prompts(int64_t count_max) {
  OrderedJson tokens = list(integer(0));
  tokens["minItems"] = 1;
  return either({text(), tokens, list(either({text(), tokens}), 1, count_max)});
}

void add_messages(OrderedJson& components) {
  components["ChatContent"] =
      either({text(), list(either({closed({{"type", constant("text")},
                                           {"text", text()},
                                           {"annotations", without_effect()}},
                                          {"type", "text"}),
                                   closed({{"type", constant("refusal")},
                                           {"refusal", text()},
                                           {"annotations", without_effect()}},
                                          {"type", "refusal"})}),
                           0, 4096)});
  const OrderedJson content = ref("ChatContent");
  const OrderedJson call = closed(
      {{"id", text()},
       {"type", constant("function")},
       {"function", closed({{"name", text()}, {"arguments", about("JSON, as a text.", text())}},
                           {"name", "arguments"})},
       {"index", without_effect()}},
      {"id", "type", "function"});
  components["ChatMessage"] = either(
      {closed({{"role", choice({"system", "developer", "user"})},
               {"content", content},
               {"name", text()}},
              {"role", "content"}),
       closed({{"role", constant("assistant")},
               {"content", about("Needed where there are no calls.", content)},
               {"name", text()},
               {"tool_calls", list(call, 0, 256)},
               {"refusal", text()},
               {"reasoning_content", about("What the model thought before it said it.", text())},
               {"annotations", without_effect()}},
              {"role"}),
       closed({{"role", constant("tool")},
               {"content", content},
               {"name", text()},
               {"tool_call_id", text()}},
              {"role", "content", "tool_call_id"})});
}

void add_tools(OrderedJson& components) {
  const OrderedJson parameters = about("A JSON schema.", map(any()));
  components["Tool"] = closed({{"type", constant("function")},
                               {"function", closed({{"name", tool_name()},
                                                    {"description", text()},
                                                    {"parameters", parameters},
                                                    {"strict", boolean()}},
                                                   {"name"})}},
                              {"type", "function"});
  components["ToolChoice"] = either(
      {choice({"none", "auto", "required"}),
       closed({{"type", constant("function")}, {"function", closed({{"name", text()}}, {"name"})}},
              {"type", "function"})});
  components["ResponseFormat"] =
      either({closed({{"type", choice({"text", "json_object"})}}, {"type"}),
              closed({{"type", constant("json_schema")},
                      {"json_schema", closed({{"name", text()},
                                              {"description", without_effect()},
                                              {"schema", parameters},
                                              {"strict", about("Always held to it.", boolean())}},
                                             {"name", "schema"})}},
                     {"type", "json_schema"}),
              closed({{"type", constant("regex")}, {"pattern", text()}}, {"type", "pattern"}),
              closed({{"type", constant("gbnf")}, {"grammar", text()}}, {"type", "grammar"})});
}

OrderedJson chat() {
  OrderedJson request = closed({{"model", text()},
                                {"messages", list(ref("ChatMessage"), 1, 4096)},
                                {"stream", boolean()},
                                {"stream_options", stream_options()},
                                {"n", integer(1, 128)},
                                {"max_completion_tokens", token_counts()},
                                {"max_tokens", token_counts()},
                                {"logprobs", boolean()},
                                {"top_logprobs", integer(0, 20)},
                                {"response_format", ref("ResponseFormat")},
                                {"tools", list(ref("Tool"), 0, 128)},
                                {"tool_choice", ref("ToolChoice")},
                                {"parallel_tool_calls", boolean()},
                                {"modalities", list(constant("text"), 0, 8)},
                                {"store", not_stored()}},
                               {"messages"});
  add_sampling(request);
  add_labels(request);
  return with_examples(
      std::move(request),
      {R"({"messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 1})",
       R"({"messages": [
             {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
             {"role": "user", "content": "And the weather?"},
             {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}],
              "tool_calls": [{"id": "call_1", "type": "function",
                              "function": {"name": "weather", "arguments": "{}"}}]},
             {"role": "tool", "tool_call_id": "call_1", "content": "It rains."}],
           "tools": [{"type": "function", "function": {"name": "weather",
                      "parameters": {"type": "object", "properties": {}}}}],
           "tool_choice": "auto", "max_completion_tokens": 1})",
       R"({"messages": [{"role": "user", "content": "a"}], "max_tokens": 1, "stop": ["b"],
           "logprobs": true, "top_logprobs": 1, "logit_bias": {"7": 1},
           "response_format": {"type": "json_schema",
                               "json_schema": {"name": "n", "schema": {"type": "number"}}}})",
       R"({"messages": [{"role": "user", "content": "a"}], "max_tokens": 1,
           "response_format": {"type": "regex", "pattern": "[0-9]+"}})",
       R"({"messages": [{"role": "user", "content": "a"}], "max_tokens": 1,
           "response_format": {"type": "gbnf", "grammar": "root ::= \"a\""}})",
       R"({"messages": [{"role": "user", "content": "a"}], "max_tokens": 60, "stream": true,
           "tools": [{"type": "function", "function": {"name": "weather",
                      "parameters": {"type": "object", "properties": {}}}}],
           "tool_choice": "required", "parallel_tool_calls": false})",
       R"({"messages": [{"role": "user", "content": "a"}], "max_tokens": 1, "stream": true,
           "stream_options": {"include_usage": true},
           "tools": [{"type": "function", "function": {"name": "f"}}],
           "tool_choice": {"type": "function", "function": {"name": "f"}}})",
       R"({"messages": [{"role": "user", "content": "a"}], "max_tokens": 1,
           "response_format": {"type": "text"}})"});
}

OrderedJson completion() {
  OrderedJson request =
      closed({{"model", text()},
              {"prompt", prompts(128)},
              {"suffix", about("The text is what comes before it; for models that can.", text())},
              {"stream", boolean()},
              {"stream_options", stream_options()},
              {"n", integer(1, 128)},
              {"max_tokens", about("16 where it is not given.", integer(0))},
              {"echo", boolean()},
              {"logprobs", about("Not together with echo.", integer(0, 20))},
              {"best_of", about("Only the same as n.", integer(1, 128))},
              {"store", not_stored()}},
             {"prompt"});
  add_sampling(request);
  add_labels(request);
  return with_examples(
      std::move(request),
      {R"({"prompt": "Once upon a time", "max_tokens": 1})",
       R"({"prompt": ["a", [1, 2]], "max_tokens": 1, "n": 1, "best_of": 1, "logprobs": 1})",
       R"({"prompt": [1, 2], "max_tokens": 1, "n": 128, "best_of": 128})",
       R"({"prompt": "a", "max_tokens": 1, "stream": true,
           "stream_options": {"include_usage": true}})"});
}

OrderedJson embedding() {
  OrderedJson request = closed({{"model", text()},
                                {"input", prompts(2048)},
                                {"encoding_format", choice({"float", "base64"})},
                                {"dimensions", about("Only the first so many.", integer(1))},
                                {"store", not_stored()}},
                               {"input"});
  add_labels(request);
  return with_examples(std::move(request),
                       {R"({"input": ["one text", "another"]})", R"({"input": [1, 2]})"});
}

OrderedJson ranking() {
  OrderedJson query = text();
  query["minLength"] = 1;
  OrderedJson request =
      closed({{"model", text()},
              {"query", query},
              {"documents", list(either({text(), closed({{"text", text()}}, {"text"})}), 1, 2048)},
              {"top_n", integer(1, 1 << 24)},
              {"return_documents", boolean()},
              {"method", choice({"likelihood", "yes-no", "embedding"})},
              {"store", not_stored()}},
             {"query", "documents"});
  add_labels(request);
  return with_examples(
      std::move(request),
      {R"({"query": "rain", "documents": ["It rains.", {"text": "The sun shines."}],
           "return_documents": true})"});
}

OrderedJson moderation() {
  const OrderedJson part = closed({{"type", constant("text")}, {"text", text()}}, {"type", "text"});
  return with_examples(
      closed({{"model", text()},
              {"input", either({text(), list(text(), 1, 2048), list(part, 1, 2048)})}},
             {"input"}),
      {R"({"input": "a text"})", R"({"input": [{"type": "text", "text": "a"}]})",
       R"({"input": ["a", "b"]})"});
}

}  // namespace

void add_openai_requests(OrderedJson& components) {
  add_messages(components);
  add_tools(components);
  components["ChatCompletionRequest"] = chat();
  components["CompletionRequest"] = completion();
  components["EmbeddingRequest"] = embedding();
  components["RankingRequest"] = ranking();
  components["ModerationRequest"] = moderation();
}

}  // namespace minim::serve::schema
