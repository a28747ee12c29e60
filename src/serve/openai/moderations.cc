#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "serve/openai/handlers.h"
#include "serve/openai/moderation_rules.h"
#include "serve/request/fields.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

constexpr const char* kModel = "minim-rules-1";

std::string read_part(const OrderedJson& value, const std::string& path) {
  Fields part(value, path);
  const std::string type = part.required_text("type");
  if (type != "text") {
    part.refuse("type", fmt::format("is '{}', and the rules know texts only", type.substr(0, 40)),
                "unsupported_value");
  }
  std::string text = part.required_text("text");
  part.finish();
  return text;
}

// A string, a list of strings; or a list of parts, which are one text.
std::vector<std::string> read_texts(Fields& fields, const GenerationLimits& limits) {
  const OrderedJson& given = fields.required("input");
  if (given.is_string()) return {given.get<std::string>()};
  if (!given.is_array()) {
    refuse_value("input", fmt::format("must be a string or a list, but is {}", kind_of(given)),
                 "invalid_type");
  }
  const OrderedJson& list = fields.required_list("input", static_cast<size_t>(limits.inputs_max));
  if (list.empty()) fields.refuse("input", "is empty");
  const bool parts = list.front().is_object();
  std::vector<std::string> texts(parts ? 1 : list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = fmt::format("input[{}]", i);
    if (parts) {
      texts.front() += read_part(list[i], path) + "\n";
    } else if (list[i].is_string()) {
      texts[i] = list[i].get<std::string>();
    } else {
      refuse_value(path, fmt::format("must be a string, but is {}", kind_of(list[i])),
                   "invalid_type");
    }
  }
  return texts;
}

OrderedJson result_of(const std::string& text) {
  const ModerationFlags flags = moderate(text);
  OrderedJson categories = OrderedJson::object();
  OrderedJson scores = OrderedJson::object();
  OrderedJson types = OrderedJson::object();
  for (size_t i = 0; i < flags.size(); ++i) {
    const char* name = kModerationCategories[i];
    categories[name] = flags[i];
    scores[name] = flags[i] ? 1.0 : 0.0;
    types[name] = flags[i] ? OrderedJson::array({"text"}) : OrderedJson::array();
  }
  return {{"flagged", flags.any()},
          {"categories", std::move(categories)},
          {"category_scores", std::move(scores)},
          {"category_applied_input_types", std::move(types)}};
}

// The client libraries name the original's models where nobody names one.
void check_model(Fields& fields) {
  const std::string model = fields.text("model").value_or(kModel);
  if (model == kModel || model.starts_with("omni-moderation-") ||
      model.starts_with("text-moderation-")) {
    return;
  }
  throw Refusal(404,
                fmt::format("the moderation model '{}' does not exist; there is '{}'",
                            model.substr(0, 100), kModel),
                "model", "model_not_found");
}

}  // namespace

void moderations(const Call& call) {
  const OrderedJson body = parse_request_json(call.request().body);
  Fields fields(body);
  check_model(fields);
  std::vector<std::string> texts = read_texts(fields, call.parts.limits);
  fields.finish();
  respond_later(call, [texts = std::move(texts), id = call.request().id.substr(4)] {
    OrderedJson results = OrderedJson::array();
    for (const std::string& text : texts) results.push_back(result_of(text));
    const OrderedJson reply = {
        {"id", "modr-" + id}, {"model", kModel}, {"results", std::move(results)}};
    return HttpResponse{.body = json_text(reply)};
  });
}

}  // namespace minim::serve
