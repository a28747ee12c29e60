#include "text/schema/constraint_factory.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "text/grammar/gbnf.h"
#include "text/grammar/regex_grammar.h"

namespace minim {
namespace {

// Marks of tool calls that are control tokens here.
std::vector<TokenId> mark_tokens(const Tokenizer& tokenizer) {
  std::vector<std::string_view> marks = {"[ARGS]"};
  for (int i = 0; i < kToolNotationCount; ++i) {
    const ToolSyntax& syntax = tool_syntax(static_cast<ToolNotation>(i));
    marks.insert(marks.end(), syntax.begins.begin(), syntax.begins.end());
    marks.push_back(syntax.end);
  }
  std::vector<TokenId> tokens;
  for (const std::string_view mark : marks) {
    const auto token = tokenizer.find(mark);
    if (token && tokenizer.is_special(*token)) tokens.push_back(*token);
  }
  return tokens;
}

std::shared_ptr<TokenGrammar> compile(const ConstraintSource& source,
                                      std::shared_ptr<const TokenTries> tries) {
  try {
    return TokenGrammar::make(parse_constraint(source), std::move(tries));
  } catch (const Error& error) {
    const std::string_view what = error.what();
    if (source.kind != ConstraintKind::kTools || what.starts_with("tools: ")) throw;
    throw Error(error.code(), fmt::format("tools: all together: {}", what));
  }
}

}  // namespace

Grammar parse_constraint(const ConstraintSource& source, const GrammarLimits& limits) {
  switch (source.kind) {
    case ConstraintKind::kSchema:
      return parse_schema_grammar(source.text, {source.spacing}, limits);
    case ConstraintKind::kJsonObject: break;
    case ConstraintKind::kRegex: return regex_grammar(source.text, {}, limits);
    case ConstraintKind::kGbnf: return parse_gbnf(source.text, limits);
    case ConstraintKind::kTools: return tool_grammar(parse_tools(source.text), source.use, limits);
  }
  return json_object_grammar({source.spacing});
}

ConstraintFactory::ConstraintFactory(std::shared_ptr<const Tokenizer> tokenizer,
                                     const ConstraintCacheLimits& limits)
    : tokenizer_(std::move(tokenizer)), limits_(limits) {}

Constraint ConstraintFactory::make(const ConstraintSource& source) {
  XxHash64 digest;
  digest.update(source.text);
  const uint64_t hash = digest.digest();
  if (auto known = find(source, hash)) return Constraint(std::move(known));
  // Compiled without the lock: two that ask for the same at once both compile it.
  auto grammar = compile(source, tries(source.kind == ConstraintKind::kTools));
  const std::lock_guard lock(mutex_);
  kept_.push_front({source, hash, grammar});
  drop_old();
  return Constraint(std::move(grammar));
}

std::shared_ptr<TokenGrammar> ConstraintFactory::find(const ConstraintSource& source,
                                                      uint64_t hash) {
  const std::lock_guard lock(mutex_);
  const auto at = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) {
    return kept.hash == hash && kept.source == source;
  });
  if (at == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, at);
  drop_old();
  return kept_.front().grammar;
}

std::shared_ptr<const TokenTries> ConstraintFactory::tries(bool with_marks) {
  const std::lock_guard lock(mutex_);
  if (with_marks && !tries_with_marks_) {
    const std::vector<TokenId> marks = mark_tokens(*tokenizer_);
    if (!marks.empty()) tries_with_marks_ = TokenTries::make(tokenizer_, marks);
  }
  if (with_marks && tries_with_marks_) return tries_with_marks_;
  if (!tries_) tries_ = TokenTries::make(tokenizer_);
  return tries_;
}

// REQUIRES: the mutex is held. Masks grow while grammars are used, so this looks at all of them.
void ConstraintFactory::drop_old() {
  size_t count = 0, bytes = 0;
  for (auto at = kept_.begin(); at != kept_.end(); ++at) {
    bytes += at->grammar->memory_bytes() + at->source.text.size();
    if (++count > 1 && (count > limits_.grammars_max || bytes > limits_.bytes_max)) {
      kept_.erase(at, kept_.end());
      return;
    }
  }
}

size_t ConstraintFactory::kept_count() const {
  const std::lock_guard lock(mutex_);
  return kept_.size();
}

size_t ConstraintFactory::kept_bytes() const {
  const std::lock_guard lock(mutex_);
  size_t bytes = 0;
  for (const Kept& kept : kept_) bytes += kept.grammar->memory_bytes() + kept.source.text.size();
  return bytes;
}

}  // namespace minim
