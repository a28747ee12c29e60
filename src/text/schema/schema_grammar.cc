#include "text/schema/schema_grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/error.h"
#include "text/schema/schema_document.h"
#include "text/schema/schema_shape.h"
#include "text/schema/string_language.h"

namespace minim {
namespace {

constexpr uint32_t kUnbounded = Grammar::kUnbounded;

// The members of an object: which may come next, and how many there are.
struct Member {
  ExpressionId text;  // with its name
  bool required;
};

class Compiler {
 public:
  Compiler(Grammar& grammar, const OrderedJson& schema, const SchemaOptions& options)
      : grammar_(grammar), document_(schema), shapes_(document_, grammar_), options_(options) {
    make_spacing();
  }

  ExpressionId run() { return checked(value({&document_.root()})); }

  ExpressionId run_tagged(const MemberTags& tags) {
    tags_ = &tags;
    std::vector<ExpressionId> choices;
    const std::vector<SchemaShape> shapes = shapes_.of({&document_.root()});
    for (const SchemaShape& shape : shapes) {
      if (shape.values) shapes_.refuse(document_.root(), "enum", "of whole objects");
      if ((shape.kinds & kObjectKind) != 0) choices.push_back(tagged_members(shape));
    }
    return checked(grammar_.choice(std::move(choices)));
  }

 private:
  ExpressionId checked(ExpressionId all) const {
    if (all != Grammar::kNothing) return all;
    throw Error(ErrorCode::kFormat,
                fmt::format("schema: no value is valid by it: {}",
                            impossible_ == "#" ? "its keywords contradict each other"
                                               : "nothing fits " + impossible_));
  }

  void make_spacing() {
    const ExpressionId space = grammar_.literal(" ");
    switch (options_.spacing) {
      case JsonSpacing::kCompact: after_sign_ = inside_ = Grammar::kEmpty; break;
      case JsonSpacing::kSpaced:
        after_sign_ = space;
        inside_ = Grammar::kEmpty;
        break;
      case JsonSpacing::kFlexible: {
        const ExpressionId indent = grammar_.choice(
            {grammar_.repeat(space, 0, 32), grammar_.repeat(grammar_.literal("\t"), 1, 8)});
        inside_ = grammar_.choice(
            {space, grammar_.optional(grammar_.sequence({grammar_.literal("\n"), indent}))});
        after_sign_ = inside_;
        break;
      }
    }
    comma_ = grammar_.sequence({grammar_.literal(","), after_sign_});
    colon_ = grammar_.sequence({grammar_.literal(":"), options_.spacing == JsonSpacing::kFlexible
                                                           ? grammar_.optional(space)
                                                           : after_sign_});
  }

  // A rule for each set of schemas, so that they may recur.
  ExpressionId value(const Conjunction& schemas) {
    const auto known = rules_.find(schemas);
    if (known != rules_.end()) {
      const Grammar::Rule& rule = grammar_.rules()[known->second];
      const bool is_nothing = rule.defined && rule.body == Grammar::kNothing;
      return is_nothing ? Grammar::kNothing : grammar_.rule(known->second);
    }
    const RuleId rule =
        grammar_.add_rule(schemas.empty() ? "any value" : document_.path(*schemas[0]));
    rules_.emplace(schemas, rule);
    if (++depth_ > kDepthMax) {
      throw Error(ErrorCode::kLimit,
                  fmt::format("schema: more than {} levels of nesting", kDepthMax));
    }
    std::vector<ExpressionId> choices;
    // The shapes may move when others are made.
    const std::vector<SchemaShape> shapes = shapes_.of(schemas);
    for (const SchemaShape& shape : shapes) choices.push_back(of_shape(shape));
    --depth_;
    const ExpressionId body = grammar_.choice(std::move(choices));
    grammar_.define(rule, body);
    if (body != Grammar::kNothing) return grammar_.rule(rule);
    note_impossible(grammar_.rules()[rule].name);
    return body;
  }

  // What is inside of `path` is why nothing fits it.
  void note_impossible(const std::string& path) {
    if (!impossible_.starts_with(path + "/")) impossible_ = path;
  }

  ExpressionId of_shape(const SchemaShape& shape) {
    std::vector<ExpressionId> choices;
    if (shape.values) {
      for (const OrderedJson& one : *shape.values) choices.push_back(constant(one));
      return grammar_.choice(std::move(choices));
    }
    if ((shape.kinds & kNullKind) != 0) choices.push_back(grammar_.literal("null"));
    if ((shape.kinds & kBooleanKind) != 0) {
      choices.push_back(grammar_.literal("true"));
      choices.push_back(grammar_.literal("false"));
    }
    NumberBounds numbers = shape.numbers;
    numbers.integers = (shape.kinds & kIntegerKind) != 0;
    numbers.fractions = (shape.kinds & kFractionKind) != 0;
    choices.push_back(number_language(grammar_, numbers));
    if ((shape.kinds & kStringKind) != 0) choices.push_back(string(shape));
    if ((shape.kinds & kArrayKind) != 0) choices.push_back(array(shape));
    if ((shape.kinds & kObjectKind) != 0) choices.push_back(object(shape));
    return grammar_.choice(std::move(choices));
  }

  ExpressionId constant(const OrderedJson& json) {
    if (json.is_array() || json.is_object()) {
      std::vector<ExpressionId> parts;
      for (const auto& [name, member] : json.items()) {
        if (!parts.empty()) parts.push_back(comma_);
        if (json.is_object()) {
          parts.push_back(grammar_.literal(json_string(name)));
          parts.push_back(colon_);
        }
        parts.push_back(constant(member));
      }
      return enclosed(json.is_array() ? "[]" : "{}", grammar_.sequence(std::move(parts)));
    }
    if (json.is_number_float()) {
      const auto number = Decimal::parse(json.dump());
      if (number && number->is_integer()) {
        return grammar_.literal((number->negative ? "-" : "") + number->integer);
      }
    }
    return grammar_.literal(json.dump());
  }

  ExpressionId enclosed(const char* brackets, ExpressionId inside) {
    const ExpressionId open = grammar_.literal({brackets, 1}),
                       close = grammar_.literal({brackets + 1, 1});
    return grammar_.sequence({open, inside_, inside, inside_, close});
  }

  ExpressionId string(const SchemaShape& shape) {
    if (shape.patterns.empty() && shape.formats.empty() && shape.excluded.empty()) {
      return string_of_length(grammar_, shape.length_min, shape.length_max);
    }
    return quoted(grammar_, shapes_.string_content(shape));
  }

  ExpressionId array(const SchemaShape& shape) {
    const uint32_t prefix = uint32_t(shapes_.prefix_length(shape));
    uint32_t max = shape.items_max;
    const uint32_t min = shape.items_min;
    for (uint32_t i = 0; i <= prefix; ++i) {
      if (SchemaShapes::is_false(shapes_.item(shape, i))) max = std::min(max, i);
    }
    if (min > max) return Grammar::kNothing;
    // From the last item to the first.
    const uint32_t own = std::min(prefix, max);
    ExpressionId rest = Grammar::kEmpty;
    if (max > own) {
      const ExpressionId one = value(shapes_.item(shape, own));
      const ExpressionId next = grammar_.sequence({comma_, one});
      const uint32_t need = min > own ? min - own : 0;
      const uint32_t allowed = max == kUnbounded ? max : max - own;
      if (own > 0) {
        rest = grammar_.repeat(next, need, allowed);
      } else {
        rest = grammar_.sequence(
            {one, grammar_.repeat(next, need > 0 ? need - 1 : 0,
                                  allowed == kUnbounded ? allowed : allowed - 1)});
        if (need == 0) rest = grammar_.optional(rest);
      }
    }
    for (uint32_t i = own; i-- > 0;) {
      rest = grammar_.sequence(
          {i > 0 ? comma_ : Grammar::kEmpty, value(shapes_.item(shape, i)), rest});
      if (i >= min) rest = grammar_.optional(rest);
    }
    return enclosed("[]", rest);
  }

  ExpressionId object(const SchemaShape& shape) {
    const auto member = [&](const std::string& name, const Conjunction& own) {
      return grammar_.sequence({grammar_.literal(json_string(name)), colon_, value(own)});
    };
    const auto other = [&](const Automaton& language, const Conjunction& own) {
      return grammar_.sequence({quoted(grammar_, language), colon_, value(own)});
    };
    return enclosed("{}", members(shape, {member, other, comma_}));
  }

  // How members are written: one by its name, one by a language of names, and what is between two.
  struct MemberForm {
    std::function<ExpressionId(const std::string&, const Conjunction&)> named;
    std::function<ExpressionId(const Automaton&, const Conjunction&)> unnamed;
    ExpressionId separator;
  };

  ExpressionId members(const SchemaShape& shape, const MemberForm& form) {
    std::vector<Member> members;
    std::set<std::string> named;
    const std::optional<Automaton> allowed_names = names(shape);
    const auto declare = [&](const std::string& name) {
      if (!named.insert(name).second) return true;
      const Conjunction own = shapes_.property(shape, name);
      const bool required = shape.required.contains(name);
      const bool forbidden =
          SchemaShapes::is_false(own) || (allowed_names && !allowed_names->matches(name));
      if (forbidden) return !required;
      members.push_back({form.named(name, own), required});
      return true;
    };
    for (const OrderedJson* schema : shape.objects) {
      const auto properties = schema->find("properties");
      if (properties == schema->end()) continue;
      for (const auto& [name, own] : properties->items()) {
        if (!declare(name)) return Grammar::kNothing;
      }
    }
    for (const std::string& name : shape.required_order) {
      if (!declare(name)) return Grammar::kNothing;
    }
    const ExpressionId other = other_members(shape, named, allowed_names, form);
    return member_list(shape, members, other, form.separator);
  }

  ExpressionId tagged_members(const SchemaShape& shape) {
    const auto member = [&](const std::string& name, const Conjunction& own) {
      if (name.find_first_of("<>\n") != std::string::npos) {
        throw Error(ErrorCode::kUnsupported,
                    fmt::format("schema: the property '{}' cannot be written as a tag", name));
      }
      return grammar_.sequence({grammar_.literal(std::string(tags_->name_begin) + name),
                                grammar_.literal(tags_->name_end), tagged_value(own),
                                grammar_.literal(tags_->value_end)});
    };
    const auto other = [&](const Automaton& language, const Conjunction& own) {
      const CharacterSet letters = {{'-', '.'}, {'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
      const Automaton plain =
          build_automaton(grammar_, grammar_.repeat(grammar_.characters(letters), 1, 64));
      return grammar_.sequence({grammar_.literal(tags_->name_begin),
                                grammar_.automaton(intersect(language, plain, grammar_.budget())),
                                grammar_.literal(tags_->name_end), tagged_value(own),
                                grammar_.literal(tags_->value_end)});
    };
    return members(shape, {member, other, Grammar::kEmpty});
  }

  ExpressionId tagged_value(const Conjunction& schemas) {
    std::vector<ExpressionId> choices;
    const std::vector<SchemaShape> shapes = shapes_.of(schemas);
    for (SchemaShape shape : shapes) {
      if (shape.values) {
        for (const OrderedJson& one : *shape.values) {
          choices.push_back(one.is_string() ? tagged_text(one.get_ref<const std::string&>())
                                            : constant(one));
        }
        continue;
      }
      if ((shape.kinds & kStringKind) != 0) choices.push_back(tagged_text(shape));
      shape.kinds &= uint8_t(~kStringKind);
      if (shape.kinds != 0) choices.push_back(of_shape(shape));
    }
    const ExpressionId result = grammar_.choice(std::move(choices));
    if (result == Grammar::kNothing && !schemas.empty()) {
      note_impossible(document_.path(*schemas[0]));
    }
    return result;
  }

  ExpressionId tagged_text(const std::string& text) {
    return text.find(tags_->mark) == std::string::npos ? grammar_.literal(text) : Grammar::kNothing;
  }

  ExpressionId tagged_text(const SchemaShape& shape) {
    Budget& budget = grammar_.budget();
    const bool is_free = shape.patterns.empty() && shape.formats.empty() &&
                         shape.excluded.empty() && shape.length_min == 0 &&
                         shape.length_max == kUnbounded;
    if (is_free && free_text_ != Grammar::kNothing) return free_text_;
    const ExpressionId any =
        grammar_.repeat(grammar_.characters(CharacterSet::all()), 0, kUnbounded);
    const Automaton marked =
        build_automaton(grammar_, grammar_.sequence({any, grammar_.literal(tags_->mark), any}));
    const ExpressionId text =
        grammar_.automaton(subtract(shapes_.string_content(shape), marked, budget));
    if (is_free) free_text_ = text;
    return text;
  }

  // What propertyNames leaves; nothing: any name.
  std::optional<Automaton> names(const SchemaShape& shape) {
    if (shape.names.empty()) return std::nullopt;
    Conjunction schemas = shape.names;
    std::sort(schemas.begin(), schemas.end());
    schemas.erase(std::unique(schemas.begin(), schemas.end()), schemas.end());
    std::vector<ExpressionId> choices;
    const std::vector<SchemaShape> shapes = shapes_.of(schemas);
    for (const SchemaShape& one : shapes) {
      if ((one.kinds & kStringKind) == 0) continue;
      if (one.values) {
        for (const OrderedJson& name : *one.values) {
          if (name.is_string()) choices.push_back(grammar_.literal(name.get<std::string>()));
        }
      } else {
        choices.push_back(grammar_.automaton(shapes_.string_content(one)));
      }
    }
    return build_automaton(grammar_, grammar_.choice(std::move(choices)));
  }

  // Members whose names are not listed, by which patterns their names match.
  ExpressionId other_members(const SchemaShape& shape, const std::set<std::string>& named,
                             const std::optional<Automaton>& allowed_names,
                             const MemberForm& form) {
    Budget& budget = grammar_.budget();
    Automaton free = allowed_names ? *allowed_names : content_of_length(grammar_, 0, kUnbounded);
    std::vector<ExpressionId> listed;
    for (const std::string& name : named) listed.push_back(grammar_.literal(name));
    if (!listed.empty()) {
      free = subtract(free, build_automaton(grammar_, grammar_.choice(std::move(listed))), budget);
    }
    std::set<std::string> patterns;
    for (const OrderedJson* schema : shape.objects) {
      if (const auto own = schema->find("patternProperties"); own != schema->end()) {
        for (const auto& [pattern, unused] : own->items()) patterns.insert(pattern);
      }
    }
    std::vector<std::pair<Automaton, std::set<std::string>>> classes = {{std::move(free), {}}};
    for (const std::string& pattern : patterns) {
      std::vector<std::pair<Automaton, std::set<std::string>>> split;
      for (auto& [language, matched] : classes) {
        Automaton inside = intersect(language, shapes_.pattern_content(pattern), budget);
        Automaton outside = subtract(language, shapes_.pattern_content(pattern), budget);
        if (!outside.accepts_nothing()) split.emplace_back(std::move(outside), matched);
        matched.insert(pattern);
        if (!inside.accepts_nothing()) split.emplace_back(std::move(inside), std::move(matched));
      }
      classes = std::move(split);
      if (classes.size() > 64) {
        throw Error(ErrorCode::kLimit, "schema: patternProperties overlap in more than 64 ways");
      }
    }
    std::vector<ExpressionId> choices;
    for (const auto& [language, matched] : classes) {
      const Conjunction own = unlisted(shape, matched);
      if (language.accepts_nothing() || SchemaShapes::is_false(own)) continue;
      choices.push_back(form.unnamed(language, own));
    }
    return grammar_.choice(std::move(choices));
  }

  // What is said about a name that is not listed and matches these patterns.
  static Conjunction unlisted(const SchemaShape& shape, const std::set<std::string>& matched) {
    std::set<const OrderedJson*> result;
    for (const OrderedJson* schema : shape.objects) {
      bool named = false;
      if (const auto own = schema->find("patternProperties"); own != schema->end()) {
        for (const auto& [pattern, one] : own->items()) {
          if (!matched.contains(pattern)) continue;
          result.insert(&one);
          named = true;
        }
      }
      const auto others = schema->find("additionalProperties");
      if (!named && others != schema->end()) result.insert(&*others);
    }
    return {result.begin(), result.end()};
  }

  ExpressionId member_list(const SchemaShape& shape, const std::vector<Member>& members,
                           ExpressionId other, ExpressionId separator) {
    const uint32_t min = shape.properties_min, max = shape.properties_max;
    const auto required = uint32_t(
        std::count_if(members.begin(), members.end(), [](const Member& m) { return m.required; }));
    // Names that are not listed cannot be told apart, so that two of them may be one property.
    if (other != Grammar::kNothing && min > required + 1) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("schema: 'minProperties' of {} is not supported where names are not "
                              "listed: they cannot be compared with each other",
                              min));
    }
    const uint32_t most = max == kUnbounded ? std::max(1u, min) : max;
    const uint64_t states = (uint64_t{most} + 1) * (members.size() + 1);
    if (states > 20'000) {
      throw Error(ErrorCode::kLimit, "schema: 'maxProperties' or 'minProperties' is too large");
    }
    // lists[c]: what may follow the members before, of which c are there (at least `most`, where
    // there is no maximum).
    std::vector<ExpressionId> lists(most + 1);
    const auto separated = [&](uint32_t count, ExpressionId member) {
      return count == 0 ? member : grammar_.sequence({separator, member});
    };
    const auto after = [&](uint32_t count) {
      return max == kUnbounded ? std::min(count + 1, most) : count + 1;
    };
    for (uint32_t c = most + 1; c-- > 0;) {
      const ExpressionId end = c >= min && c <= max ? Grammar::kEmpty : Grammar::kNothing;
      if (c == most && max == kUnbounded) {
        lists[c] =
            c >= min ? grammar_.repeat(separated(c, other), 0, kUnbounded) : Grammar::kNothing;
      } else if (c < max) {
        lists[c] =
            grammar_.choice({end, grammar_.sequence({separated(c, other), lists[after(c)]})});
      } else {
        lists[c] = end;
      }
    }
    for (size_t i = members.size(); i-- > 0;) {
      std::vector<ExpressionId> before(most + 1);
      for (uint32_t c = 0; c <= most; ++c) {
        std::vector<ExpressionId> choices;
        if (c < max) {
          choices.push_back(grammar_.sequence({separated(c, members[i].text), lists[after(c)]}));
        }
        if (!members[i].required) choices.push_back(lists[c]);
        const ExpressionId list = grammar_.choice(std::move(choices));
        before[c] = list == Grammar::kNothing ? list : as_rule(list);
      }
      lists = std::move(before);
    }
    return lists[0];
  }

  // A rule of its own, for depth.
  ExpressionId as_rule(ExpressionId body) {
    const RuleId rule = grammar_.add_rule("members");
    grammar_.define(rule, body);
    return grammar_.rule(rule);
  }

  static constexpr int kDepthMax = 100;

  Grammar& grammar_;
  SchemaDocument document_;
  SchemaShapes shapes_;
  SchemaOptions options_;
  const MemberTags* tags_ = nullptr;
  ExpressionId free_text_ = Grammar::kNothing;  // of tags, once it is made
  ExpressionId inside_ = Grammar::kEmpty, after_sign_ = Grammar::kEmpty;
  ExpressionId comma_ = Grammar::kEmpty, colon_ = Grammar::kEmpty;
  std::map<Conjunction, RuleId> rules_;
  std::string impossible_ = "#";  // the last schema that nothing fits, the innermost of several
  int depth_ = 0;
};

}  // namespace

Grammar schema_grammar(const OrderedJson& schema, const SchemaOptions& options,
                       const GrammarLimits& limits) {
  Grammar grammar(limits);
  grammar.set_start(add_schema(grammar, schema, options));
  return grammar;
}

ExpressionId add_schema(Grammar& grammar, const OrderedJson& schema, const SchemaOptions& options) {
  return Compiler(grammar, schema, options).run();
}

ExpressionId add_tagged_members(Grammar& grammar, const OrderedJson& schema, const MemberTags& tags,
                                const SchemaOptions& options) {
  return Compiler(grammar, schema, options).run_tagged(tags);
}

Grammar parse_schema_grammar(std::string_view text, const SchemaOptions& options,
                             const GrammarLimits& limits) {
  const OrderedJson schema =
      parse_ordered_json(text, "schema", {.bytes_max = limits.source_bytes_max, .depth_max = 200});
  return schema_grammar(schema, options, limits);
}

Grammar json_object_grammar(const SchemaOptions& options) {
  static const OrderedJson kObject = {{"type", "object"}};
  return schema_grammar(kObject, options);
}

}  // namespace minim
