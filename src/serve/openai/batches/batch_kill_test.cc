// A server that is killed while it works on a batch: in a process of its own, again and again.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "serve/data/data_store.h"
#include "serve/openai/batches/batch_input.h"
#include "serve/service.h"
#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using testing::HttpClient;

constexpr int kLines = 60;
constexpr int kKills = 4;

// What the child does until it is killed: nothing of it was made before the fork.
[[noreturn]] void serve_for_ever(const Path& folder, int port_pipe) {
  const testing::ModelTestContext context;
  const Path model = folder / "tiny.gguf";
  if (!std::filesystem::exists(model)) testing::write_chat_model(*context, model, 512);
  ModelRegistry registry(*context, {{.id = "tiny", .path = model}},
                         {.model = {.sequences_max = 4, .batch_tokens = 64}});
  registry.load("tiny");
  DataStore data(folder / "data");
  ServiceOptions options;
  options.data = &data;
  const Service service(registry, options);
  const uint16_t port = service.port();
  if (::write(port_pipe, &port, sizeof(port)) != sizeof(port)) ::_exit(1);
  for (;;) ::pause();
}

class ServerProcess {
 public:
  explicit ServerProcess(const Path& folder) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    child_ = ::fork();
    if (child_ == 0) serve_for_ever(folder, ends[1]);
    ::close(ends[1]);
    EXPECT_EQ(::read(ends[0], &port_, sizeof(port_)), ssize_t{sizeof(port_)});
    ::close(ends[0]);
  }
  ~ServerProcess() { kill(); }

  void kill() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = 0;
  }
  bool alive() const { return child_ > 0; }
  OrderedJson get(const std::string& path) const {
    return OrderedJson::parse(HttpClient(port_).get(path).body, nullptr, false);
  }
  HttpClient connect() const { return HttpClient(port_); }

 private:
  pid_t child_ = 0;
  uint16_t port_ = 0;
};

std::string input_lines() {
  std::string input;
  for (int i = 0; i < kLines; ++i) {
    const OrderedJson request = {
        {"custom_id", "line " + std::to_string(i)},
        {"method", "POST"},
        {"url", "/v1/chat/completions"},
        {"body",
         {{"messages", {{{"role", "user"}, {"content", "say " + std::to_string(i)}}}},
          {"max_tokens", 60}}}};
    input += request.dump() + "\n";
  }
  return input;
}

std::string begin_batch(const ServerProcess& server) {
  const std::string body =
      "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
      "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in\"\r\n\r\n" +
      input_lines() + "\r\n--x--\r\n";
  HttpClient client = server.connect();
  client.send(
      "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
      "multipart/form-data; boundary=x\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  const OrderedJson file = OrderedJson::parse(client.read_response().body);
  const OrderedJson request = {{"input_file_id", file["id"]},
                               {"endpoint", "/v1/chat/completions"},
                               {"completion_window", "24h"}};
  return OrderedJson::parse(server.connect().post("/v1/batches", request.dump()).body)["id"];
}

TEST(BatchKillTest, NoResultIsLostOrMadeAgain) {
  const testing::TemporaryFolder folder;
  std::optional<ServerProcess> server(std::in_place, folder.path());
  const std::string id = begin_batch(*server);
  const std::string path = "/v1/batches/" + id;
  std::map<int64_t, std::string> acknowledged;
  int kills = 0;
  OrderedJson now;
  for (int polls = 0; polls < 20'000; ++polls) {
    now = server->get(path);
    if (now["status"] == "completed" || now["status"] == "failed") break;
    const int64_t completed = now["request_counts"]["completed"];
    // Results that were told of are still there.
    EXPECT_GE(completed, static_cast<int64_t>(acknowledged.size()));
    if (kills < kKills && completed >= (kills + 1) * kLines / (kKills + 2)) {
      server->kill();
      ++kills;
      DataStore data(folder.path() / "data");
      std::map<int64_t, std::string> kept;
      for (const BatchResult& result : data.results(id)) kept[result.line] = result.text;
      EXPECT_GE(static_cast<int64_t>(kept.size()), completed);
      for (const auto& [line, text] : acknowledged) EXPECT_EQ(kept[line], text);
      acknowledged = std::move(kept);
    }
    if (!server->alive()) server.emplace(folder.path());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(now["status"], "completed") << now;
  EXPECT_GE(kills, 1) << "it may end sooner than it is looked at";
  EXPECT_EQ(now["request_counts"]["completed"], kLines);
  const std::string output =
      server->connect()
          .get("/v1/files/" + now["output_file_id"].get<std::string>() + "/content")
          .body;
  std::set<std::string> ids;
  std::set<std::string> texts;
  for (const std::string_view line : split_lines(output)) {
    ids.insert(OrderedJson::parse(line)["custom_id"]);
    texts.emplace(line);
  }
  EXPECT_EQ(ids.size(), static_cast<size_t>(kLines));
  EXPECT_EQ(texts.size(), static_cast<size_t>(kLines));
  for (const auto& [line, text] : acknowledged) EXPECT_EQ(texts.count(text), 1u) << line;
}

}  // namespace
}  // namespace minim::serve
