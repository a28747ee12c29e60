#include "serve/openapi/schema.h"

// What OpenAI's chat, completions, embeddings, and the rankings answer.
namespace minim::serve::schema {
namespace {

void add_numbers(OrderedJson& components) {
  components["Usage"] =
      reply({{"prompt_tokens", integer(0)},
             {"completion_tokens", integer(0)},
             {"total_tokens", integer(0)},
             {"prompt_tokens_details",
              reply({{"cached_tokens", integer(0)}, {"audio_tokens", integer(0)}})},
             {"completion_tokens_details", reply({{"reasoning_tokens", integer(0)},
                                                  {"audio_tokens", integer(0)},
                                                  {"accepted_prediction_tokens", integer(0)},
                                                  {"rejected_prediction_tokens", integer(0)}})}});
  components["Extension"] =
      about("What minim tells beside the answer.",
            reply({{"timings", reply({{"queue_ms", number()},
                                      {"prompt_ms", number()},
                                      {"generation_ms", number()},
                                      {"prompt_per_second", number()},
                                      {"generated_per_second", number()}})},
                   {"energy", reply({{"joules", number()},
                                     {"source", choice({"rapl", "battery", "estimate"})},
                                     {"measured", boolean()}})}},
                  {"energy"}));
  const Members token = {
      {"token", text()}, {"logprob", number()}, {"bytes", list(integer(0, 255))}};
  components["TokenLogprob"] = with(reply(token), {{"top_logprobs", list(reply(token))}});
}

void add_chat(OrderedJson& components) {
  const OrderedJson function = reply({{"name", text()}, {"arguments", text()}});
  const OrderedJson call =
      reply({{"id", text()}, {"type", constant("function")}, {"function", function}});
  const OrderedJson logprobs =
      nullable(reply({{"content", list(ref("TokenLogprob"))}, {"refusal", nullable(any())}}));
  const OrderedJson reason = choice({"stop", "length", "tool_calls"});
  const OrderedJson message = reply({{"role", constant("assistant")},
                                     {"content", nullable(text())},
                                     {"reasoning_content", text()},
                                     {"refusal", nullable(text())},
                                     {"annotations", list(any())},
                                     {"tool_calls", list(call)}},
                                    {"reasoning_content", "tool_calls"});
  components["ChatCompletion"] = reply({{"id", text()},
                                        {"object", constant("chat.completion")},
                                        {"created", integer(0)},
                                        {"model", text()},
                                        {"system_fingerprint", text()},
                                        {"choices", list(reply({{"index", integer(0)},
                                                                {"message", message},
                                                                {"logprobs", logprobs},
                                                                {"finish_reason", reason}}))},
                                        {"usage", ref("Usage")},
                                        {"minim", ref("Extension")}});
  // What continues a call has its arguments alone.
  const OrderedJson piece =
      reply({{"index", integer(0)},
             {"id", text()},
             {"type", constant("function")},
             {"function", reply({{"name", text()}, {"arguments", text()}}, {"name"})}},
            {"id", "type"});
  const OrderedJson delta =
      reply({{"role", constant("assistant")},
             {"content", text()},
             {"refusal", nullable(text())},
             {"reasoning_content", text()},
             {"tool_calls", list(piece)}},
            {"role", "content", "refusal", "reasoning_content", "tool_calls"});
  components["ChatCompletionChunk"] =
      reply({{"id", text()},
             {"object", constant("chat.completion.chunk")},
             {"created", integer(0)},
             {"model", text()},
             {"system_fingerprint", text()},
             {"choices", list(reply({{"index", integer(0)},
                                     {"delta", delta},
                                     {"logprobs", logprobs},
                                     {"finish_reason", nullable(reason)}}))},
             {"usage", nullable(ref("Usage"))},
             {"minim", ref("Extension")}},
            {"usage", "minim"});
}

void add_completion(OrderedJson& components) {
  const OrderedJson logprobs = nullable(reply({{"tokens", list(text())},
                                               {"token_logprobs", list(number())},
                                               {"top_logprobs", list(map(number()))},
                                               {"text_offset", list(integer(0))}}));
  const OrderedJson one = reply({{"text", text()},
                                 {"index", integer(0)},
                                 {"logprobs", logprobs},
                                 {"finish_reason", nullable(choice({"stop", "length"}))}});
  components["Completion"] =
      about("Each object of a stream too, whose finish_reason is null but in the last.",
            reply({{"id", text()},
                   {"object", constant("text_completion")},
                   {"created", integer(0)},
                   {"model", text()},
                   {"system_fingerprint", text()},
                   {"choices", list(one)},
                   {"usage", nullable(ref("Usage"))},
                   {"minim", ref("Extension")}},
                  {"usage", "minim"}));
}

void add_small(OrderedJson& components) {
  const OrderedJson usage = reply({{"prompt_tokens", integer(0)}, {"total_tokens", integer(0)}});
  const OrderedJson vector =
      either({list(number()), about("Base64 of float32, little-endian.", text())});
  components["EmbeddingList"] = reply({{"object", constant("list")},
                                       {"data", list(reply({{"object", constant("embedding")},
                                                            {"index", integer(0)},
                                                            {"embedding", vector}}))},
                                       {"model", text()},
                                       {"usage", usage}});
  components["Ranking"] =
      reply({{"id", text()},
             {"object", constant("list")},
             {"model", text()},
             {"results", list(reply({{"index", integer(0)},
                                     {"relevance_score", number()},
                                     {"document", reply({{"text", text()}})}},
                                    {"document"}))},
             {"usage", usage},
             {"minim", reply({{"method", choice({"likelihood", "yes-no", "embedding"})}})}});
  components["Moderation"] =
      reply({{"id", text()},
             {"model", text()},
             {"results", list(reply({{"flagged", boolean()},
                                     {"categories", map(boolean())},
                                     {"category_scores", map(number(0, 1))},
                                     {"category_applied_input_types", map(list(text()))}}))}});
}

}  // namespace

void add_openai_replies(OrderedJson& components) {
  add_numbers(components);
  add_chat(components);
  add_completion(components);
  add_small(components);
}

}  // namespace minim::serve::schema
