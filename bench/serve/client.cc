#include "bench/serve/client.h"

#include <fmt/core.h>

#include <chrono>
#include <latch>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "serve/testing/http_client.h"

namespace minim::bench {
namespace {

using Clock = std::chrono::steady_clock;
using serve::testing::ClientResponse;
using serve::testing::HttpClient;

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

struct Arrival {
  Clock::time_point time;
  std::string bytes;
};

// The JSON documents of the events in the order in which they came, each with its time.
template <typename Call>
void for_events(const std::vector<Arrival>& arrivals, const Call& call) {
  std::string open;
  for (const Arrival& arrival : arrivals) {
    open += arrival.bytes;
    for (size_t end = 0; (end = open.find('\n')) != std::string::npos; open.erase(0, end + 1)) {
      if (!open.starts_with("data: {")) continue;
      const Json event = Json::parse(open.substr(6, end - 6), nullptr, false);
      if (event.is_object()) call(arrival.time, event);
    }
  }
}

Stream read_events(const std::vector<Arrival>& arrivals, Clock::time_point begin) {
  Stream stream;
  std::optional<Clock::time_point> last;
  int64_t events = 0;
  for_events(arrivals, [&](Clock::time_point time, const Json& event) {
    if (event.contains("error")) stream.problem = event["error"].dump();
    if (event.contains("usage") && event["usage"].is_object()) {
      stream.tokens = event["usage"].value("completion_tokens", int64_t{0});
    }
    const auto choices = event.find("choices");
    if (choices == event.end() || choices->empty()) return;
    const Json& choice = (*choices)[0];
    const bool is_end = choice.contains("finish_reason") && !choice["finish_reason"].is_null();
    if (is_end && choice.value("text", std::string()).empty()) return;
    if (last) {
      stream.gaps_ms.push_back(milliseconds(time - *last));
    } else {
      stream.first_ms = milliseconds(time - begin);
    }
    ++events;
    last = time;
  });
  if (!last && stream.problem.empty()) stream.problem = "no token came";
  if (last) stream.last_ms = milliseconds(*last - begin);
  if (stream.tokens == 0) stream.tokens = events;
  return stream;
}

Stream run_stream(HttpClient& client, const std::string& request, Clock::time_point begin) {
  client.send(request);
  ClientResponse head;
  if (!client.read_head(head)) return {.problem = "no response"};
  if (head.status != 200) return {.problem = fmt::format("status {}", head.status)};
  std::vector<Arrival> arrivals;
  while (auto chunk = client.read_chunk()) {
    if (chunk->empty()) return read_events(arrivals, begin);
    arrivals.push_back({Clock::now(), *std::move(chunk)});
  }
  return {.problem = "the stream broke off"};
}

double engine_ms(const Json& answer) {
  const auto sum = [](const Json& timings, const char* generation) {
    return timings.value("prompt_ms", 0.0) + timings.value(generation, 0.0);
  };
  if (answer.contains("minim")) return sum(answer["minim"]["timings"], "generation_ms");
  return answer.contains("timings") ? sum(answer["timings"], "predicted_ms") : 0;
}

}  // namespace

std::vector<Stream> run_streams(uint16_t port, const std::vector<std::string>& bodies) {
  std::vector<Stream> streams(bodies.size());
  std::latch ready(static_cast<std::ptrdiff_t>(bodies.size()));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < bodies.size(); ++i) {
    threads.emplace_back([&, i] {
      HttpClient client(port);
      const std::string request = HttpClient::format("POST", "/v1/completions", bodies[i]);
      ready.arrive_and_wait();
      streams[i] = run_stream(client, request, Clock::now());
    });
  }
  for (std::thread& thread : threads) thread.join();
  return streams;
}

std::vector<Answer> ask_again(uint16_t port, const std::string& method, const std::string& path,
                              const std::string& body, int count) {
  std::optional<HttpClient> client;
  const std::string request = HttpClient::format(method, path, body);
  std::vector<Answer> answers;
  for (int i = 0; i < count; ++i) {
    if (!client) client.emplace(port);
    const auto begin = Clock::now();
    client->send(request);
    const ClientResponse response = client->read_response();
    Answer answer{.ms = milliseconds(Clock::now() - begin)};
    if (response.status != 200) {
      throw Error(ErrorCode::kIo, fmt::format("bench: {} {}: status {}: {}", method, path,
                                              response.status, response.body.substr(0, 200)));
    }
    const Json document = Json::parse(response.body, nullptr, false);
    if (document.is_object()) answer.engine_ms = engine_ms(document);
    answers.push_back(answer);
    if (response.header("connection") == "close") client.reset();
  }
  return answers;
}

}  // namespace minim::bench
