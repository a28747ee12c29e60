#include "text/schema/schema_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/grammar/regex_grammar.h"
#include "text/schema/shape_reader.h"
#include "text/schema/string_language.h"
#include "text/schema/value_set.h"
#include "text/utf8.h"

namespace minim {
namespace {

constexpr int kBranchesMax = 2'000;
constexpr size_t kShapesMax = 256;

uint32_t character_count(const std::string& text) {
  uint32_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) i += utf8_at(text, i).length;
  return count;
}

bool ranges_apart(const NumberBounds& a, const NumberBounds& b) {
  const auto below = [](const NumberBounds& low, const NumberBounds& high) {
    if (!low.max || !high.min) return false;
    const int order = Decimal::compare(*low.max, *high.min);
    return order < 0 || (order == 0 && (low.max_excluded || high.min_excluded));
  };
  return below(a, b) || below(b, a);
}

void add(Conjunction& to, const OrderedJson& schema) {
  const auto at = std::lower_bound(to.begin(), to.end(), &schema);
  if (at == to.end() || *at != &schema) to.insert(at, &schema);
}

const OrderedJson* keyword(const OrderedJson& schema, const std::string& name) {
  const auto found = schema.find(name);
  return found == schema.end() ? nullptr : &*found;
}

}  // namespace

uint8_t kind_of(const OrderedJson& value) {
  switch (value.type()) {
    case OrderedJson::value_t::null: return kNullKind;
    case OrderedJson::value_t::boolean: return kBooleanKind;
    case OrderedJson::value_t::string: return kStringKind;
    case OrderedJson::value_t::array: return kArrayKind;
    case OrderedJson::value_t::object: return kObjectKind;
    case OrderedJson::value_t::number_float: {
      const auto number = Decimal::parse(value.dump());
      return number && !number->is_integer() ? kFractionKind : kIntegerKind;
    }
    default: return kIntegerKind;
  }
}

void SchemaShapes::refuse(const OrderedJson& schema, const std::string& name,
                          const std::string& why) const {
  throw Error(ErrorCode::kUnsupported, fmt::format("schema: '{}' at {} is not supported: {}", name,
                                                   document_.path(schema), why));
}

bool SchemaShapes::is_false(const Conjunction& schemas) {
  return std::any_of(schemas.begin(), schemas.end(),
                     [](const OrderedJson* schema) { return *schema == false; });
}

const std::vector<SchemaShape>& SchemaShapes::of(const Conjunction& schemas) {
  if (const auto known = shapes_.find(schemas); known != shapes_.end()) return known->second;
  std::vector<Pending> pending;
  for (const OrderedJson* schema : schemas) pending.push_back({schema, {}});
  std::vector<SchemaShape> shapes;
  expand(std::move(pending), {}, shapes);
  return shapes_.emplace(schemas, std::move(shapes)).first->second;
}

void SchemaShapes::expand(std::vector<Pending> pending, SchemaShape shape,
                          std::vector<SchemaShape>& out) {
  // What is copied on the way counts.
  grammar_.budget().spend(200 + (shape.values ? 8 * int64_t(shape.values->size()) : 0) +
                          8 * int64_t(shape.excluded.size() + shape.required.size()));
  while (!pending.empty()) {
    grammar_.budget().spend(20 + int64_t(pending.back().path.size()));
    const Pending at = std::move(pending.back());
    pending.pop_back();
    const OrderedJson& schema = *at.schema;
    if (schema.is_boolean()) {
      if (schema == false) return;
      continue;
    }
    if (!schema.is_object()) {
      throw Error(ErrorCode::kFormat, fmt::format("schema: {} is no schema: an object, true or "
                                                  "false",
                                                  document_.path(schema)));
    }
    std::vector<const OrderedJson*> path = at.path;
    if (std::find(path.begin(), path.end(), &schema) != path.end()) {
      refuse(schema, "$ref", "it leads back to itself, and no value is in between");
    }
    path.push_back(&schema);
    const bool refers = keyword(schema, "$ref") != nullptr;
    const bool has_siblings = !refers || document_.ref_has_siblings();
    if (has_siblings) read_keywords(*this, schema, shape);
    // In the order in which they are written, the reference first.
    const OrderedJson* all = keyword(schema, "allOf");
    if (all != nullptr && has_siblings) {
      for (size_t i = all->size(); i-- > 0;) pending.push_back({&(*all)[i], path});
    }
    if (refers) pending.push_back({&document_.resolve(schema), path});
    if (!has_siblings) continue;
    const OrderedJson* any = keyword(schema, "anyOf");
    const OrderedJson* one = keyword(schema, "oneOf");
    if (any != nullptr || one != nullptr) {
      branch({&schema, path}, pending, shape, out);
      return;
    }
  }
  apply_values(shape);
  if (shape.kinds == 0 || (shape.values && shape.values->empty())) return;
  if (out.size() >= kShapesMax) {
    throw Error(ErrorCode::kLimit, fmt::format("schema: anyOf, oneOf and allOf combine to more "
                                               "than {} cases",
                                               kShapesMax));
  }
  out.push_back(std::move(shape));
}

void SchemaShapes::branch(const Pending& at, const std::vector<Pending>& pending,
                          const SchemaShape& shape, std::vector<SchemaShape>& out) {
  const OrderedJson& schema = *at.schema;
  static const OrderedJson kAlways = OrderedJson::array({true});
  const OrderedJson* any = keyword(schema, "anyOf");
  const OrderedJson* one = keyword(schema, "oneOf");
  for (const OrderedJson* list : {any, one}) {
    if (list != nullptr && (!list->is_array() || list->empty())) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("schema: '{}' at {} has to be a list of schemas",
                              list == any ? "anyOf" : "oneOf", document_.path(schema)));
    }
  }
  if (one != nullptr) check_one_of(at, pending, shape);
  for (const OrderedJson& first : any != nullptr ? *any : kAlways) {
    for (const OrderedJson& second : one != nullptr ? *one : kAlways) {
      if (++branches_ > kBranchesMax) {
        throw Error(ErrorCode::kLimit, fmt::format("schema: anyOf, oneOf and allOf combine to more "
                                                   "than {} cases",
                                                   kBranchesMax));
      }
      grammar_.budget().spend(24 * int64_t(pending.size()));
      std::vector<Pending> rest = pending;
      rest.push_back({&first, at.path});
      rest.push_back({&second, at.path});
      expand(std::move(rest), shape, out);
    }
  }
}

// Exactly one of the parts has to hold: that is any of them where no value fits two.
void SchemaShapes::check_one_of(const Pending& at, const std::vector<Pending>& pending,
                                const SchemaShape& shape) {
  const OrderedJson& schema = *at.schema;
  const OrderedJson& parts = schema["oneOf"];
  std::vector<std::vector<SchemaShape>> cases(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    grammar_.budget().spend(24 * int64_t(pending.size()));
    std::vector<Pending> rest = pending;
    rest.push_back({&parts[i], at.path});
    expand(std::move(rest), shape, cases[i]);
    for (size_t k = 0; k < i; ++k) {
      for (const SchemaShape& a : cases[i]) {
        for (const SchemaShape& b : cases[k]) {
          if (are_disjoint(a, b, 0)) continue;
          refuse(schema, "oneOf",
                 fmt::format("a value may fit parts {} and {}; write anyOf if "
                             "that is meant",
                             k, i));
        }
      }
    }
  }
}

// Values are checked against everything else now, so that nothing else is left to say.
void SchemaShapes::apply_values(SchemaShape& shape) {
  if (!shape.values) return;
  const std::vector<OrderedJson> values = *std::exchange(shape.values, std::nullopt);
  std::vector<OrderedJson> kept;
  ValueSet known(grammar_.budget());
  for (const OrderedJson& value : values) {
    const std::optional<bool> valid = fits(value, shape);
    if (!valid) {
      throw Error(ErrorCode::kUnsupported,
                  "schema: 'enum' or 'const' with lists or objects beside other keywords for them "
                  "is not supported");
    }
    if (*valid && known.insert(value)) kept.push_back(value);
  }
  shape.kinds = 0;
  for (const OrderedJson& value : kept) shape.kinds |= kind_of(value);
  shape.values = std::move(kept);
}

std::optional<bool> SchemaShapes::fits(const OrderedJson& value, const SchemaShape& shape) {
  grammar_.budget().spend(20 + (shape.values ? int64_t(shape.values->size()) : 0));
  if ((shape.kinds & kind_of(value)) == 0) return false;
  if (shape.values &&
      std::find(shape.values->begin(), shape.values->end(), value) == shape.values->end()) {
    return false;
  }
  if (value.is_number()) {
    const auto number = Decimal::parse(value.dump());
    if (!number) return std::nullopt;
    return shape.numbers.contains(*number);
  }
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const uint32_t length = character_count(text);
    grammar_.budget().spend(int64_t(text.size() / 8) + int64_t(shape.excluded.size()));
    if (length < shape.length_min || length > shape.length_max) return false;
    if (std::find(shape.excluded.begin(), shape.excluded.end(), value) != shape.excluded.end()) {
      return false;
    }
    for (const std::string& pattern : shape.patterns) {
      if (!pattern_matches(pattern, text)) return false;
    }
    for (const std::string& format : shape.formats) {
      if (!format_content(format).matches(text)) return false;
    }
    return true;
  }
  if (value.is_array()) {
    if (value.size() < shape.items_min || value.size() > shape.items_max) return false;
    for (size_t i = 0; i < value.size() && !shape.arrays.empty(); ++i) {
      if (is_false(item(shape, i))) return false;
    }
    return shape.arrays.empty() || value.empty() ? std::optional(true) : std::nullopt;
  }
  if (value.is_object()) {
    if (value.size() < shape.properties_min || value.size() > shape.properties_max) return false;
    for (const std::string& name : shape.required) {
      if (!value.contains(name)) return false;
    }
    const bool free = shape.objects.empty() && shape.names.empty();
    return free || value.empty() ? std::optional(true) : std::nullopt;
  }
  return true;
}

bool SchemaShapes::are_disjoint(const SchemaShape& a, const SchemaShape& b, int depth) {
  grammar_.budget().spend(20);
  const uint8_t both = a.kinds & b.kinds;
  if (both == 0) return true;
  for (const auto& [one, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (!one->values) continue;
    return std::all_of(
        one->values->begin(), one->values->end(),
        [&, rest = other](const OrderedJson& value) { return fits(value, *rest) == false; });
  }
  if ((both & (kNullKind | kBooleanKind)) != 0) return false;
  if ((both & (kIntegerKind | kFractionKind)) != 0 && !ranges_apart(a.numbers, b.numbers)) {
    return false;
  }
  if ((both & kStringKind) != 0 &&
      !intersect(string_content(a), string_content(b), grammar_.budget()).accepts_nothing()) {
    return false;
  }
  if ((both & kArrayKind) != 0 && a.items_max >= b.items_min && b.items_max >= a.items_min) {
    return false;
  }
  if ((both & kObjectKind) == 0) return true;
  constexpr int kDepthMax = 3;
  if (depth == kDepthMax) return false;
  // A property that both need to have, and not the same; or that one needs and the other forbids.
  for (const auto& [one, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    for (const std::string& name : one->required) {
      const Conjunction theirs = property(*other, name);
      if (is_false(theirs)) return true;
      if (!other->required.contains(name)) continue;
      const std::vector<SchemaShape> x = of(property(*one, name)), y = of(theirs);
      const bool apart = std::all_of(x.begin(), x.end(), [&](const SchemaShape& left) {
        return std::all_of(y.begin(), y.end(), [&](const SchemaShape& right) {
          return are_disjoint(left, right, depth + 1);
        });
      });
      if (apart) return true;
    }
  }
  return false;
}

Automaton SchemaShapes::string_content(const SchemaShape& shape) {
  Automaton content = content_of_length(grammar_, shape.length_min, shape.length_max);
  Budget& budget = grammar_.budget();
  for (const std::string& pattern : shape.patterns) {
    content = intersect(content, pattern_content(pattern), budget);
  }
  for (const std::string& format : shape.formats) {
    content = intersect(content, format_content(format), budget);
  }
  std::vector<ExpressionId> excluded;
  for (const OrderedJson& text : shape.excluded) {
    excluded.push_back(grammar_.literal(text.get_ref<const std::string&>()));
  }
  if (!excluded.empty()) {
    content = subtract(content, build_automaton(grammar_, grammar_.choice(excluded)), budget);
  }
  return content;
}

const Automaton& SchemaShapes::pattern_content(const std::string& pattern) {
  if (const auto known = patterns_.find(pattern); known != patterns_.end()) return known->second;
  const ExpressionId expression =
      parse_regex(grammar_, pattern, {.dialect = RegexDialect::kEcma, .search = true});
  return patterns_.emplace(pattern, build_automaton(grammar_, expression)).first->second;
}

const Automaton& SchemaShapes::format_content(const std::string& format) {
  if (const auto known = formats_.find(format); known != formats_.end()) return known->second;
  return formats_.emplace(format, content_of_format(grammar_, format).value()).first->second;
}

bool SchemaShapes::pattern_matches(const std::string& pattern, const std::string& text) {
  return pattern_content(pattern).matches(text);
}

Conjunction SchemaShapes::property(const SchemaShape& shape, const std::string& name) {
  Conjunction result;
  for (const OrderedJson* schema : shape.objects) {
    bool named = false;
    if (const OrderedJson* properties = keyword(*schema, "properties")) {
      grammar_.budget().spend(1 + int64_t(properties->size() / 4));  // names are not indexed
      if (const OrderedJson* own = keyword(*properties, name); own != nullptr) {
        add(result, *own);
        named = true;
      }
    }
    if (const OrderedJson* patterns = keyword(*schema, "patternProperties")) {
      for (const auto& [pattern, own] : patterns->items()) {
        if (!pattern_matches(pattern, name)) continue;
        add(result, own);
        named = true;
      }
    }
    const OrderedJson* others = keyword(*schema, "additionalProperties");
    if (!named && others != nullptr) add(result, *others);
  }
  return result;
}

size_t SchemaShapes::prefix_length(const SchemaShape& shape) const {
  size_t length = 0;
  for (const OrderedJson* schema : shape.arrays) {
    const OrderedJson* prefix = keyword(*schema, "prefixItems");
    const OrderedJson* items = keyword(*schema, "items");
    if (prefix == nullptr && items != nullptr && items->is_array()) prefix = items;
    if (prefix != nullptr) length = std::max(length, prefix->size());
  }
  return length;
}

Conjunction SchemaShapes::item(const SchemaShape& shape, size_t index) const {
  Conjunction result;
  for (const OrderedJson* schema : shape.arrays) {
    const OrderedJson* prefix = keyword(*schema, "prefixItems");
    const OrderedJson* rest = keyword(*schema, "items");
    // Before 2020-12 a list of items came first and additionalItems after it.
    if (prefix == nullptr && rest != nullptr && rest->is_array()) {
      prefix = rest;
      rest = keyword(*schema, "additionalItems");
    }
    if (prefix != nullptr && index < prefix->size()) {
      add(result, (*prefix)[index]);
    } else if (rest != nullptr) {
      add(result, *rest);
    }
  }
  return result;
}

}  // namespace minim
