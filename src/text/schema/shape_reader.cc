#include "text/schema/shape_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "text/schema/string_formats.h"
#include "text/schema/value_set.h"

namespace minim {
namespace {

uint8_t kinds_of(std::string_view type) {
  if (type == "null") return kNullKind;
  if (type == "boolean") return kBooleanKind;
  if (type == "integer") return kIntegerKind;
  if (type == "number") return kIntegerKind | kFractionKind;
  if (type == "string") return kStringKind;
  if (type == "array") return kArrayKind;
  if (type == "object") return kObjectKind;
  return 0;
}

class Reader {
 public:
  Reader(const SchemaShapes& shapes, const OrderedJson& schema, SchemaShape& shape)
      : shapes_(shapes), schema_(schema), shape_(shape) {}

  void run() {
    for (const auto& [keyword, value] : schema_.items()) {
      keyword_ = &keyword;
      if (!read_common(value) && !read_number(value) && !read_string(value) && !read_array(value)) {
        read_object(value);
      }
    }
    if (schema_.contains("nullable") && schema_["nullable"] == true) allow_null();
    if (has_array_keywords_) shape_.arrays.push_back(&schema_);
    if (has_object_keywords_) shape_.objects.push_back(&schema_);
  }

 private:
  bool is(std::string_view name) const { return *keyword_ == name; }

  [[noreturn]] void fail(const char* wanted) const {
    throw Error(ErrorCode::kFormat, fmt::format("schema: '{}' at {} has to be {}", *keyword_,
                                                shapes_.document().path(schema_), wanted));
  }
  [[noreturn]] void refuse(const std::string& why) const {
    shapes_.refuse(schema_, *keyword_, why);
  }

  uint32_t count(const OrderedJson& value) const {
    if (!value.is_number()) fail("a number");
    const double number = value.get<double>();
    if (number < 0 || number != double(uint64_t(std::min(number, 1e18)))) fail("a whole number");
    return uint32_t(std::min(number, 4e9));
  }

  Decimal decimal(const OrderedJson& value) const {
    if (!value.is_number()) fail("a number");
    const auto number = Decimal::parse(value.dump());
    if (!number) refuse("a number with so many digits");
    return *number;
  }

  const std::string& text(const OrderedJson& value) const {
    if (!value.is_string()) fail("a text");
    return value.get_ref<const std::string&>();
  }

  bool read_common(const OrderedJson& value) {
    if (is("type")) {
      uint8_t kinds = 0;
      if (value.is_string()) {
        kinds = kinds_of(text(value));
      } else if (value.is_array()) {
        for (const auto& type : value) kinds |= kinds_of(text(type));
      }
      if (kinds == 0) fail("the name of a type, or a list of them");
      shape_.kinds &= kinds;
    } else if (is("enum")) {
      if (!value.is_array()) fail("a list");
      allow_values({value.begin(), value.end()});
    } else if (is("const")) {
      allow_values({value});
    } else if (is("not")) {
      read_not(value);
    } else {
      return false;
    }
    return true;
  }

  void allow_values(const std::vector<OrderedJson>& values) {
    if (!shape_.values) {
      shape_.values = values;
      return;
    }
    ValueSet both(shapes_.budget());
    for (const OrderedJson& value : values) both.insert(value);
    std::erase_if(*shape_.values, [&](const OrderedJson& known) { return !both.contains(known); });
  }

  // OpenAPI's: null is valid besides what the other keywords say.
  void allow_null() {
    static const std::string kName = "nullable";
    keyword_ = &kName;
    if (shape_.values) {
      shape_.values->push_back(nullptr);
    }
    shape_.kinds |= kNullKind;
  }

  // What can be said without a complement of whole languages.
  void read_not(const OrderedJson& value) {
    if (value == false) return;
    if (value == true || (value.is_object() && value.empty())) {
      shape_.kinds = 0;
      return;
    }
    if (!value.is_object() || value.size() != 1) {
      refuse("only true, false, a type, an enum or const of strings can be excluded");
    }
    const std::string& keyword = value.begin().key();
    const OrderedJson& what = value.begin().value();
    if (keyword == "type") {
      uint8_t kinds = 0;
      for (const auto& type : what.is_array() ? what : OrderedJson::array({what})) {
        kinds |= kinds_of(text(type));
      }
      shape_.kinds &= uint8_t(~kinds);
    } else if (keyword == "enum" || keyword == "const") {
      for (const auto& one : keyword == "enum" ? what : OrderedJson::array({what})) {
        if (!one.is_string()) refuse("only strings can be excluded by value");
        shape_.excluded.push_back(one);
      }
    } else {
      refuse("only true, false, a type, an enum or const of strings can be excluded");
    }
  }

  bool read_number(const OrderedJson& value) {
    if (is("minimum")) {
      shape_.numbers.set_min(decimal(value),
                             schema_.value("exclusiveMinimum", OrderedJson()) == true);
    } else if (is("maximum")) {
      shape_.numbers.set_max(decimal(value),
                             schema_.value("exclusiveMaximum", OrderedJson()) == true);
    } else if (is("exclusiveMinimum")) {
      if (!value.is_boolean()) shape_.numbers.set_min(decimal(value), true);
    } else if (is("exclusiveMaximum")) {
      if (!value.is_boolean()) shape_.numbers.set_max(decimal(value), true);
    } else if (is("multipleOf")) {
      const Decimal divisor = decimal(value);
      if (divisor.negative || divisor.is_zero()) fail("more than 0");
      shape_.numbers.multiples_of.push_back(divisor);
    } else {
      return false;
    }
    return true;
  }

  bool read_string(const OrderedJson& value) {
    if (is("minLength")) {
      shape_.length_min = std::max(shape_.length_min, count(value));
    } else if (is("maxLength")) {
      shape_.length_max = std::min(shape_.length_max, count(value));
    } else if (is("pattern")) {
      shape_.patterns.push_back(text(value));
    } else if (is("format")) {
      const std::string& format = text(value);
      if (!format_pattern(format)) {
        refuse(fmt::format("the format '{}' is not known; known are {}", format, format_names()));
      }
      shape_.formats.push_back(format);
    } else {
      return false;
    }
    return true;
  }

  bool read_array(const OrderedJson& value) {
    if (is("minItems")) {
      shape_.items_min = std::max(shape_.items_min, count(value));
    } else if (is("maxItems")) {
      shape_.items_max = std::min(shape_.items_max, count(value));
    } else if (is("items") || is("prefixItems") || is("additionalItems")) {
      has_array_keywords_ = true;
      if (is("prefixItems") && !value.is_array()) fail("a list of schemas");
    } else if (is("uniqueItems")) {
      if (value != false) refuse("items cannot be compared with each other");
    } else if (is("contains") || is("unevaluatedItems")) {
      refuse("only what items say one by one can be told while a text is written");
    } else if (!is("minContains") && !is("maxContains")) {
      return false;
    }
    return true;
  }

  void read_object(const OrderedJson& value) {
    if (is("required")) {
      if (!value.is_array()) fail("a list of names");
      for (const auto& name : value) {
        if (shape_.required.insert(text(name)).second) shape_.required_order.push_back(text(name));
      }
    } else if (is("properties") || is("patternProperties")) {
      if (!value.is_object()) fail("an object");
      has_object_keywords_ = true;
    } else if (is("additionalProperties")) {
      has_object_keywords_ = true;
    } else if (is("minProperties")) {
      shape_.properties_min = std::max(shape_.properties_min, count(value));
    } else if (is("maxProperties")) {
      shape_.properties_max = std::min(shape_.properties_max, count(value));
    } else if (is("propertyNames")) {
      shape_.names.push_back(&value);
    } else if (is("if") || is("dependentRequired") || is("dependentSchemas") ||
               is("dependencies") || is("unevaluatedProperties") || is("$dynamicRef") ||
               is("$recursiveRef")) {
      refuse("it cannot be told while a text is written");
    }
    // What is left describes and does not restrict.
  }

  const SchemaShapes& shapes_;
  const OrderedJson& schema_;
  SchemaShape& shape_;
  const std::string* keyword_ = nullptr;
  bool has_array_keywords_ = false, has_object_keywords_ = false;
};

}  // namespace

void read_keywords(const SchemaShapes& shapes, const OrderedJson& schema, SchemaShape& shape) {
  Reader(shapes, schema, shape).run();
}

}  // namespace minim
