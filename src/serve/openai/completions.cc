#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "serve/engine/prompt_check.h"
#include "serve/engine/prompts.h"
#include "serve/openai/handlers.h"
#include "serve/openai/reply.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"
#include "text/utf8.h"

namespace minim::serve {
namespace {

constexpr int64_t kTokensDefault = 16;  // as the original has it
constexpr int64_t kLogprobsMax = 20;

struct CompletionOptions {
  StreamFields stream;
  std::vector<Prompt> prompts;
  int64_t count = 1;  // of each prompt
  bool echo = false;
  bool logprobs = false;
  std::string suffix;  // what comes behind the text
  TextGeneratorOptions generator;
};

// tokens, token_logprobs, top_logprobs and text_offset, each of one token in turn.
class LogprobLists {
 public:
  void add(const Tokenizer& tokenizer, const GenerationEvent& event, size_t offset) {
    tokens_.push_back(token_text(tokenizer, event.token));
    logprobs_.push_back(finite_logprob(event.logprob));
    OrderedJson top = OrderedJson::object();
    for (const TokenLogprob& each : event.top_logprobs) {
      top[token_text(tokenizer, each.token)] = finite_logprob(each.logprob);
    }
    top_.push_back(std::move(top));
    offsets_.push_back(offset);
  }
  OrderedJson take() {
    OrderedJson lists = {{"tokens", std::move(tokens_)},
                         {"token_logprobs", std::move(logprobs_)},
                         {"top_logprobs", std::move(top_)},
                         {"text_offset", std::move(offsets_)}};
    *this = {};
    return lists;
  }

 private:
  OrderedJson tokens_ = OrderedJson::array();
  OrderedJson logprobs_ = OrderedJson::array();
  OrderedJson top_ = OrderedJson::array();
  OrderedJson offsets_ = OrderedJson::array();
};

size_t character_count(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

class CompletionReply : public OpenAiReply {
 public:
  CompletionReply(const Call& call, std::shared_ptr<ServedModel> model,
                  const CompletionOptions& options)
      : OpenAiReply(call, std::move(model),
                    {.object = "text_completion", .id_prefix = "cmpl-", .stream = options.stream}),
        wants_logprobs_(options.logprobs),
        count_(static_cast<size_t>(options.count)) {
    for (const Prompt& prompt : options.prompts) {
      for (size_t i = 0; i < count_; ++i) {
        answers_.emplace_back();
        if (options.echo) answers_.back().text = prompt.text;
        answers_.back().characters = character_count(answers_.back().text);
      }
    }
  }

  void token(size_t text, const GenerationEvent& event) override {
    Answer& answer = answers_[text];
    answer.text += event.text;
    if (wants_logprobs_) answer.logprobs.add(tokenizer(), event, answer.characters);
    answer.characters += character_count(event.text);
    if (streams() && (wants_logprobs_ || !answer.text.empty())) send(text, "null");
  }

  void done(size_t text, const GenerationEvent& event,
            const GenerationStatistics& statistics) override {
    count(text / count_, statistics);
    answers_[text].text += event.text;
    answers_[text].reason = finish_reason(event.reason);
    if (streams()) send(text, json_string(answers_[text].reason));
  }

 protected:
  OrderedJson choices() override {
    OrderedJson list = OrderedJson::array();
    for (size_t i = 0; i < answers_.size(); ++i) {
      Answer& answer = answers_[i];
      list.push_back({{"text", std::move(answer.text)},
                      {"index", i},
                      {"logprobs", wants_logprobs_ ? answer.logprobs.take() : OrderedJson(nullptr)},
                      {"finish_reason", answer.reason}});
    }
    return list;
  }

 private:
  struct Answer {
    std::string text;  // of a stream, what was not sent
    size_t characters = 0;
    LogprobLists logprobs;
    const char* reason = "stop";
  };

  void send(size_t text, const std::string& reason) {
    Answer& answer = answers_[text];
    const std::string piece = std::exchange(answer.text, {});
    send_choice(fmt::format(R"({{"text":{},"index":{},"logprobs":{},"finish_reason":{}}})",
                            json_string(piece), text,
                            wants_logprobs_ ? json_text(answer.logprobs.take()) : "null", reason));
  }

  const bool wants_logprobs_;
  const size_t count_;
  std::vector<Answer> answers_;
};

void read_rest(Fields& fields, const ServedModel& model, CompletionOptions& options) {
  options.generator.generator.tokens_max =
      fields.integer("max_tokens", {0, model.context_tokens()}).value_or(kTokensDefault);
  options.echo = fields.boolean("echo").value_or(false);
  if (const auto top = fields.integer("logprobs", {0, kLogprobsMax})) {
    options.logprobs = true;
    options.generator.generator.sampler.logprobs = static_cast<int>(*top);
    if (options.echo) {
      fields.refuse("logprobs", "is not supported together with 'echo'", "unsupported_value");
    }
  }
  const auto best = fields.integer("best_of", {1, 128});
  if (best && *best != options.count) {
    fields.refuse("best_of", "is not supported unless it is the same as 'n'", "unsupported_value");
  }
  options.suffix = fields.text("suffix").value_or("");
  if (options.suffix.empty()) return;
  if (options.echo) {
    fields.refuse("suffix", "is not supported together with 'echo'", "unsupported_value");
  }
  for (Prompt& prompt : options.prompts) {
    prompt.tokens = fill_prompt(model, prompt.tokens, options.suffix, "suffix");
  }
}

void start_completion(const Call& call, const OrderedJson& body,
                      const std::shared_ptr<ServedModel>& model) {
  Fields fields(body);
  fields.ignore({"model"});
  CompletionOptions options;
  options.count = read_count(fields, call.parts.limits);
  options.prompts =
      read_prompts(fields, "prompt", *model,
                   static_cast<size_t>(call.parts.limits.texts_of_request_max / options.count));
  options.stream = read_stream(fields);
  options.generator = read_sampling(fields, *model->tokenizer(), call.parts.limits);
  read_rest(fields, *model, options);
  ignore_labels(fields);
  refuse_to_store(fields);
  fields.finish();

  std::vector<TextRequest> texts;
  for (const Prompt& prompt : options.prompts) {
    for (int64_t i = 0; i < options.count; ++i) {
      TextRequest text{prompt.tokens, options.generator};
      text.options.decode.strip_leading_space = false;  // it goes on with a text
      text.options.decode.skip_special = true;
      text.options.generator.sampler.seed += static_cast<uint64_t>(i);
      texts.push_back(std::move(text));
    }
  }
  generate(call, model, std::move(texts), std::make_unique<CompletionReply>(call, model, options));
}

}  // namespace

void completions(const Call& call) {
  const auto body = std::make_shared<const OrderedJson>(parse_request_json(call.request().body));
  const std::string id = Fields(*body).text("model").value_or("");
  with_model(call, id, [call, body](const std::shared_ptr<ServedModel>& model) {
    start_completion(call, *body, model);
  });
}

}  // namespace minim::serve
