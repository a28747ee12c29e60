// What an answer must be: any text, JSON, JSON by a schema; and by name what minim adds.
#pragma once

#include <optional>

#include "serve/engine/chat_plan.h"
#include "serve/request/fields.h"

namespace minim::serve {

// The field response_format: {"type": "text"}, "json_object", "json_schema" with "json_schema":
// {"name", "schema", "strict"}, "regex" with "pattern", "gbnf" with "grammar". Nothing where any
// text will do.
std::optional<AnswerFormat> read_response_format(Fields& fields);
// The field format of `text`, as the Responses API has it: with the fields of "json_schema" beside
// the type.
std::optional<AnswerFormat> read_text_format(Fields& text);

}  // namespace minim::serve
