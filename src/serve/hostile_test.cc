#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using testing::ClientResponse;

struct HostileValue {
  const char* name;
  std::string json;
};

std::string nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

std::vector<HostileValue> hostile_values() {
  return {{"nan", "NaN"},
          {"infinity", "-Infinity"},
          {"overflow", "1e999"},
          {"2^63", "9223372036854775808"},
          {"-2^63-1", "-9223372036854775809"},
          {"negative", "-7"},
          {"fraction", "0.12345"},
          {"large", "3e38"},
          {"boolean", "true"},
          {"text", "\"wrong\""},
          {"empty text", "\"\""},
          {"list", "[[]]"},
          {"object", "{\"wrong\":1}"},
          {"depth", nested(100'000)},
          {"utf-8", "\"\xc3\x28\""},
          {"cut utf-8", "\"\xe2\x82\""},
          {"surrogate", "\"\\ud800\""},
          {"control", "\"\x01\""},
          {"cut", "\"never ends"}};
}

struct HostileField {
  std::string path;     // of the endpoint
  std::string request;  // with @ where the value goes
  std::string param;    // that the refusal names, or begins with
  // Of hostile_values(), those that are none here.
  std::vector<std::string> fine;
};

using Names = std::vector<std::string>;
const Names kText = {"text", "empty text"};
constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";
constexpr const char* kMessages = R"("messages":[{"role":"user","content":"a"}])";
constexpr const char* kPrompt = R"("prompt":"a")";

// A field beside those of `base`.
HostileField beside(const char* path, const std::string& base, const std::string& param,
                    Names fine = {}) {
  return {path, "{" + base + ",\"" + param + "\":@}", param, std::move(fine)};
}

std::vector<HostileField> fields_of_both(const char* path, const char* base) {
  std::vector<HostileField> all;
  for (const char* name : {"temperature", "top_p", "presence_penalty", "frequency_penalty", "min_p",
                           "repetition_penalty"}) {
    all.push_back(beside(path, base, name, {"fraction"}));
  }
  for (const char* name : {"n", "max_tokens", "top_k", "logit_bias", "stream_options", "store",
                           "service_tier", "unheard_of"}) {
    all.push_back(beside(path, base, name));
  }
  all.push_back(beside(path, base, "seed", {"negative"}));
  all.push_back(beside(path, base, "stream", {"boolean"}));
  all.push_back(beside(path, base, "stop", {"text"}));
  return all;
}

std::vector<HostileField> fields_of_chat() {
  std::vector<HostileField> all = fields_of_both(kChat, kMessages);
  for (const char* name :
       {"max_completion_tokens", "top_logprobs", "response_format", "tools", "tool_choice",
        "functions", "modalities", "audio", "prediction", "reasoning_effort"}) {
    all.push_back(beside(kChat, kMessages, name));
  }
  all.push_back(beside(kChat, kMessages, "logprobs", {"boolean"}));
  all.push_back(beside(kChat, kMessages, "model", {"empty text"}));
  all.push_back(beside(kChat, "\"n\":1", "messages"));
  const auto message = [&](const char* fields, const char* param, Names fine = {}) {
    all.push_back(
        {kChat, std::string("{\"messages\":[{") + fields + "}]}", param, std::move(fine)});
  };
  message(R"("role":@,"content":"a")", "messages[0].role");
  message(R"("role":"user","content":@)", "messages[0].content", kText);
  message(R"("role":"user","content":"a","name":@)", "messages[0].name", kText);
  message(R"("role":"user","content":"a"},@,{)", "messages[1]");
  message(R"("role":"user","content":[{"type":"text","text":@}])", "messages[0].content[0].text",
          kText);
  message(R"("role":"user","content":[{"type":@,"text":"a"}])", "messages[0].content[0].type");
  const std::string begin = std::string("{") + kMessages;
  all.push_back(
      {kChat, begin + R"(,"logit_bias":{"7":@}})", "logit_bias.7", {"negative", "fraction"}});
  all.push_back({kChat, begin + R"(,"stop":["b",@]})", "stop[1]", {"text"}});
  return all;
}

std::vector<HostileField> fields_of_the_others() {
  std::vector<HostileField> all = fields_of_both(kCompletions, kPrompt);
  all.push_back(beside(kCompletions, "\"n\":1", "prompt", kText));
  all.push_back(beside(kCompletions, kPrompt, "best_of"));
  all.push_back(beside(kCompletions, kPrompt, "suffix", {"empty text"}));
  all.push_back(beside(kCompletions, kPrompt, "logprobs"));
  all.push_back(beside(kCompletions, kPrompt, "echo", {"boolean"}));
  all.push_back({kCompletions, R"({"prompt":["a",@]})", "prompt[1]", kText});
  const char* embeddings = "/v1/embeddings";
  all.push_back(beside(embeddings, "\"user\":\"a\"", "input", kText));
  all.push_back(beside(embeddings, R"("input":"a")", "dimensions"));
  all.push_back(beside(embeddings, R"("input":"a")", "encoding_format"));
  all.push_back({embeddings, R"({"input":[[1,@]]})", "input[0][1]", {}});
  const char* rerank = "/v1/rerank";
  const char* ranking = R"("query":"a","documents":["a"])";
  all.push_back(beside(rerank, R"("documents":["a"])", "query", {"text"}));
  all.push_back(beside(rerank, R"("query":"a")", "documents"));
  all.push_back(beside(rerank, ranking, "top_n"));
  all.push_back(beside(rerank, ranking, "method"));
  all.push_back(beside(rerank, ranking, "return_documents", {"boolean"}));
  all.push_back({rerank, R"({"query":"a","documents":["b",@]})", "documents[1]", kText});
  return all;
}

std::vector<HostileField> fields_of_responses() {
  const char* path = "/v1/responses";
  const char* base = R"("input":"a")";
  std::vector<HostileField> all;
  for (const char* name :
       {"max_output_tokens", "top_logprobs", "include", "tools", "tool_choice", "text", "reasoning",
        "truncation", "metadata", "conversation", "prompt", "max_tool_calls", "stream_options",
        "previous_response_id", "service_tier", "unheard_of"}) {
    all.push_back(beside(path, base, name));
  }
  all.push_back(beside(path, base, "temperature", {"fraction"}));
  all.push_back(beside(path, base, "background", {"boolean"}));
  all.push_back(beside(path, base, "store", {"boolean"}));
  all.push_back(beside(path, base, "instructions", kText));
  all.push_back(beside(path, "\"stream\":false", "input", kText));
  const auto item = [&](const char* fields, const char* param, Names fine = {}) {
    all.push_back({path, std::string("{\"input\":[{") + fields + "}]}", param, std::move(fine)});
  };
  item(R"("role":@,"content":"a")", "input[0].role");
  item(R"("role":"user","content":@)", "input[0].content", kText);
  item(R"("type":@,"role":"user","content":"a")", "input[0].type");
  item(R"("role":"user","content":"a"},@,{)", "input[1]");
  item(R"("type":"function_call","name":"a","call_id":"b","arguments":@)", "input[0].arguments",
       {"empty text"});
  item(R"("type":"function_call_output","call_id":@,"output":"a")", "input[0].call_id");
  item(R"("type":"reasoning","summary":@)", "input[0].summary", kText);
  all.push_back({path, R"({"input":"a","text":{"format":@}})", "text.format"});
  all.push_back({path, R"({"input":"a","metadata":{"k":@}})", "metadata.k", kText});
  all.push_back({"/v1/moderations", R"({"input":@})", "input", kText});
  all.push_back({"/v1/moderations", R"({"input":["a",@]})", "input[1]", kText});
  return all;
}

std::vector<HostileField> fields_of_anthropic() {
  const char* path = "/v1/messages";
  const std::string messages = R"("messages":[{"role":"user","content":"a"}])";
  const std::string base = R"("max_tokens":2,)" + messages;
  std::vector<HostileField> all;
  for (const char* name :
       {"top_k", "tools", "tool_choice", "thinking", "service_tier", "unheard_of"}) {
    all.push_back(beside(path, base, name));
  }
  for (const char* name : {"temperature", "top_p"}) {
    all.push_back(beside(path, base, name, {"fraction"}));
  }
  all.push_back(beside(path, messages, "max_tokens"));
  all.push_back(beside(path, base, "stream", {"boolean"}));
  all.push_back(beside(path, base, "system", kText));
  all.push_back(beside(path, base, "stop_sequences", {"text"}));
  all.push_back(beside(path, "\"max_tokens\":2", "messages"));
  const auto add = [&](const std::string& fields, const char* param, Names fine = {}) {
    all.push_back({path, R"({"max_tokens":2,)" + fields + "}", param, std::move(fine)});
  };
  add(R"("messages":[{"role":@,"content":"a"}])", "messages[0].role");
  add(R"("messages":[{"role":"user","content":@}])", "messages[0].content", kText);
  add(R"("messages":[{"role":"user","content":[{"type":@,"text":"a"}]}])",
      "messages[0].content[0].type");
  add(R"("messages":[{"role":"user","content":[{"type":"text","text":@}]}])",
      "messages[0].content[0].text", kText);
  add(R"("messages":[{"role":"assistant","content":[)"
      R"({"type":"tool_use","id":"b","name":"c","input":@}]}])",
      "messages[0].content[0].input", {"object"});
  add(R"("messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":@}]}])",
      "messages[0].content[0].tool_use_id", kText);
  add(messages + R"(,"tools":[{"name":@,"input_schema":{}}])", "tools[0].name", {"text"});
  add(messages + R"(,"tools":[{"name":"f","input_schema":@}])", "tools[0].input_schema",
      {"object"});
  all.push_back(beside("/v1/messages/count_tokens", R"("system":"a")", "messages"));
  return all;
}

std::vector<HostileField> fields_of_ollama() {
  std::vector<HostileField> all;
  const auto option = [&](const char* name, Names fine = {}) {
    all.push_back({"/api/chat",
                   std::string("{") + kMessages +
                       R"(,"stream":false,"options":{"num_predict":2,")" + name + "\":@}}",
                   std::string("options.") + name, std::move(fine)});
  };
  for (const char* name : {"top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty",
                           "frequency_penalty", "temperature"}) {
    option(name, {"fraction"});
  }
  option("top_k");
  option("repeat_last_n");
  option("num_ctx");
  option("stop", {"text"});
  option("unheard_of");
  option("seed", {"negative"});
  for (const char* name : {"options", "tools", "unheard_of"}) {
    all.push_back(beside("/api/chat", kMessages, name));
  }
  all.push_back(beside("/api/chat", kMessages, "format", {"empty text", "object"}));
  all.push_back(beside("/api/chat", kMessages, "stream", {"boolean"}));
  all.push_back(beside("/api/chat", "\"stream\":false", "messages"));
  const auto message = [&](const char* fields, const char* param, Names fine = {}) {
    all.push_back(
        {"/api/chat", std::string("{\"messages\":[{") + fields + "}]}", param, std::move(fine)});
  };
  message(R"("role":@,"content":"a")", "messages[0].role");
  message(R"("role":"user","content":@)", "messages[0].content", kText);
  message(R"("role":"user","content":"a","images":@)", "messages[0].images");
  message(R"("role":"assistant","tool_calls":[{"function":{"name":"f","arguments":@}}])",
          "messages[0].tool_calls[0].function.arguments", {"object"});
  const char* generate = "/api/generate";
  all.push_back(beside(generate, "\"stream\":false", "prompt", kText));
  for (const char* name : {"suffix", "template"}) {
    all.push_back(beside(generate, kPrompt, name, {"empty text"}));
  }
  all.push_back(beside(generate, kPrompt, "raw", {"boolean"}));
  all.push_back(beside(generate, kPrompt, "system", kText));
  all.push_back(beside(generate, kPrompt, "context"));
  all.push_back(beside("/api/embed", "\"truncate\":true", "input", kText));
  all.push_back(beside("/api/embed", R"("input":"a")", "dimensions"));
  all.push_back(beside("/api/show", R"("model":"tiny")", "verbose", {"boolean"}));
  return all;
}

std::vector<HostileField> hostile_fields() {
  std::vector<HostileField> all = fields_of_chat();
  for (HostileField& field : fields_of_responses()) all.push_back(std::move(field));
  for (HostileField& field : fields_of_the_others()) all.push_back(std::move(field));
  for (HostileField& field : fields_of_anthropic()) all.push_back(std::move(field));
  for (HostileField& field : fields_of_ollama()) all.push_back(std::move(field));
  return all;
}

class HostileTest : public testing::ServiceTest {
 protected:
  void SetUp() override { start(); }

  void expect_refusal(const HostileField& field, const HostileValue& value) {
    std::string request = field.request;
    request.replace(request.find('@'), 1, value.json);
    const ClientResponse response = client_->post(field.path, request);
    const std::string what = field.path + " " + field.param + " " + value.name;
    ASSERT_TRUE(response.status >= 400 && response.status < 500)
        << what << ": " << response.status << " " << response.body.substr(0, 300);
    const OrderedJson body = OrderedJson::parse(response.body, nullptr, false);
    ASSERT_TRUE(body.is_object()) << what;
    EXPECT_TRUE(names(field, body)) << what << ": " << response.body.substr(0, 300);
    EXPECT_LT(response.body.size(), 1000u) << what;
  }

  // Only OpenAI's form of errors has a field for it.
  static bool names(const HostileField& field, const OrderedJson& body) {
    const OrderedJson& error = body["error"];
    if (error.is_string() || body.contains("type")) {
      const std::string message = error.is_string() ? error : error["message"];
      return message.find("'" + field.param) != std::string::npos;
    }
    return error["param"].is_string() && error["param"].get<std::string>().starts_with(field.param);
  }

  std::optional<testing::HttpClient> client_;
};

TEST_F(HostileTest, EveryFieldRefusesWhatItCannotBe) {
  ask("/v1/chat/completions", chat("a"));  // loads the model
  client_.emplace(connect());
  for (const HostileField& field : hostile_fields()) {
    for (const HostileValue& value : hostile_values()) {
      const auto& fine = field.fine;
      if (std::find(fine.begin(), fine.end(), value.name) == fine.end()) {
        expect_refusal(field, value);
      }
    }
  }
}

TEST_F(HostileTest, TextsOfTenMegabytesAreRefusedByName) {
  ask("/v1/chat/completions", chat("a"));
  client_.emplace(connect());
  const HostileValue huge = {"10 MB", '"' + std::string(size_t{10} << 20, 'q') + '"'};
  for (const HostileField& field : hostile_fields()) {
    const std::string_view param = field.param;
    if (param == "messages[0].content" || param == "prompt" || param == "documents[1]") {
      expect_refusal(field, huge);
    }
  }
}

// 4096 keys at most, or looking for one among the others would take for ever.
TEST_F(HostileTest, ObjectsOfManyKeysAreRefused) {
  client_.emplace(connect());
  std::string keys = "{";
  for (int i = 0; i < 100'000; ++i) keys += "\"k" + std::to_string(i) + "\":1,";
  keys.back() = '}';
  expect_refusal({"/v1/chat/completions", R"({"logit_bias":@})", "logit_bias", {}},
                 {"many keys", keys});
  expect_refusal({"/v1/chat/completions", R"({"stop":"a","stop":@})", "stop", {}},
                 {"twice", "\"b\""});
}

TEST_F(HostileTest, NeighboursSayWhatTheyWouldHaveSaid) {
  const OrderedJson request = chat("hello", {{"max_tokens", 200}, {"stream", true}});
  const auto texts = [](const std::vector<std::string>& events) {
    std::string text;
    for (size_t i = 0; i + 1 < events.size(); ++i) {
      const OrderedJson chunk = OrderedJson::parse(events[i]);
      text += chunk["choices"][0]["delta"].value("content", "");
    }
    return text;
  };
  const std::string alone = texts(stream("/v1/chat/completions", request));
  std::string beside;
  std::thread neighbour([&] { beside = texts(stream("/v1/chat/completions", request)); });
  client_.emplace(connect());
  for (const HostileField& field : hostile_fields()) {
    expect_refusal(field, {"depth", nested(1000)});
    client_->post(
        "/v1/chat/completions",
        chat("x", {{"logit_bias", {{"399", -100}, {"0", 100}}}, {"max_tokens", 2}}).dump());
  }
  neighbour.join();
  EXPECT_EQ(beside, alone);
}

}  // namespace
}  // namespace minim::serve
