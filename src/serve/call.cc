#include "serve/call.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "serve/api_keys.h"
#include "serve/dialect_errors.h"
#include "serve/metrics.h"

namespace minim::serve {
namespace {

// One for each key: how fast an answer begins must not tell what holders of others have asked.
uint64_t prefix_space_of(const ApiKey* key) {
  if (key == nullptr) return 0;
  XxHash64 hash;
  hash.update(key->name);
  return hash.digest();
}

// What went wrong, as a refusal. REQUIRES: called within a catch block.
Refusal current_refusal() {
  try {
    throw;
  } catch (const Refusal& refusal) {
    return refusal;
  } catch (const Error& error) {
    return refusal_of(error);
  } catch (const std::bad_alloc&) {
    return {503, "the machine has no memory left; try again later", {}, "overloaded"};
  } catch (const std::exception& error) {
    return {500, error.what(), {}, "internal_error"};
  }
}

}  // namespace

std::string refusal_body(Dialect dialect, const Refusal& refusal) {
  switch (dialect) {
    case Dialect::kAnthropic: return anthropic_error(refusal);
    case Dialect::kOllama: return ollama_error(refusal);
    case Dialect::kOpenAi: break;
  }
  return openai_error(refusal);
}

HttpResponse refusal_response(Dialect dialect, const Refusal& refusal) {
  HttpResponse response{.status = refusal.status(), .body = refusal_body(dialect, refusal)};
  if (refusal.status() == 503 || refusal.status() == 429) {
    response.headers.push_back({"retry-after", "1"});
  } else if (refusal.status() >= 500) {
    // The same again would end the same.
    response.headers.push_back({"x-should-retry", "false"});
  }
  if (refusal.status() == 401) response.headers.push_back({"www-authenticate", "Bearer"});
  return response;
}

void guard_call(const Call& call, const std::function<void()>& work) {
  std::optional<Refusal> refusal;
  try {
    work();
  } catch (...) {
    refusal = current_refusal();
  }
  if (!refusal) return;
  if (call.exchange->started()) return call.exchange->abort();
  call.exchange->respond(refusal_response(call.dialect, *refusal));
}

void do_later(const Call& call, std::function<void()> work, std::function<void()> go_on) {
  const bool taken =
      call.parts.work.submit([call, work = std::move(work), go_on = std::move(go_on)] {
        std::optional<Refusal> refusal;
        try {
          work();
        } catch (...) {
          refusal = current_refusal();
        }
        call.exchange->post([call, refusal, go_on] {
          guard_call(call, [&] {
            if (refusal) throw Refusal(*refusal);
            if (call.exchange->open()) go_on();
          });
        });
      });
  if (!taken) throw Refusal(503, "too many requests wait; try again later", {}, "overloaded");
}

void with_model(const Call& call, const std::string& id,
                std::function<void(std::shared_ptr<ServedModel>)> go_on) {
  using Loaded = std::shared_ptr<ServedModel>;
  if (auto model = call.parts.models.find(id)) return go_on(std::move(model));
  go_on_later<Loaded>(
      call, [call, id] { return call.parts.models.load(id); }, std::move(go_on));
}

void generate(const Call& call, std::shared_ptr<ServedModel> model, std::vector<TextRequest> texts,
              std::unique_ptr<GenerationReply> reply) {
  GenerationRequest request{.model = std::move(model),
                            .texts = std::move(texts),
                            .prefix_space = prefix_space_of(call.key),
                            .deadline = call.parts.limits.deadline};
  request.count = [&metrics = call.parts.metrics](const GenerationStatistics& statistics) {
    metrics.add_tokens(statistics.prompt_tokens, statistics.reused_tokens,
                       statistics.generated_tokens);
    const auto tokens = static_cast<double>(std::max<int64_t>(statistics.generated_tokens, 1));
    metrics.add_latencies(statistics.first_token_seconds(), statistics.decode_seconds / tokens);
  };
  Generation::start(call.exchange, call.parts.admission, std::move(request), std::move(reply));
}

void respond_later(const Call& call, std::function<HttpResponse()> work) {
  go_on_later<HttpResponse>(call, std::move(work), [call](HttpResponse response) {
    call.exchange->respond(std::move(response));
  });
}

}  // namespace minim::serve
