// A response of the Responses API while it comes into being: its items, and the events that tell of
// each.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "serve/call.h"
#include "serve/engine/generation.h"
#include "serve/openai/generated_text.h"
#include "serve/openai/responses/events.h"
#include "serve/openai/responses/request.h"

namespace minim::serve {

class ResponseReply : public GenerationReply {
 public:
  // With `events`, these get the stream; the exchange gets a response of status 200 at the end.
  ResponseReply(const Call& call, std::shared_ptr<ServedModel> model, ResponseRequest request,
                std::shared_ptr<ResponseEvents> events = nullptr);

  // As it is now: "in_progress".
  OrderedJson response() const { return object("in_progress"); }

  void token(size_t text, const GenerationEvent& event) override;
  void done(size_t text, const GenerationEvent& event,
            const GenerationStatistics& statistics) override;
  void finish() override;
  void fail(const Refusal& refusal) override;

 private:
  enum class Open { kNothing, kMessage, kReasoning, kCall };

  OrderedJson object(const char* status) const;
  void add(std::vector<AnswerPart> parts);
  void add_text(Open kind, const std::string& piece);
  void add_call(const ParsedToolCall& piece);
  void close_call(const char* status);
  void open_item(Open kind);
  void close_item(const char* status);
  std::string item_id(const char* prefix) const;
  OrderedJson take_logprobs();

  void begin();
  void send(const char* type, OrderedJson event);
  void send_of_item(const char* type, OrderedJson event);
  void keep(OrderedJson response);

  const Call call_;
  const std::shared_ptr<ServedModel> model_;
  const ResponseRequest request_;
  const std::shared_ptr<ResponseEvents> events_;
  const int64_t created_;
  AnswerParts parts_;
  OrderedJson output_ = OrderedJson::array();
  Open open_ = Open::kNothing;
  std::string text_;                             // of the open item
  std::string held_back_;                        // white space that may stand before a call
  OrderedJson logprobs_ = OrderedJson::array();  // of the open item
  OrderedJson new_logprobs_ = OrderedJson::array();
  int64_t sequence_ = 0;  // of events
  int64_t calls_ = 0;
  bool cut_ = false;
  Usage usage_;
};

}  // namespace minim::serve
