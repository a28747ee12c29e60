#include "bench/serve/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/rng.h"
#include "bench/serve/client.h"
#include "bench/serve/server_process.h"

namespace minim::bench {
namespace {

constexpr const char* kModel = "model";
// Tokens that every vocabulary of the random models has, and none of which is special.
constexpr uint64_t kTokenFirst = 300;
constexpr uint64_t kTokenCount = 30'000;
// Until the threads of an engine that computed something sleep again.
constexpr std::chrono::milliseconds kPause{300};

class Round {
 public:
  Round(const ServeEngine& engine, const BenchModel& model, const ServeWork& work,
        const ServeOptions& options, uint64_t seed)
      : engine_(engine), model_(model), work_(work), options_(options), rng_(seed) {}

  std::map<std::string, double> run() {
    for (size_t i = 0; i < work_.streams.size(); ++i) {
      const int clients = work_.streams[i];
      const bool first = i == 0;
      // Room for the long conversation too, in the first server.
      const int context = std::max(work_.prompt_tokens + work_.generated_tokens,
                                   first ? work_.turn_tokens + work_.turn_more : 0) +
                          64;
      const auto server = start(clients, context);
      if (first) {
        figures_["ready"] = server->ready_ms();
        const auto bytes = static_cast<double>(server->resident_bytes());
        const auto file = static_cast<double>(std::filesystem::file_size(model_.path));
        figures_["memory beside the model"] = std::max(bytes - file, 0.0) * 1e-6;
      }
      run_streams(server->port(), {completion(prompt(4), 2, true)});  // warm
      measure_streams(*server, clients);
      if (!first) continue;
      measure_turns(*server);
      measure_overhead(*server);
    }
    return figures_;
  }

 private:
  std::unique_ptr<ServerProcess> start(int clients, int context) const {
    const uint16_t port = free_port();
    const std::string parallel = std::to_string(clients);
    const std::string threads = std::to_string(options_.threads);
    std::vector<std::string> arguments = {engine_.program};
    if (engine_.is_minim) {
      arguments.insert(arguments.end(),
                       {"serve", std::string(kModel) + "=" + model_.path.string(), "--parallel",
                        parallel, "--context", std::to_string(context), "--port",
                        std::to_string(port), "-t", threads, "--quiet"});
    } else {
      arguments.insert(arguments.end(), {"-m", model_.path.string(), "-np", parallel, "-c",
                                         std::to_string(clients * context), "--host", "127.0.0.1",
                                         "--port", std::to_string(port), "-t", threads});
    }
    arguments.insert(arguments.end(), engine_.arguments.begin(), engine_.arguments.end());
    return std::make_unique<ServerProcess>(
        arguments, port, options_.folder / (engine_.name + ".log"), options_.seconds_max);
  }

  std::vector<uint64_t> prompt(int tokens) {
    std::vector<uint64_t> ids;
    for (int i = 0; i < tokens; ++i) ids.push_back(kTokenFirst + rng_.below(kTokenCount));
    return ids;
  }

  // Sampled, so that the text of random weights does not repeat itself.
  std::string completion(const std::vector<uint64_t>& ids, int tokens, bool stream) {
    Json body = {{"model", kModel},      {"prompt", ids},
                 {"max_tokens", tokens}, {"top_k", 40},
                 {"top_p", 1.0},         {"temperature", 1.0},
                 {"min_p", 0.0},         {"seed", rng_.below(1'000'000)}};
    if (stream) {
      body["stream"] = true;
      body["stream_options"] = {{"include_usage", true}};
    }
    return body.dump();
  }

  void measure_streams(const ServerProcess& server, int clients) {
    std::vector<std::string> bodies;
    for (int i = 0; i < clients; ++i) {
      bodies.push_back(completion(prompt(work_.prompt_tokens), work_.generated_tokens, true));
    }
    const std::vector<Stream> streams = run_streams(server.port(), bodies);
    std::vector<double> first, gaps, whole;
    double tokens = 0;
    for (const Stream& stream : streams) {
      if (!stream.problem.empty()) {
        throw Error(ErrorCode::kIo, fmt::format("bench: a stream failed: {}", stream.problem));
      }
      first.push_back(stream.first_ms);
      gaps.insert(gaps.end(), stream.gaps_ms.begin(), stream.gaps_ms.end());
      whole.push_back(stream.last_ms);
      tokens += static_cast<double>(stream.tokens);
    }
    const auto name = [&](const char* what) {
      return fmt::format("{} streams: {}", clients, what);
    };
    const double longest = *std::max_element(whole.begin(), whole.end());
    figures_[name("rate")] = tokens / longest * 1e3;
    figures_[name("first token, median")] = quantile(first, 0.5);
    figures_[name("first token, 95 %")] = quantile(first, 0.95);
    figures_[name("gap, median")] = gaps.empty() ? 0 : quantile(gaps, 0.5);
    figures_[name("gap, 95 %")] = gaps.empty() ? 0 : quantile(gaps, 0.95);
    figures_[name("slowest against median")] = longest / quantile(whole, 0.5);
  }

  // A conversation, and its next turn: the same tokens and some more.
  void measure_turns(const ServerProcess& server) {
    std::vector<uint64_t> ids = prompt(work_.turn_tokens);
    const double first = time_to_first(server, ids);
    const std::vector<uint64_t> more = prompt(work_.turn_more);
    ids.insert(ids.end(), more.begin(), more.end());
    const double second = time_to_first(server, ids);
    figures_["first turn"] = first;
    figures_["second turn"] = second;
    figures_["second against first"] = second / first;
  }

  double time_to_first(const ServerProcess& server, const std::vector<uint64_t>& ids) {
    const Stream stream = run_streams(server.port(), {completion(ids, 1, true)})[0];
    if (!stream.problem.empty()) {
      throw Error(ErrorCode::kIo, fmt::format("bench: a turn failed: {}", stream.problem));
    }
    return stream.first_ms;
  }

  void measure_overhead(const ServerProcess& server) {
    std::vector<double> besides, health;
    const std::string body = completion(prompt(4), 1, false);
    for (const Answer& answer :
         ask_again(server.port(), "POST", "/v1/completions", body, work_.asked)) {
      besides.push_back((answer.ms - answer.engine_ms) * 1e3);
    }
    std::this_thread::sleep_for(kPause);
    for (const Answer& answer : ask_again(server.port(), "GET", "/health", "", work_.asked)) {
      health.push_back(answer.ms * 1e3);
    }
    figures_["a completion besides the engine"] = quantile(besides, 0.5);
    figures_["GET /health"] = quantile(health, 0.5);
  }

  const ServeEngine& engine_;
  const BenchModel& model_;
  const ServeWork& work_;
  const ServeOptions& options_;
  Rng rng_;
  std::map<std::string, double> figures_;
};

}  // namespace

std::vector<Figure> figures_of(const ServeWork& work) {
  std::vector<Figure> figures;
  for (const int clients : work.streams) {
    const auto add = [&](const char* what, const char* unit, bool more_is_better = false) {
      figures.push_back({fmt::format("{} streams: {}", clients, what), unit, more_is_better});
    };
    add("rate", "tokens/s", true);
    add("first token, median", "ms");
    add("first token, 95 %", "ms");
    add("gap, median", "ms");
    add("gap, 95 %", "ms");
    add("slowest against median", "x");
  }
  figures.push_back({"first turn", "ms"});
  figures.push_back({"second turn", "ms"});
  figures.push_back({"second against first", "x"});
  figures.push_back({"a completion besides the engine", "us"});
  figures.push_back({"GET /health", "us"});
  figures.push_back({"ready", "ms"});
  figures.push_back({"memory beside the model", "MB"});
  return figures;
}

std::map<std::string, double> measure_round(const ServeEngine& engine, const BenchModel& model,
                                            const ServeWork& work, const ServeOptions& options,
                                            uint64_t seed) {
  return Round(engine, model, work, options, seed).run();
}

double quantile(std::vector<double> values, double q) {
  MINIM_CHECK(!values.empty());
  const auto at =
      std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

}  // namespace minim::bench
