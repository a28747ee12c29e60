// A server over tiny models of random weights, on a port of its own, for tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "formats/adapter/adapter_formats.h"
#include "formats/gguf/gguf_writer.h"
#include "model/testing/random_adapter.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "serve/service.h"
#include "serve/testing/http_client.h"
#include "tests/support/test_data.h"

namespace minim::serve::testing {

using minim::testing::ModelTestContext;
using minim::testing::TemporaryFolder;

// Names tools, tool calls and roles, in the notation of Hermes and Qwen.
inline constexpr const char* kTemplate =
    "{% if tools %}[{{ tools | tojson }} <tool_call>{\"name\", \"arguments\"}</tool_call>]{% endif "
    "%}"
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

inline void write_chat_model(const Context& context, const Path& path, int64_t context_tokens) {
  ModelConfig config = minim::testing::tiny_file_config();
  config.context_length = context_tokens;
  config.rope.original_context_length = context_tokens;
  const Path bare = path.string() + ".bare";
  write_random_model(context, config, bare, {.type = DataType::kF32, .seed = 7});
  const auto file = open_model_file(bare);
  Metadata metadata = file->metadata();
  Vocabulary vocabulary = read_vocabulary(metadata);
  vocabulary.chat_template = kTemplate;
  write_vocabulary(vocabulary, metadata);
  save_gguf(path, metadata, file->tensors());
}

class ServiceTest : public ::testing::Test {
 protected:
  void start() {
    const Path path = folder_.path() / "tiny.gguf";
    write_chat_model(*context_, path, 512);
    ModelSource tiny{.id = "tiny", .path = path};
    for (const auto& [name, weights] : adapters_) {
      const Path file = folder_.path() / (name + ".lora.gguf");
      save_gguf_adapter(file, minim::testing::random_adapter(*open_model_file(path), 3));
      for (const float weight : weights) tiny.adapters[name].push_back({file, weight});
    }
    registry_.emplace(
        *context_, std::vector<ModelSource>{tiny, {.id = "bare", .path = path.string() + ".bare"}},
        registry_options_);
    options_.access_log = [this](std::string_view line) {
      const std::lock_guard lock(log_mutex_);
      log_.emplace_back(line);
    };
    service_.emplace(*registry_, options_);
  }

  HttpClient connect() { return HttpClient(service_->port()); }
  ClientResponse post(std::string_view path, std::string_view body) {
    return connect().post(path, body);
  }
  // The body of a reply that must be 200.
  OrderedJson ask(std::string_view path, const OrderedJson& request) {
    const ClientResponse response = post(path, request.dump());
    EXPECT_EQ(response.status, 200) << response.body;
    return OrderedJson::parse(response.body, nullptr, false);
  }
  // The events of a stream: what follows "data: ".
  std::vector<std::string> stream(std::string_view path, const OrderedJson& request) {
    const ClientResponse response = post(path, request.dump());
    EXPECT_EQ(response.header("content-type"), "text/event-stream") << response.body;
    EXPECT_TRUE(response.complete);
    std::vector<std::string> events;
    for (size_t begin = 0; begin < response.body.size();) {
      const size_t end = response.body.find("\n\n", begin);
      EXPECT_NE(end, std::string::npos);
      EXPECT_EQ(response.body.substr(begin, 6), "data: ");
      events.push_back(response.body.substr(begin + 6, end - begin - 6));
      begin = end + 2;
    }
    return events;
  }
  static OrderedJson chat(std::string_view content, OrderedJson more = OrderedJson::object()) {
    OrderedJson request = {{"model", "tiny"},
                           {"messages", {{{"role", "user"}, {"content", content}}}},
                           {"max_tokens", 12},
                           {"temperature", 0}};
    request.update(more);
    return request;
  }

  // Two characters from within a text that may be any.
  static std::string some_of(const std::string& text) {
    const auto character = [&](size_t at) {
      while (at < text.size() && (text[at] & 0xc0) == 0x80) ++at;
      return at;
    };
    const size_t begin = character(4);
    return text.substr(begin, character(character(begin + 1) + 1) - begin);
  }

  std::vector<std::string> log() {
    const std::lock_guard lock(log_mutex_);
    return log_;
  }
  // Until `done` is true, for a minute at most.
  template <typename Done>
  static bool wait_until(Done done) {
    for (int i = 0; i < 6000; ++i) {
      if (done()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  TemporaryFolder folder_;
  ModelTestContext context_;
  std::mutex log_mutex_;
  std::vector<std::string> log_;
  // Of tiny: the weights that one random adapter has in each name.
  std::map<std::string, std::vector<float>> adapters_;
  ModelRegistryOptions registry_options_{.model = {.sequences_max = 8, .batch_tokens = 64}};
  std::optional<ModelRegistry> registry_;
  ServiceOptions options_;
  std::optional<Service> service_;
};

}  // namespace minim::serve::testing
