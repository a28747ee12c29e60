#include <fmt/core.h>

#include "base/error.h"
#include "text/jinja/parser.h"

namespace minim::jinja {
namespace {

// Whether `word` is one of "one|two|three".
bool is_listed(std::string_view word, std::string_view list) {
  while (!list.empty()) {
    const size_t bar = std::min(list.find('|'), list.size());
    if (list.substr(0, bar) == word) return true;
    list.remove_prefix(std::min(bar + 1, list.size()));
  }
  return false;
}

constexpr std::string_view kInnerTags =
    "elif|else|endif|endfor|endset|endmacro|endcall|endfilter|endwith|endgeneration|endraw|"
    "endblock";

}  // namespace

Parser::Level::Level(Parser& parser) : parser_(parser) {
  if (++parser_.depth_ <= parser_.limits_.depth_max) return;
  --parser_.depth_;
  throw Error(ErrorCode::kLimit,
              fmt::format("chat template: line {}: nested more than {} levels deep (depth_max)",
                          parser_.current().line, parser_.limits_.depth_max));
}

void Parser::parse() { template_.body = parse_block(""); }

const Token& Parser::take() {
  const Token& token = current();
  if (token.kind != TokenKind::kEnd) ++position_;
  return token;
}

bool Parser::skip_operator(std::string_view symbol) {
  if (!current().is_operator(symbol)) return false;
  take();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

const Token& Parser::expect(TokenKind kind, std::string_view what) {
  if (current().kind != kind) fail(fmt::format("expected {}, got {}", what, describe(current())));
  return take();
}

void Parser::expect_operator(std::string_view symbol) {
  if (!skip_operator(symbol)) {
    fail(fmt::format("expected '{}', got {}", symbol, describe(current())));
  }
}

void Parser::fail(std::string_view message) const { fail_syntax(current().line, message); }

// Calls and signatures are checked argument against argument, so they are kept short.
void Parser::require_few(size_t arguments) const {
  constexpr size_t kArgumentsMax = 255;
  if (arguments < kArgumentsMax) return;
  throw Error(ErrorCode::kLimit, fmt::format("chat template: line {}: more than {} arguments",
                                             current().line, kArgumentsMax));
}

void Parser::fail_unknown_tag(const Token& tag) const {
  if (is_listed(tag.text, kInnerTags)) {
    fail_syntax(tag.line, fmt::format("'{}' where no block is open that it belongs to", tag.text));
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("chat template: line {}: the tag '{}' is not known", tag.line, tag.text));
}

Block Parser::parse_block(std::string_view end_words) {
  const Level level(*this);
  Block block;
  for (;;) {
    const Token& token = current();
    switch (token.kind) {
      case TokenKind::kEnd:
        if (end_words.empty()) return block;
        fail(fmt::format("the template ends inside a block; '{}' is missing", end_words));
      case TokenKind::kData: {
        auto text = std::make_unique<TextStatement>(StatementKind::kText, token.line);
        text->text = take().text;
        block.push_back(std::move(text));
        break;
      }
      case TokenKind::kVariableBegin: {
        take();
        auto output = std::make_unique<OutputStatement>(StatementKind::kOutput, token.line);
        output->value = parse_tuple(true, "", false);
        block.push_back(std::move(output));
        expect(TokenKind::kVariableEnd, "'}}'");
        break;
      }
      default:
        expect(TokenKind::kBlockBegin, "a tag");
        if (current().kind == TokenKind::kName && is_listed(current().text, end_words)) {
          return block;
        }
        if (current().is_name("print")) {
          parse_print(block);
        } else {
          block.push_back(parse_statement());
        }
        expect(TokenKind::kBlockEnd, "'%}'");
    }
  }
}

Block Parser::parse_body(std::string_view end_words) {
  skip_operator(":");
  expect(TokenKind::kBlockEnd, "'%}'");
  return parse_block(end_words);
}

void Parser::parse_closed_body(std::string_view end_word, Block& body) {
  body = parse_body(end_word);
  take();
}

// A body that runs as a function: loops outside it cannot be left from inside.
void Parser::parse_function_body(std::string_view end_word, Block& body) {
  const int outer = std::exchange(loop_depth_, 0);
  parse_closed_body(end_word, body);
  loop_depth_ = outer;
}

std::unique_ptr<Statement> Parser::parse_statement() {
  const Token& tag = expect(TokenKind::kName, "a tag's name");
  if (tag.text == "set") return parse_set();
  if (tag.text == "for") return parse_for();
  if (tag.text == "if") return parse_if();
  if (tag.text == "macro") return parse_macro();
  if (tag.text == "call") return parse_call_block();
  if (tag.text == "generation") return parse_generation();
  if (tag.text == "filter") return parse_filter_block();
  if (tag.text == "with") return parse_with();
  if (tag.text == "break" || tag.text == "continue") {
    --position_;
    return parse_loop_control();
  }
  fail_unknown_tag(tag);
}

std::unique_ptr<Statement> Parser::parse_set() {
  const int line = current().line;
  Target target = parse_target("", true);
  if (skip_operator("=")) {
    auto set = std::make_unique<SetStatement>(StatementKind::kSet, line);
    set->target = std::move(target);
    set->value = parse_tuple(true, "", false);
    return set;
  }
  auto set = std::make_unique<SetBlockStatement>(StatementKind::kSetBlock, line);
  set->target = std::move(target);
  while (skip_operator("|")) set->filter = parse_filter(std::move(set->filter));
  parse_closed_body("endset", set->body);
  return set;
}

std::unique_ptr<Statement> Parser::parse_for() {
  auto loop = std::make_unique<ForStatement>(StatementKind::kFor, current().line);
  loop->target = parse_target("in", false);
  if (!skip_name("in")) fail(fmt::format("expected 'in', got {}", describe(current())));
  loop->iterable = parse_tuple(false, "recursive", false);
  if (skip_name("if")) loop->test = parse_expression();
  loop->recursive = skip_name("recursive");

  const int outer = loop_depth_;
  loop_depth_ = loop->recursive ? 1 : outer + 1;
  loop->body = parse_body("endfor|else");
  loop_depth_ = loop->recursive ? 0 : outer;
  if (take().text == "else") parse_closed_body("endfor", loop->else_body);
  loop_depth_ = outer;
  return loop;
}

std::unique_ptr<Statement> Parser::parse_if() {
  auto result = std::make_unique<IfStatement>(StatementKind::kIf, current().line);
  IfStatement* branch = result.get();
  for (;;) {
    branch->test = parse_tuple(false, "", false);
    branch->body = parse_body("elif|else|endif");
    const Token& word = take();
    if (word.text == "elif") {
      result->elifs.push_back(std::make_unique<IfStatement>(StatementKind::kIf, current().line));
      branch = result->elifs.back().get();
      continue;
    }
    if (word.text == "else") parse_closed_body("endif", result->else_body);
    return result;
  }
}

std::unique_ptr<Statement> Parser::parse_macro() {
  auto macro = std::make_unique<MacroStatement>(StatementKind::kMacro, current().line);
  macro->name = expect(TokenKind::kName, "the macro's name").text;
  parse_signature(*macro);
  parse_function_body("endmacro", macro->body);
  return macro;
}

void Parser::parse_signature(MacroStatement& macro) {
  expect_operator("(");
  while (!current().is_operator(")")) {
    if (!macro.parameters.empty()) expect_operator(",");
    require_few(macro.parameters.size());
    Target parameter = parse_name_target();
    for (const Target& other : macro.parameters) {
      if (other.name == parameter.name) {
        fail(fmt::format("the parameter '{}' appears twice", parameter.name));
      }
    }
    if (skip_operator("=")) {
      macro.defaults.push_back(parse_expression());
    } else if (!macro.defaults.empty()) {
      fail("a parameter without a default follows one that has one");
    }
    macro.parameters.push_back(std::move(parameter));
  }
  expect_operator(")");
}

std::unique_ptr<Statement> Parser::parse_call_block() {
  auto block = std::make_unique<MacroStatement>(StatementKind::kCallBlock, current().line);
  if (current().is_operator("(")) parse_signature(*block);
  block->call = parse_expression();
  if (block->call->kind != ExpressionKind::kCall) fail_syntax(block->line, "expected a call");
  parse_function_body("endcall", block->body);
  return block;
}

std::unique_ptr<Statement> Parser::parse_generation() {
  auto block = std::make_unique<MacroStatement>(StatementKind::kGeneration, current().line);
  parse_function_body("endgeneration", block->body);
  return block;
}

std::unique_ptr<Statement> Parser::parse_filter_block() {
  auto block = std::make_unique<FilterBlockStatement>(StatementKind::kFilterBlock, current().line);
  block->filter = parse_filter(nullptr);
  while (skip_operator("|")) block->filter = parse_filter(std::move(block->filter));
  parse_closed_body("endfilter", block->body);
  return block;
}

std::unique_ptr<Statement> Parser::parse_with() {
  auto with = std::make_unique<WithStatement>(StatementKind::kWith, current().line);
  while (current().kind != TokenKind::kBlockEnd) {
    if (!with->targets.empty()) expect_operator(",");
    with->targets.push_back(parse_target("", false));
    expect_operator("=");
    with->values.push_back(parse_expression());
  }
  parse_closed_body("endwith", with->body);
  return with;
}

std::unique_ptr<Statement> Parser::parse_loop_control() {
  const Token& tag = take();
  if (loop_depth_ == 0) fail_syntax(tag.line, fmt::format("'{}' outside a loop", tag.text));
  const bool is_break = tag.text == "break";
  return std::make_unique<Statement>(is_break ? StatementKind::kBreak : StatementKind::kContinue,
                                     tag.line);
}

void Parser::parse_print(Block& block) {
  take();
  for (bool first = true; current().kind != TokenKind::kBlockEnd; first = false) {
    if (!first) expect_operator(",");
    auto output = std::make_unique<OutputStatement>(StatementKind::kOutput, current().line);
    output->value = parse_expression();
    block.push_back(std::move(output));
  }
}

Target Parser::parse_name_target() {
  const Token& token = expect(TokenKind::kName, "a name");
  Target target;
  target.line = token.line;
  target.name = token.text;
  return target;
}

Target Parser::parse_single_target(bool allow_attribute) {
  if (current().is_operator("(")) {
    const Level level(*this);
    take();
    Target target = parse_target(")", false);
    expect_operator(")");
    return target;
  }
  static constexpr std::string_view kLiterals = "true|false|True|False|none|None";
  if (current().kind != TokenKind::kName || is_listed(current().text, kLiterals)) {
    fail(fmt::format("cannot assign to {}", describe(current())));
  }
  Target target = parse_name_target();
  if (allow_attribute && skip_operator(".")) {
    target.kind = TargetKind::kAttribute;
    target.attribute = expect(TokenKind::kName, "an attribute's name").text;
  }
  return target;
}

// One target or several with commas between them; `end_word` is what follows ("in", ")").
Target Parser::parse_target(std::string_view end_word, bool allow_attribute) {
  Target tuple;
  tuple.kind = TargetKind::kTuple;
  tuple.line = current().line;
  bool is_tuple = false;
  while (!at_tuple_end(end_word)) {
    tuple.items.push_back(parse_single_target(allow_attribute));
    if (!skip_operator(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return tuple;
  if (tuple.items.empty()) {
    if (end_word == ")") return tuple;  // the empty tuple ()
    fail(fmt::format("expected a name to assign to, got {}", describe(current())));
  }
  Target single = std::move(tuple.items[0]);
  return single;
}

}  // namespace minim::jinja
