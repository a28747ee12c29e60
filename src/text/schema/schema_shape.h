// What a value has to be, by kinds of values: schemas with their references and combinations
// resolved.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/grammar/grammar.h"
#include "text/schema/number_language.h"
#include "text/schema/schema_document.h"

namespace minim {

enum ValueKinds : uint8_t {
  kNullKind = 1,
  kBooleanKind = 2,
  kIntegerKind = 4,
  kFractionKind = 8,  // numbers that are no integers
  kStringKind = 16,
  kArrayKind = 32,
  kObjectKind = 64,
  kAllKinds = 127,
};

// One of them; a number without a fraction is an integer, however it is written.
uint8_t kind_of(const OrderedJson& value);

// Schemas that all hold, sorted and each once.
using Conjunction = std::vector<const OrderedJson*>;

// One of the ways in which a value can be valid.
struct SchemaShape {
  uint8_t kinds = kAllKinds;
  std::optional<std::vector<OrderedJson>> values;  // enum and const: one of these
  std::vector<OrderedJson> excluded;               // strings that it is not
  NumberBounds numbers;
  uint32_t length_min = 0, length_max = Grammar::kUnbounded;  // of strings, in characters
  std::vector<std::string> patterns, formats;
  uint32_t items_min = 0, items_max = Grammar::kUnbounded;
  uint32_t properties_min = 0, properties_max = Grammar::kUnbounded;
  std::vector<const OrderedJson*> arrays;   // schemas with prefixItems, items, additionalItems
  std::vector<const OrderedJson*> objects;  // with properties, patternProperties, ...
  Conjunction names;                        // propertyNames
  std::set<std::string> required;
  std::vector<std::string> required_order;
};

class SchemaShapes {
 public:
  // REQUIRES: both outlive it.
  SchemaShapes(const SchemaDocument& document, Grammar& grammar)
      : document_(document), grammar_(grammar) {}

  // A value is valid if and only if one of the shapes fits it. Throws kFormat, kLimit, and
  // kUnsupported with the keyword and its path.
  const std::vector<SchemaShape>& of(const Conjunction& schemas);

  // Whether no value fits both: false where that cannot be told.
  bool are_disjoint(const SchemaShape& a, const SchemaShape& b, int depth);
  // Whether the value fits; nothing where that cannot be told.
  std::optional<bool> fits(const OrderedJson& value, const SchemaShape& shape);

  // What strings of the shape contain.
  Automaton string_content(const SchemaShape& shape);
  // What the schemas say about a property, or an item.
  Conjunction property(const SchemaShape& shape, const std::string& name);
  Conjunction item(const SchemaShape& shape, size_t index) const;
  // Items at this index and after it are held to the same.
  size_t prefix_length(const SchemaShape& shape) const;
  bool pattern_matches(const std::string& pattern, const std::string& text);
  const Automaton& pattern_content(const std::string& pattern);
  // REQUIRES: the format is known.
  const Automaton& format_content(const std::string& format);

  static bool is_false(const Conjunction& schemas);
  const SchemaDocument& document() const { return document_; }
  Budget& budget() const { return grammar_.budget(); }
  [[noreturn]] void refuse(const OrderedJson& schema, const std::string& keyword,
                           const std::string& why) const;

 private:
  struct Pending {
    const OrderedJson* schema;
    std::vector<const OrderedJson*> path;  // the schemas that led here without a step down
  };
  void expand(std::vector<Pending> pending, SchemaShape shape, std::vector<SchemaShape>& out);
  void branch(const Pending& at, const std::vector<Pending>& pending, const SchemaShape& shape,
              std::vector<SchemaShape>& out);
  void check_one_of(const Pending& at, const std::vector<Pending>& pending,
                    const SchemaShape& shape);
  void apply_values(SchemaShape& shape);

  const SchemaDocument& document_;
  Grammar& grammar_;
  std::map<Conjunction, std::vector<SchemaShape>> shapes_;
  std::map<std::string, Automaton> patterns_, formats_;
  int branches_ = 0;
};

}  // namespace minim
