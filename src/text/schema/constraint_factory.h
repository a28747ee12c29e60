// Constraints from what a caller writes, compiled once for all texts that use them.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "text/grammar/constraint.h"
#include "text/schema/schema_grammar.h"
#include "text/tools/tool_grammar.h"

namespace minim {

enum class ConstraintKind {
  kSchema,      // a JSON schema
  kJsonObject,  // any JSON object; `text` is not used
  kRegex,       // the whole text matches
  kGbnf,
  kTools,  // `text` is a list of tools (tools/tool_list.h)
};

struct ConstraintSource {
  ConstraintKind kind = ConstraintKind::kSchema;
  std::string text;
  JsonSpacing spacing = JsonSpacing::kFlexible;  // of JSON
  ToolUse use = {};                              // of tools
  bool operator==(const ConstraintSource&) const = default;
};

// Throws what the parsers of regex_grammar.h, gbnf.h, schema_grammar.h and tool_grammar.h throw.
Grammar parse_constraint(const ConstraintSource& source, const GrammarLimits& limits = {});

struct ConstraintCacheLimits {
  size_t grammars_max = 32;
  size_t bytes_max = size_t{128} << 20;  // of tables and token masks of all kept grammars
};

// One for each tokenizer; on any thread.
class ConstraintFactory {
 public:
  explicit ConstraintFactory(std::shared_ptr<const Tokenizer> tokenizer,
                             const ConstraintCacheLimits& limits = {});

  // A constraint at the beginning of a text. What was compiled last is kept, as much as the limits
  // allow; nothing is kept of what is refused.
  Constraint make(const ConstraintSource& source);

  size_t kept_count() const;
  size_t kept_bytes() const;

 private:
  struct Kept {
    ConstraintSource source;
    uint64_t hash;
    std::shared_ptr<TokenGrammar> grammar;
  };
  std::shared_ptr<TokenGrammar> find(const ConstraintSource& source, uint64_t hash);
  std::shared_ptr<const TokenTries> tries(bool with_marks);
  void drop_old();

  std::shared_ptr<const Tokenizer> tokenizer_;
  const ConstraintCacheLimits limits_;
  mutable std::mutex mutex_;                            // guards what follows
  std::shared_ptr<const TokenTries> tries_;             // made when first needed, as the next
  std::shared_ptr<const TokenTries> tries_with_marks_;  // of tool calls
  std::list<Kept> kept_;                                // used last first
};

}  // namespace minim
