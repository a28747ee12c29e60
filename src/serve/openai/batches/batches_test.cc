#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serve/data/data_store.h"
#include "serve/openai/batches/batch_input.h"
#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using testing::ClientResponse;

class BatchesTest : public testing::ServiceTest {
 protected:
  void SetUp() override {
    data_ = std::make_unique<DataStore>(folder_.path() / "data");
    options_.data = data_.get();
    start();
  }
  void TearDown() override { service_.reset(); }

  OrderedJson get(const std::string& path) {
    const ClientResponse response = connect().get(path);
    EXPECT_EQ(response.status, 200) << path << response.body;
    return OrderedJson::parse(response.body, nullptr, false);
  }
  ClientResponse try_upload(const std::string& content, const std::string& purpose = "batch") {
    const std::string body =
        "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose +
        "\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n" +
        content + "\r\n--x--\r\n";
    testing::HttpClient client = connect();
    client.send(
        "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
        "multipart/form-data; boundary=x\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
    return client.read_response();
  }
  std::string upload(const std::string& content) {
    const ClientResponse response = try_upload(content);
    EXPECT_EQ(response.status, 200) << response.body;
    return OrderedJson::parse(response.body)["id"];
  }
  static std::string line(const std::string& id, const OrderedJson& body,
                          const char* url = "/v1/chat/completions") {
    const OrderedJson request = {
        {"custom_id", id}, {"method", "POST"}, {"url", url}, {"body", body}};
    return request.dump() + "\n";
  }
  OrderedJson begin(const std::string& file, const char* endpoint = "/v1/chat/completions") {
    return ask("/v1/batches", {{"input_file_id", file},
                               {"endpoint", endpoint},
                               {"completion_window", "24h"},
                               {"metadata", {{"a", "b"}}}});
  }
  OrderedJson wait_for(const OrderedJson& batch) {
    const std::string path = "/v1/batches/" + batch["id"].get<std::string>();
    OrderedJson now;
    EXPECT_TRUE(wait_until([&] {
      now = get(path);
      return now["status"] != "validating" && now["status"] != "in_progress" &&
             now["status"] != "cancelling";
    })) << now;
    return now;
  }
  // The lines of an output file by custom_id.
  std::map<std::string, OrderedJson> lines_of(const OrderedJson& file) {
    const std::string path = "/v1/files/" + file.get<std::string>() + "/content";
    const std::string content = connect().get(path).body;
    std::map<std::string, OrderedJson> lines;
    for (const std::string_view each : split_lines(content)) {
      OrderedJson read = OrderedJson::parse(each);
      const std::string id = read["custom_id"];
      lines[id] = std::move(read);
    }
    return lines;
  }

  std::unique_ptr<DataStore> data_;
};

TEST_F(BatchesTest, KeepFiles) {
  const std::string id = upload("{}\n");
  const OrderedJson about = get("/v1/files/" + id);
  EXPECT_EQ(about["bytes"], 3);
  EXPECT_EQ(about["filename"], "in.jsonl");
  EXPECT_EQ(about["purpose"], "batch");
  EXPECT_EQ(connect().get("/v1/files/" + id + "/content").body, "{}\n");
  EXPECT_EQ(get("/v1/files")["data"][0], about);
  EXPECT_EQ(get("/v1/files?purpose=other")["data"].size(), 0u);
  EXPECT_EQ(connect().request("DELETE", "/v1/files/" + id).status, 200);
  EXPECT_EQ(connect().get("/v1/files/" + id).status, 404);
  EXPECT_EQ(OrderedJson::parse(try_upload("x", "fine-tune").body)["error"]["param"], "purpose");
  EXPECT_EQ(post("/v1/files", "{}").status, 400);
}

TEST_F(BatchesTest, AnswerAsClientsAreAnswered) {
  const OrderedJson request = chat("hello");
  OrderedJson wrong = request;
  wrong["temperature"] = 7;
  const std::string file =
      upload(line("one", request) + "\n" + line("two", wrong) + line("three", chat("bye")));
  const OrderedJson begun = begin(file);
  EXPECT_EQ(begun["object"], "batch");
  EXPECT_EQ(begun["status"], "validating");
  const OrderedJson done = wait_for(begun);
  EXPECT_EQ(done["status"], "completed");
  EXPECT_EQ(done["metadata"]["a"], "b");
  EXPECT_EQ(done["request_counts"], OrderedJson::parse(R"({"total":3,"completed":2,"failed":1})"));
  auto output = lines_of(done["output_file_id"]);
  ASSERT_EQ(output.size(), 2u);
  EXPECT_EQ(output["one"]["response"]["status_code"], 200);
  EXPECT_EQ(output["one"]["response"]["body"]["choices"],
            ask("/v1/chat/completions", request)["choices"]);
  auto errors = lines_of(done["error_file_id"]);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors["two"]["response"]["status_code"], 400);
  EXPECT_EQ(errors["two"]["response"]["body"]["error"]["param"], "temperature");
  EXPECT_EQ(get("/v1/batches")["data"][0], done);
  EXPECT_EQ(get("/v1/files?purpose=batch_output")["data"].size(), 2u);
}

TEST_F(BatchesTest, ServeEveryEndpoint) {
  const std::vector<std::pair<const char*, OrderedJson>> requests = {
      {"/v1/completions", {{"model", "tiny"}, {"prompt", "a"}, {"max_tokens", 2}}},
      {"/v1/embeddings", {{"model", "tiny"}, {"input", "a"}}},
      {"/v1/responses", {{"model", "tiny"}, {"input", "a"}, {"max_output_tokens", 2}}},
      {"/v1/moderations", {{"input", "a"}}}};
  for (const auto& [endpoint, body] : requests) {
    const OrderedJson done = wait_for(begin(upload(line("a", body, endpoint)), endpoint));
    EXPECT_EQ(done["request_counts"]["completed"], 1) << endpoint << done;
  }
}

TEST_F(BatchesTest, TellWhatIsWrongWithTheInput) {
  const std::string input = line("a", chat("x")) + "no json\n" + line("a", chat("x")) +
                            line("b", chat("x", {{"stream", true}})) +
                            line("c", chat("x"), "/v1/embeddings") + R"({"custom_id":"d"})";
  const OrderedJson failed = wait_for(begin(upload(input)));
  EXPECT_EQ(failed["status"], "failed");
  const OrderedJson& errors = failed["errors"]["data"];
  ASSERT_EQ(errors.size(), 5u) << errors;
  const OrderedJson params = {nullptr, "custom_id", "body.stream", "url", "method"};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(errors[i]["line"], i + 2);
    EXPECT_EQ(errors[i]["param"], params[i]);
  }
  EXPECT_EQ(wait_for(begin(upload("\n\n")))["errors"]["data"][0]["code"], "empty_file");
  const auto refused = [&](OrderedJson more, const char* param) {
    OrderedJson request = {{"input_file_id", "file-none"},
                           {"endpoint", "/v1/chat/completions"},
                           {"completion_window", "24h"}};
    request.update(more);
    const ClientResponse response = post("/v1/batches", request.dump());
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(OrderedJson::parse(response.body)["error"]["param"], param);
  };
  refused(OrderedJson::object(), "input_file_id");
  refused({{"endpoint", "/v1/rerank"}}, "endpoint");
  refused({{"completion_window", "1h"}}, "completion_window");
  refused({{"more", 1}}, "more");
}

TEST_F(BatchesTest, AreCancelled) {
  std::string input;
  for (int i = 0; i < 200; ++i) input += line(std::to_string(i), chat("x", {{"max_tokens", 400}}));
  const std::string file = upload(input);
  const OrderedJson begun = begin(file);
  const std::string path = "/v1/batches/" + begun["id"].get<std::string>();
  ASSERT_TRUE(wait_until([&] { return get(path)["request_counts"]["completed"] > 0; }));
  EXPECT_EQ(connect().request("DELETE", "/v1/files/" + file).status, 409);
  const ClientResponse cancelled = post(path + "/cancel", "{}");
  EXPECT_EQ(OrderedJson::parse(cancelled.body)["status"], "cancelling") << cancelled.body;
  const OrderedJson done = wait_for(begun);
  EXPECT_EQ(done["status"], "cancelled");
  EXPECT_LT(done["request_counts"]["completed"], 200);
  EXPECT_EQ(lines_of(done["output_file_id"]).size(), done["request_counts"]["completed"]);
  EXPECT_TRUE(wait_until([&] { return service_->texts() == 0; }));
  EXPECT_EQ(post(path + "/cancel", "{}").status, 200);
  EXPECT_EQ(connect().request("DELETE", "/v1/files/" + file).status, 200);
}

// What comes after that is an error, each in a line of its own.
TEST_F(BatchesTest, EndWhereTheirResultsHaveTooManyBytes) {
  service_.reset();
  data_.reset();
  data_ = std::make_unique<DataStore>(folder_.path() / "data",
                                      DataStore::Options{.batch_bytes_max = 4000});
  options_.data = data_.get();
  service_.emplace(*registry_, options_);
  std::string input;
  for (int i = 0; i < 30; ++i) input += line(std::to_string(i), chat("x", {{"max_tokens", 2}}));
  const OrderedJson done = wait_for(begin(upload(input)));
  EXPECT_EQ(done["status"], "completed");
  auto output = lines_of(done["output_file_id"]);
  auto errors = lines_of(done["error_file_id"]);
  EXPECT_GT(output.size(), 0u);
  EXPECT_EQ(output.size() + errors.size(), 30u);
  for (auto& [id, error] : errors) {
    EXPECT_EQ(error["error"]["code"], "storage_full");
    EXPECT_EQ(output.count(id), 0u);
  }
  EXPECT_TRUE(wait_until([&] { return service_->texts() == 0; }));
}

// Requests that clients wait for do not wait for a batch, and a batch waits where it must.
TEST_F(BatchesTest, StandBehindClientsAndGoOnAfterAnEnd) {
  std::string input;
  for (int i = 0; i < 40; ++i) input += line(std::to_string(i), chat("x", {{"max_tokens", 60}}));
  const OrderedJson begun = begin(upload(input));
  ask("/v1/chat/completions", chat("me first"));
  service_.reset();
  service_.emplace(*registry_, options_);
  EXPECT_EQ(wait_for(begun)["request_counts"]["completed"], 40);
}

class NoDataTest : public testing::ServiceTest {};

TEST_F(NoDataTest, SaysSo) {
  start();
  const ClientResponse response = post("/v1/batches", "{}");
  EXPECT_EQ(response.status, 404);
  EXPECT_NE(response.body.find("--data DIR"), std::string::npos);
}

}  // namespace
}  // namespace minim::serve
