// A chat, whatever dialect asked for it: what becomes of it is the texts to generate, and how each
// is taken apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/engine/answer_parts.h"
#include "serve/engine/generation.h"
#include "serve/engine/served_model.h"
#include "text/schema/constraint_factory.h"

namespace minim::serve {

// 1 to 64 letters, digits, '_', '-' and '.'.
bool is_tool_name(std::string_view name);

enum class CallChoice {
  kNone,
  kAuto,      // the model may call any, or none
  kRequired,  // it calls one of them
  kNamed,     // it calls the one that is named
};

struct Tools {
  OrderedJson list = OrderedJson::array();  // as the template gets them: {"type", "function"}
  CallChoice choice = CallChoice::kNone;
  std::string name;      // with kNamed
  bool parallel = true;  // more than one call

  bool forced() const { return choice == CallChoice::kRequired || choice == CallChoice::kNamed; }
  bool has(std::string_view name_of_one) const;
  bool allowed() const { return choice != CallChoice::kNone && !list.empty(); }
};

// What an answer is held to.
struct AnswerFormat {
  ConstraintSource source;
  std::string path;  // of the field that it was read from
};

struct ChatPlan {
  OrderedJson messages;  // as the template gets them
  Tools tools;
  std::optional<AnswerFormat> format;
  std::string prefill;  // the answer goes on after it
  int64_t count = 1;    // answers, with seeds that follow each other
  TextGeneratorOptions generator;
};

struct PreparedChat {
  std::vector<TextRequest> texts;
  AnswerParts::Options parts;
  int64_t prompt_tokens = 0;
};

// Compiles what the answer is held to, which may take a fifth of a second. Throws Refusal with the
// path of the field that is to blame.
PreparedChat prepare_chat(ServedModel& model, ChatPlan plan);

// The same for a text to go on with, whatever the model was trained to converse in; where `behind`
// is not empty, up to what stands there.
PreparedChat prepare_text(ServedModel& model, const std::string& prompt, const std::string& behind,
                          const std::optional<AnswerFormat>& format,
                          TextGeneratorOptions generator);

}  // namespace minim::serve
