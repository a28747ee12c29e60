#include "text/chat_template.h"

#include <fmt/core.h>

#include <set>
#include <utility>

#include "base/error.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"
#include "text/jinja/name_walker.h"
#include "text/jinja/natives.h"
#include "text/jinja/parser.h"
#include "text/jinja/scope.h"
#include "text/utf8.h"

namespace minim {

struct ChatTemplate::Program {
  ChatTemplateLimits limits;
  jinja::Template parsed;
  std::vector<std::string> variables;
};

namespace {

std::vector<std::string> read_variables(const std::vector<jinja::Token>& tokens,
                                        const jinja::Block& body) {
  std::set<std::string> names;
  for (const jinja::Token& token : tokens) {
    if (token.kind != jinja::TokenKind::kName) continue;
    if (jinja::find_global(token.text) == nullptr) names.emplace(token.text);
  }
  names.erase("loop");  // of the loop around it
  jinja::Effort effort;
  names = jinja::find_undeclared(body, std::move(names), effort);
  return {names.begin(), names.end()};
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, const ChatTemplateLimits& limits) {
  if (source.size() > limits.source_bytes_max) {
    throw Error(ErrorCode::kLimit,
                fmt::format("chat template: its text has {} bytes; at most {} are accepted "
                            "(source_bytes_max)",
                            source.size(), limits.source_bytes_max));
  }
  if (!is_valid_utf8(source)) {
    throw Error(ErrorCode::kFormat, "chat template: its text is not valid UTF-8");
  }
  auto program = std::make_unique<Program>();
  program->limits = limits;
  const std::string text = jinja::normalize_source(source);
  const std::vector<jinja::Token> tokens = jinja::tokenize(text);
  jinja::Parser(tokens, program->limits, program->parsed).parse();
  program->variables = read_variables(tokens, program->parsed.body);
  jinja::resolve_variables(program->parsed);
  program_ = std::move(program);
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

const std::vector<std::string>& ChatTemplate::variables() const { return program_->variables; }

std::string ChatTemplate::render(const OrderedJson& variables, int64_t now) const {
  if (!variables.is_object()) {
    throw Error(ErrorCode::kInvalidArgument, "chat template: the variables are not an object");
  }
  return jinja::Interpreter(program_->parsed, variables, program_->limits, now).run();
}

}  // namespace minim
