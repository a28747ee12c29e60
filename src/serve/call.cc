#include "serve/call.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "serve/api_keys.h"
#include "serve/dialect_errors.h"
#include "serve/limits/rate_limits.h"
#include "serve/metrics.h"
#include "serve/telemetry/generation_trace.h"

namespace minim::serve {
namespace {

// One for each key: how fast an answer begins must not tell what holders of others have asked.
uint64_t prefix_space_of(const Call& call) {
  if (call.key == nullptr) return 0;
  XxHash64 hash;
  hash.update(call.key->name);
  return hash.digest();
}

void add_rate_headers(const Call& call, const char* what, const RateState& state) {
  const auto add = [&](const char* kind, std::string value) {
    call.exchange->add_header(fmt::format("x-ratelimit-{}-{}", kind, what), std::move(value));
  };
  if (state.limit == 0 || call.exchange->started()) return;
  add("limit", std::to_string(state.limit));
  add("remaining", std::to_string(state.remaining));
  add("reset", duration_text(state.reset_seconds));
}

void count_into(const Call& call, const char* what, const RateState& state, int64_t amount) {
  add_rate_headers(call, what, state);
  if (state.taken) return;
  if (!state.wait_seconds) {
    throw Refusal(429,
                  fmt::format("the request has {} {}, and {} a minute are allowed; ask for less",
                              amount, what, state.limit),
                  {}, "rate_limit_exceeded");
  }
  throw Refusal(429,
                fmt::format("the limit of {} {} a minute is reached; try again in {}", state.limit,
                            what, duration_text(*state.wait_seconds)),
                {}, "rate_limit_exceeded")
      .retry_after(*state.wait_seconds);
}

const RateLimit* limit_of(const Call& call) {
  return call.key == nullptr ? nullptr : &call.key->limit;
}

// How many tokens the texts take at most. Several that continue the same prompt read it once.
int64_t tokens_of(const ServedModel& model, const std::vector<TextRequest>& texts,
                  bool with_answers) {
  int64_t tokens = 0;
  const std::vector<TokenId>* last = nullptr;
  for (const TextRequest& text : texts) {
    const auto prompt = static_cast<int64_t>(text.prompt.size());
    if (last == nullptr || *last != text.prompt) tokens += prompt;
    last = &text.prompt;
    if (!with_answers) continue;
    const int64_t room = std::max<int64_t>(model.context_tokens() - prompt, 0);
    const int64_t most = text.options.generator.tokens_max;
    tokens += most < 0 ? room : std::min(most, room);
  }
  return tokens;
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
  if (refusal.status() == 503 || refusal.retry_seconds()) {
    const double seconds = refusal.retry_seconds().value_or(1);
    response.headers.push_back({"retry-after", fmt::format("{:.0f}", std::ceil(seconds))});
    response.headers.push_back({"retry-after-ms", fmt::format("{:.0f}", std::ceil(seconds * 1e3))});
  } else if (refusal.status() >= 500 || refusal.status() == 429) {
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

const std::string& Call::holder() const {
  static const std::string kNobody;
  return key == nullptr ? kNobody : key->name;
}

void count_request(const Call& call) {
  count_into(call, "requests", call.parts.rates.take_request(call.holder(), limit_of(call)), 1);
}

void count_tokens_of(const Call& call, int64_t tokens) {
  count_into(call, "tokens",
             call.parts.rates.take_tokens(call.holder(), limit_of(call), tokens, tokens), tokens);
}

void generate(const Call& call, std::shared_ptr<ServedModel> model, std::vector<TextRequest> texts,
              std::unique_ptr<GenerationReply> reply) {
  RateLimits& rates = call.parts.rates;
  const int64_t least = tokens_of(*model, texts, /*with_answers=*/false);
  const RateState reserved = rates.take_tokens(call.holder(), limit_of(call), least,
                                               tokens_of(*model, texts, /*with_answers=*/true));
  count_into(call, "tokens", reserved, least);
  GenerationRequest request{.model = std::move(model),
                            .texts = std::move(texts),
                            .prefix_space = prefix_space_of(call),
                            .priority = call.priority,
                            .deadline = call.parts.limits.deadline,
                            .energy = &call.parts.energy};
  // Once, also where nothing is begun.
  const auto settle = [&rates, holder = call.holder(), settled = std::make_shared<bool>(),
                       taken = reserved.taken_amount](int64_t used) {
    if (!std::exchange(*settled, true)) rates.give_back_tokens(holder, taken - used);
  };
  const auto trace = GenerationTrace::begin(call, *request.model, request.texts);
  request.ended = [settle, least, trace](const GenerationEnd& end) {
    settle(least + end.tokens);
    if (trace) trace->end(end);
  };
  request.count = [&metrics = call.parts.metrics, trace](StopReason reason,
                                                         const GenerationStatistics& statistics) {
    metrics.add_text(statistics);
    if (trace) trace->add_text(reason, statistics);
  };
  request.count_gap = [&metrics = call.parts.metrics](double seconds) { metrics.add_gap(seconds); };
  try {
    Generation::start(call.exchange, call.parts.admission, std::move(request), std::move(reply));
  } catch (const Refusal&) {
    settle(0);
    throw;
  }
}

void respond_later(const Call& call, std::function<HttpResponse()> work) {
  go_on_later<HttpResponse>(call, std::move(work), [call](HttpResponse response) {
    call.exchange->respond(std::move(response));
  });
}

}  // namespace minim::serve
