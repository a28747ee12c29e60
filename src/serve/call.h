// One request on its way through a dialect: the exchange, and what the server has for it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serve/engine/generation.h"
#include "serve/engine/model_registry.h"
#include "serve/engine/work_threads.h"
#include "serve/http/exchange.h"
#include "serve/http/server.h"
#include "serve/request/refusal.h"

namespace minim::serve {

class BatchRunner;
class DataStore;
class DetachedExchanges;
class EnergyShares;
class Metrics;
class RateLimits;
class ResponseStore;
class TraceExporter;
struct ApiKey;

// How errors and streams are written.
enum class Dialect { kOpenAi, kAnthropic, kOllama };

struct GenerationLimits {
  std::chrono::milliseconds deadline{600'000};  // of one request
  int64_t texts_of_request_max = 128;           // n times the prompts
  int64_t inputs_max = 2048;                    // of one request for embeddings or a ranking
  int64_t stop_strings_max = 16;
};

// What handlers use. All must outlive the server.
struct ServerParts {
  ModelRegistry& models;
  Admission& admission;
  WorkThreads& work;
  Metrics& metrics;
  RateLimits& rates;
  EnergyShares& energy;
  ResponseStore& responses;
  DetachedExchanges& detached;  // requests that no client waits for
  GenerationLimits limits;
  std::function<HttpServerCounts()> http_counts;
  DataStore* data = nullptr;        // null: nothing is kept on disk
  BatchRunner* batches = nullptr;   // null: as data
  TraceExporter* traces = nullptr;  // null: none are sent
};

struct Call {
  std::shared_ptr<Exchange> exchange;
  ServerParts& parts;
  Dialect dialect = Dialect::kOpenAi;
  std::string argument;               // what stands for {...} in the path of the route
  std::shared_ptr<const ApiKey> key;  // null: none was asked for
  int priority = 0;                   // of its texts: higher ones first

  const HttpRequest& request() const { return exchange->request(); }
  // Whose it is: the name of the key, or empty. What is kept is found by its holder only.
  const std::string& holder() const;
};

// The response to a refusal in a dialect's form, with the headers that tell clients whether to try
// again.
HttpResponse refusal_response(Dialect dialect, const Refusal& refusal);
// Its body alone.
std::string refusal_body(Dialect dialect, const Refusal& refusal);

// Calls it; a Refusal or an Error that it throws becomes the response.
void guard_call(const Call& call, const std::function<void()>& work);

// Goes on with the model once it is loaded, in the strand. Throws Refusal(404) for unknown ids.
void with_model(const Call& call, const std::string& id,
                std::function<void(std::shared_ptr<ServedModel>)> go_on);

// Counts a request, or so many tokens, into what the holder of the key may ask for in a minute, and
// adds the headers that tell how much is left. Throw Refusal(429).
void count_request(const Call& call);
void count_tokens_of(const Call& call, int64_t tokens);

// Generates the texts; the reply writes the response. Throws what Generation::start() and
// count_tokens_of() throw.
void generate(const Call& call, std::shared_ptr<ServedModel> model, std::vector<TextRequest> texts,
              std::unique_ptr<GenerationReply> reply);

// Has `work` done where it may wait, and goes on in the strand. What either throws becomes the
// response. Throws Refusal(503) where too much waits already.
void do_later(const Call& call, std::function<void()> work, std::function<void()> go_on);
// The same with what `work` returns.
template <typename T>
void go_on_later(const Call& call, std::function<T()> work, std::function<void(T)> go_on) {
  const auto result = std::make_shared<std::optional<T>>();
  do_later(
      call, [result, work = std::move(work)] { result->emplace(work()); },
      [result, go_on = std::move(go_on)] { go_on(*std::move(*result)); });
}

// Responds with what `work` returns, which is computed where it may wait. Throws what do_later()
// throws.
void respond_later(const Call& call, std::function<HttpResponse()> work);

}  // namespace minim::serve
