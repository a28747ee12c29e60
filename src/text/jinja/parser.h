// Tokens to a syntax tree. The grammar is jinja2's, its precedences and oddities included.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template.h"
#include "text/jinja/lexer.h"
#include "text/jinja/syntax_tree.h"

namespace minim::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, const ChatTemplateLimits& limits, Template& result)
      : tokens_(std::move(tokens)), limits_(limits), template_(result) {}

  // Fills the template's body and constants. Throws kFormat, kUnsupported or kLimit with the line.
  void parse();

 private:
  // One level of nesting in the text.
  class Level {
   public:
    explicit Level(Parser& parser);
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  // Tokens.
  const Token& current() const { return tokens_[position_]; }
  const Token& next() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  const Token& take();
  bool skip_operator(std::string_view symbol);
  bool skip_name(std::string_view name);
  const Token& expect(TokenKind kind, std::string_view what);
  void expect_operator(std::string_view symbol);
  [[noreturn]] void fail(std::string_view message) const;
  void require_few(size_t arguments) const;

  // Statements (parser_statements.cc). The words that end a block are given as "endfor|else"; the
  // one that did is the current token afterwards.
  Block parse_block(std::string_view end_words);
  Block parse_body(std::string_view end_words);
  void parse_closed_body(std::string_view end_word, Block& body);
  std::unique_ptr<Statement> parse_statement();
  std::unique_ptr<Statement> parse_set();
  std::unique_ptr<Statement> parse_for();
  std::unique_ptr<Statement> parse_if();
  std::unique_ptr<Statement> parse_macro();
  std::unique_ptr<Statement> parse_call_block();
  std::unique_ptr<Statement> parse_generation();
  std::unique_ptr<Statement> parse_filter_block();
  std::unique_ptr<Statement> parse_with();
  std::unique_ptr<Statement> parse_loop_control();
  void parse_print(Block& block);
  void parse_signature(MacroStatement& macro);
  void parse_function_body(std::string_view end_word, Block& body);
  Target parse_target(std::string_view end_word, bool allow_attribute);
  Target parse_single_target(bool allow_attribute);
  Target parse_name_target();
  [[noreturn]] void fail_unknown_tag(const Token& tag) const;

  // Expressions (parser_expressions.cc).
  ExpressionPointer parse_expression() { return parse_conditional(); }
  ExpressionPointer parse_tuple(bool allow_conditional, std::string_view end_word,
                                bool in_parentheses);
  bool at_tuple_end(std::string_view end_word) const;
  ExpressionPointer parse_conditional();
  ExpressionPointer parse_or();
  ExpressionPointer parse_and();
  ExpressionPointer parse_not();
  ExpressionPointer parse_comparison();
  ExpressionPointer parse_sum();
  ExpressionPointer parse_concatenation();
  ExpressionPointer parse_product();
  ExpressionPointer parse_power();
  ExpressionPointer parse_unary(bool with_filter);
  ExpressionPointer parse_primary();
  ExpressionPointer parse_string();
  ExpressionPointer parse_number();
  ExpressionPointer parse_list();
  ExpressionPointer parse_dict();
  ExpressionPointer parse_postfix(ExpressionPointer value);
  ExpressionPointer parse_filters_and_tests(ExpressionPointer value);
  ExpressionPointer parse_subscript(ExpressionPointer value);
  ExpressionPointer parse_bracket(ExpressionPointer value, int line);
  ExpressionPointer parse_call(ExpressionPointer callee);
  ExpressionPointer parse_filter(ExpressionPointer input);
  ExpressionPointer parse_test(ExpressionPointer value);
  void parse_arguments(Expression& call);
  void parse_argument(Expression& call);
  std::string parse_dotted_name();

  // Nodes.
  ExpressionPointer make(ExpressionKind kind, int line) const;
  ExpressionPointer constant(Literal value, int line);
  void adopt(Expression& parent, ExpressionPointer child) const;
  void adopt_argument(Expression& parent, Argument argument) const;
  void deepen(Expression& parent, const Expression& child) const;
  ExpressionPointer binary(ExpressionKind kind, ExpressionPointer left, ExpressionPointer right,
                           int line) const;

  const std::vector<Token> tokens_;
  const ChatTemplateLimits& limits_;
  Template& template_;
  size_t position_ = 0;
  int depth_ = 0;
  int loop_depth_ = 0;  // loops around this place in the same function: may it break?
};

}  // namespace minim::jinja
