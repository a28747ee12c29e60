#include <fmt/core.h>

#include <charconv>
#include <memory>
#include <string>
#include <utility>

#include "serve/http/detached_exchange.h"
#include "serve/http/sse.h"
#include "serve/openai/list_page.h"
#include "serve/openai/responses/events.h"
#include "serve/openai/responses/handlers.h"
#include "serve/openai/responses/reply.h"
#include "serve/openai/responses/request.h"
#include "serve/openai/responses/store.h"
#include "serve/request/fields.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

void generate_response(const Call& call, const std::shared_ptr<ServedModel>& model,
                       ResponseRequest request, std::shared_ptr<ResponseEvents> events = nullptr) {
  std::vector<TextRequest> texts = std::move(request.prepared.texts);
  generate(call, model, std::move(texts),
           std::make_unique<ResponseReply>(call, model, std::move(request), std::move(events)));
}

// What became of a response that nobody waited for, where it was not completed.
OrderedJson failed_response(OrderedJson begun, const HttpResponse& response) {
  const OrderedJson body = OrderedJson::parse(response.body, nullptr, /*allow_exceptions=*/false);
  const bool told = body.is_object() && body.contains("error");
  begun["status"] = "failed";
  begun["error"] = {
      {"code", response.status == 429 ? "rate_limit_exceeded" : "server_error"},
      {"message", told ? body["error"]["message"] : OrderedJson("the server was about to end")}};
  return begun;
}

// The last event of a response that was not completed.
std::string failed_event(const ResponseEvents& events, OrderedJson response) {
  constexpr const char* kType = "response.failed";
  const OrderedJson event = {
      {"type", kType}, {"sequence_number", events.count()}, {"response", std::move(response)}};
  return sse_event(json_text(event), kType);
}

// Once all of it was told, the server need not wait for anybody to come for it.
void follow(const Call& call, const std::string& id, ResponseEvents& events, int64_t number) {
  events.follow(call.exchange, number, [&store = call.parts.responses, holder = call.holder(), id] {
    store.taken(holder, id);
  });
}

void begin_in_background(const Call& call, const std::shared_ptr<ServedModel>& model,
                         ResponseRequest request) {
  ResponseStore& store = call.parts.responses;
  const std::string id = request.id;
  const std::string holder = call.holder();
  const OrderedJson begun = ResponseReply(call, model, request).response();
  const OrderedJson input = request.input;
  HttpRequest same = call.request();
  same.body.clear();
  const auto shared = std::make_shared<ResponseRequest>(std::move(request));
  // Kept before it begins, so that its end finds it.
  const auto exchange = std::make_shared<std::weak_ptr<DetachedExchange>>();
  const auto events = shared->stream ? std::make_shared<ResponseEvents>() : nullptr;
  store.put(holder,
            {.id = id, .response = begun, .input = input, .events = events, .cancel = [exchange] {
               if (const auto open = exchange->lock()) open->close();
             }});
  *exchange = call.parts.detached.open(
      std::move(same),
      [call, model, shared, events](std::shared_ptr<Exchange> detached) {
        Call background = call;
        background.exchange = std::move(detached);
        guard_call(background,
                   [&] { generate_response(background, model, std::move(*shared), events); });
      },
      [&store, holder, begun, events](const HttpResponse& response) {
        if (response.status != 200) {
          OrderedJson failed = failed_response(begun, response);
          const bool told = store.complete(holder, failed) && events != nullptr;
          if (told) events->append(failed_event(*events, std::move(failed)));
        }
        if (events != nullptr) events->finish();
      });
  if (events != nullptr) return follow(call, id, *events, 0);
  call.exchange->respond({.body = json_text(begun)});
}

void start_response(const Call& call, const std::shared_ptr<ServedModel>& model,
                    ResponseRequest request) {
  if (request.background) return begin_in_background(call, model, std::move(request));
  generate_response(call, model, std::move(request));
}

[[noreturn]] void refuse_unknown(const Call& call) {
  throw Refusal(
      404,
      fmt::format("the response '{}' is not kept here (any more)", call.argument.substr(0, 100)),
      "response_id", "not_found");
}

bool read_stream_parameter(const HttpRequest& request) {
  const std::string stream = request.parameter("stream").value_or("false");
  if (stream == "true" || stream == "false") return stream == "true";
  throw Refusal(400, "'stream' must be true or false", "stream", "invalid_value");
}

// The number of the first event that is asked for.
int64_t read_starting_after(const HttpRequest& request, bool stream) {
  const auto text = request.parameter("starting_after");
  if (!text) return 0;
  if (!stream) {
    throw Refusal(400, "'starting_after' is only for requests with 'stream'", "starting_after",
                  "invalid_value");
  }
  int32_t after = -1;
  const char* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, after);
  if (read.ec != std::errc() || read.ptr != end || after < 0) {
    throw Refusal(400, "'starting_after' must be the number of an event, 0 or more",
                  "starting_after", "invalid_value");
  }
  return int64_t{after} + 1;
}

StoredResponse find_response(const Call& call) {
  auto found = call.parts.responses.find(call.holder(), call.argument);
  if (!found) refuse_unknown(call);
  return *std::move(found);
}

}  // namespace

void create_response(const Call& call) {
  const auto body = std::make_shared<const OrderedJson>(parse_request_json(call.request().body));
  const std::string id = Fields(*body).text("model").value_or("");
  with_model(call, id, [call, body](const std::shared_ptr<ServedModel>& model) {
    if (!body->contains("text") && !body->contains("tools")) {
      return start_response(call, model, read_response_request(call, *body, *model));
    }
    // What may have to be compiled is not for the threads of connections.
    go_on_later<ResponseRequest>(
        call, [call, body, model] { return read_response_request(call, *body, *model); },
        [call, model](ResponseRequest request) {
          start_response(call, model, std::move(request));
        });
  });
}

void show_response(const Call& call) {
  const bool stream = read_stream_parameter(call.request());
  const int64_t next = read_starting_after(call.request(), stream);
  const StoredResponse found = find_response(call);
  if (stream) {
    if (found.events == nullptr) {
      throw Refusal(400,
                    "only a response that was asked for with 'background' and 'stream' can be "
                    "streamed again; ask for it without 'stream'",
                    "stream", "invalid_value");
    }
    if (!found.events->has(next)) {
      throw Refusal(400,
                    fmt::format("the event {} is not kept any more; ask for the response without "
                                "'stream'",
                                next),
                    "starting_after", "not_found");
    }
    return follow(call, found.id, *found.events, next);
  }
  call.exchange->respond({.body = json_text(found.response)});
  if (!found.underway()) call.parts.responses.taken(call.holder(), call.argument);
}

void delete_response(const Call& call) {
  const auto removed = call.parts.responses.remove(call.holder(), call.argument);
  if (!removed) refuse_unknown(call);
  if (removed->cancel) removed->cancel();
  const OrderedJson body = {{"id", call.argument}, {"object", "response"}, {"deleted", true}};
  call.exchange->respond({.body = json_text(body)});
}

void cancel_response(const Call& call) {
  StoredResponse found = find_response(call);
  if (found.response["background"] != true) {
    throw Refusal(400, "only responses that were asked for with 'background' can be cancelled",
                  "response_id", "invalid_value");
  }
  if (found.underway()) {
    OrderedJson cancelled = found.response;
    cancelled["status"] = "cancelled";
    call.parts.responses.complete(call.holder(), std::move(cancelled));
    if (found.cancel) found.cancel();
    found = find_response(call);  // it may have been completed meanwhile
  }
  call.exchange->respond({.body = json_text(found.response)});
}

void list_response_input(const Call& call) {
  call.exchange->respond({.body = json_text(list_page(call.request(), find_response(call).input))});
}

}  // namespace minim::serve
