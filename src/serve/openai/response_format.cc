#include "serve/openai/response_format.h"

#include "serve/request/json_text.h"

namespace minim::serve {
namespace {

AnswerFormat read_schema(Fields& about) {
  about.required_text("name");
  about.ignore({"description"});
  about.boolean("strict");  // always
  const OrderedJson& schema = about.required("schema");
  if (!schema.is_object()) about.refuse("schema", "must be an object", "invalid_type");
  return {{.kind = ConstraintKind::kSchema, .text = json_text(schema)}, about.path_of("schema")};
}

AnswerFormat read_nested_schema(Fields& format) {
  format.required("json_schema");
  Fields about = *format.object("json_schema");
  AnswerFormat schema = read_schema(about);
  about.finish();
  return schema;
}

std::optional<AnswerFormat> read_format(std::optional<Fields> format,
                                        AnswerFormat (*read_its_schema)(Fields&)) {
  if (!format) return std::nullopt;
  format->required("type");
  std::optional<AnswerFormat> result;
  switch (*format->choice("type", {"text", "json_object", "json_schema", "regex", "gbnf"})) {
    case 0: break;
    case 1: result = {{.kind = ConstraintKind::kJsonObject}, format->path_of("type")}; break;
    case 2: result = read_its_schema(*format); break;
    case 3:
      result = {{.kind = ConstraintKind::kRegex, .text = format->required_text("pattern")},
                format->path_of("pattern")};
      break;
    default:
      result = {{.kind = ConstraintKind::kGbnf, .text = format->required_text("grammar")},
                format->path_of("grammar")};
  }
  format->finish();
  return result;
}

}  // namespace

std::optional<AnswerFormat> read_response_format(Fields& fields) {
  return read_format(fields.object("response_format"), read_nested_schema);
}

std::optional<AnswerFormat> read_text_format(Fields& text) {
  return read_format(text.object("format"), read_schema);
}

}  // namespace minim::serve
