#include "serve/openapi/schema.h"

namespace minim::serve::schema {
namespace {

OrderedJson options() {
  return closed(
      {{"temperature", number(0, 100)},
       {"top_p", number(0, 1)},
       {"top_k", integer(0, 1 << 24)},
       {"min_p", number(0, 1)},
       {"typical_p", number(1e-6, 1)},
       {"repeat_penalty", number(0.01, 10)},
       {"repeat_last_n", about("Tokens that it looks at; -1: all.", integer(-1, 1 << 24))},
       {"presence_penalty", number(-2, 2)},
       {"frequency_penalty", number(-2, 2)},
       {"seed", integer()},
       {"num_predict", about("Tokens at most; below 0: as many as fit.", integer(-2))},
       {"num_ctx", about("No more than the context of the loaded model.", integer(1))},
       {"stop", stop_strings()},
       {"num_keep", without_effect()},
       {"num_batch", without_effect()},
       {"num_gpu", without_effect()},
       {"main_gpu", without_effect()},
       {"use_mmap", without_effect()},
       {"num_thread", without_effect()},
       {"numa", without_effect()},
       {"low_vram", without_effect()}});
}

OrderedJson no_images() { return about("None: only texts are read.", list(any(), 0, 0)); }

// What every request has.
OrderedJson of_model(OrderedJson schema) {
  return with(std::move(schema), {{"model", text()}, {"name", about("As model.", text())}});
}

OrderedJson generating(OrderedJson schema) {
  const OrderedJson format = either({choice({"", "json"}), about("A JSON schema.", map(any()))});
  return of_model(
      with(std::move(schema), {{"options", ref("OllamaOptions")},
                               {"format", format},
                               {"think", about("The model's template decides.", constant(false))},
                               {"stream", about("True where it is not given.", boolean())},
                               {"keep_alive", without_effect()}}));
}

OrderedJson message() {
  const OrderedJson function =
      closed({{"name", text()}, {"arguments", map(any())}, {"index", without_effect()}},
             {"name", "arguments"});
  const OrderedJson call = closed(
      {{"function", function}, {"id", without_effect()}, {"type", without_effect()}}, {"function"});
  return closed({{"role", choice({"system", "user", "assistant", "tool"})},
                 {"content", text()},
                 {"thinking", text()},
                 {"images", no_images()},
                 {"tool_calls", list(call, 0, 256)},
                 {"tool_name", text()}},
                {"role"});
}

OrderedJson chat() {
  const OrderedJson tool =
      closed({{"type", constant("function")},
              {"function", closed({{"name", tool_name()},
                                   {"description", text()},
                                   {"parameters", about("A JSON schema.", map(any()))},
                                   {"strict", without_effect()},
                                   {"type", without_effect()}},
                                  {"name"})}},
             {"function"});
  return with_examples(generating(closed({{"messages", list(ref("OllamaMessage"), 1, 4096)},
                                          {"tools", list(tool, 0, 128)}},
                                         {"messages"})),
                       {R"({"messages": [{"role": "user", "content": "Tell me a story."}],
           "options": {"num_predict": 1, "stop": ["b"]}, "stream": false, "think": false})",
                        R"({"messages": [
             {"role": "user", "content": "And the weather?", "images": []},
             {"role": "assistant", "content": "", "thinking": "I have a tool.",
              "tool_calls": [{"function": {"name": "weather", "arguments": {}}}]},
             {"role": "tool", "content": "It rains.", "tool_name": "weather"}],
           "tools": [{"type": "function", "function": {"name": "weather",
                      "parameters": {"type": "object", "properties": {}}}}],
           "options": {"num_predict": 1}})"});
}

OrderedJson generate() {
  return with_examples(
      generating(closed(
          {{"prompt", text()},
           {"suffix", about("The answer is what comes before it; for models that can.", text())},
           {"system", about("For models that converse.", text())},
           {"raw", about("The text goes on as it is.", boolean())},
           {"template", about("Only the model's own: empty.", constant(""))},
           {"images", no_images()}},
          {"prompt"})),
      {R"({"prompt": "a", "system": "Be brief.", "stream": false, "options": {"num_predict": 1}})",
       R"({"prompt": "Once upon a time", "raw": true, "options": {"num_predict": 1}})"});
}

OrderedJson embed() {
  OrderedJson tokens = list(integer(0));
  tokens["minItems"] = 1;
  return with_examples(
      of_model(
          closed({{"input", either({text(), tokens, list(either({text(), tokens}), 1, 2048)})},
                  {"dimensions", integer(1)},
                  {"truncate", about("Without effect: what is too long is refused.", boolean())},
                  {"options", ref("OllamaOptions")},
                  {"keep_alive", without_effect()}},
                 {"input"})),
      {R"({"input": ["one text", "another"], "options": {}})"});
}

OrderedJson details() {
  return reply({{"parent_model", text()},
                {"format", text()},
                {"family", text()},
                {"families", nullable(list(text()))},
                {"parameter_size", text()},
                {"quantization_level", text()}});
}

OrderedJson models(bool loaded) {
  OrderedJson one = reply({{"name", text()},
                           {"model", text()},
                           {"modified_at", text()},
                           {"size", integer(0)},
                           {"digest", text()},
                           {"details", details()}});
  if (loaded) {
    one = with(std::move(one),
               {{"size_vram", integer(0)}, {"context_length", integer(1)}, {"expires_at", text()}});
  }
  return reply({{"models", list(std::move(one))}});
}

OrderedJson answer(Members what, Names optional) {
  OrderedJson schema = reply({{"model", text()}, {"created_at", text()}, {"done", boolean()}});
  const OrderedJson own = reply(what, optional);
  schema["properties"].update(own["properties"]);
  for (const OrderedJson& name : own["required"]) schema["required"].push_back(name);
  const OrderedJson duration = about("Nanoseconds, where it is done.", integer(0));
  return with(std::move(schema), {{"done_reason", choice({"stop", "length"})},
                                  {"total_duration", duration},
                                  {"load_duration", duration},
                                  {"prompt_eval_count", integer(0)},
                                  {"prompt_eval_duration", duration},
                                  {"eval_count", integer(0)},
                                  {"eval_duration", duration},
                                  {"minim", ref("Extension")}});
}

void add_replies(OrderedJson& components) {
  const OrderedJson function = reply({{"name", text()}, {"arguments", map(any())}});
  const OrderedJson said = reply({{"role", constant("assistant")},
                                  {"content", text()},
                                  {"thinking", text()},
                                  {"tool_calls", list(reply({{"function", function}}))}},
                                 {"thinking", "tool_calls"});
  components["OllamaChatReply"] = answer({{"message", said}}, {});
  components["OllamaGenerateReply"] =
      answer({{"response", text()}, {"thinking", text()}}, {"thinking"});
  components["OllamaEmbedReply"] = reply(
      {{"model", text()}, {"embeddings", list(list(number()))}, {"prompt_eval_count", integer(0)}});
  components["OllamaModels"] = models(/*loaded=*/false);
  components["OllamaLoadedModels"] = models(/*loaded=*/true);
  components["OllamaModel"] = reply({{"modelfile", text()},
                                     {"parameters", text()},
                                     {"template", text()},
                                     {"details", details()},
                                     {"model_info", map(any())},
                                     {"capabilities", list(text())}});
  components["OllamaVersion"] = reply({{"version", text()}});
  components["OllamaError"] = reply({{"error", text()}});
}

}  // namespace

void add_ollama(OrderedJson& components) {
  components["OllamaOptions"] = options();
  components["OllamaMessage"] = message();
  components["OllamaChatRequest"] = chat();
  components["OllamaGenerateRequest"] = generate();
  components["OllamaEmbedRequest"] = embed();
  components["OllamaShowRequest"] =
      with_examples(of_model(closed({{"verbose", boolean()}})), {R"({"verbose": false})"});
  add_replies(components);
}

}  // namespace minim::serve::schema
