// Whether a value is what a JSON schema says: of the schemas that serve/openapi/schema.h makes.
#pragma once

#include <algorithm>
#include <regex>
#include <string>
#include <string_view>

#include "base/json.h"

namespace minim::serve::testing {

class JsonSchema {
 public:
  // With `strict`, members that no schema names are wrong wherever they are.
  JsonSchema(const OrderedJson& document, bool strict) : document_(document), strict_(strict) {}

  const OrderedJson& resolve(const OrderedJson& schema) const {
    const auto reference = schema.find("$ref");
    if (reference == schema.end()) return schema;
    return document_.at(OrderedJson::json_pointer(reference->get<std::string>().substr(1)));
  }

  // Empty, or what is wrong where.
  std::string check(const OrderedJson& given, const OrderedJson& value,
                    const std::string& path = "$") const {
    const OrderedJson& schema = resolve(given);
    if (const auto options = schema.find("anyOf"); options != schema.end()) {
      std::string all;
      for (const OrderedJson& option : *options) {
        const std::string wrong = check(option, value, path);
        if (wrong.empty()) return {};
        all += " [" + wrong + "]";
      }
      return path + " is none of:" + all;
    }
    if (schema.contains("const") && schema["const"] != value) return path + " is not the constant";
    if (const auto names = schema.find("enum"); names != schema.end()) {
      if (std::find(names->begin(), names->end(), value) == names->end()) {
        return path + " is none of the names: " + value.dump();
      }
    }
    if (schema.contains("type") && !has_type(value, schema["type"])) {
      return path + " is of the wrong type";
    }
    if (value.is_number()) return check_number(schema, value, path);
    if (value.is_string()) return check_text(schema, value, path);
    if (value.is_array()) return check_list(schema, value, path);
    if (value.is_object()) return check_object(schema, value, path);
    return {};
  }

 private:
  static bool has_type(const OrderedJson& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "number") return value.is_number();
    return value.is_number_integer() ||
           (value.is_number() && value.get<double>() == static_cast<double>(value.get<int64_t>()));
  }
  static std::string check_number(const OrderedJson& schema, const OrderedJson& value,
                                  const std::string& path) {
    if (schema.contains("minimum") && value < schema["minimum"]) return path + " is too small";
    if (schema.contains("maximum") && value > schema["maximum"]) return path + " is too large";
    return {};
  }
  static std::string check_text(const OrderedJson& schema, const OrderedJson& value,
                                const std::string& path) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() < schema.value("minLength", size_t{0})) return path + " is too short";
    if (text.size() > schema.value("maxLength", SIZE_MAX)) return path + " is too long";
    if (schema.contains("pattern") &&
        !std::regex_search(text, std::regex(schema["pattern"].get<std::string>()))) {
      return path + " does not match";
    }
    return {};
  }
  std::string check_list(const OrderedJson& schema, const OrderedJson& value,
                         const std::string& path) const {
    if (value.size() < schema.value("minItems", size_t{0})) return path + " is too short";
    if (value.size() > schema.value("maxItems", SIZE_MAX)) return path + " is too long";
    if (!schema.contains("items")) return {};
    for (size_t i = 0; i < value.size(); ++i) {
      std::string wrong = check(schema["items"], value[i], path + "[" + std::to_string(i) + "]");
      if (!wrong.empty()) return wrong;
    }
    return {};
  }
  std::string check_object(const OrderedJson& schema, const OrderedJson& value,
                           const std::string& path) const {
    if (value.size() > schema.value("maxProperties", SIZE_MAX)) return path + " is too large";
    for (const OrderedJson& name : schema.value("required", OrderedJson::array())) {
      if (!value.contains(name.get<std::string>())) return path + " lacks " + name.dump();
    }
    const bool is_any = !schema.contains("type");
    for (const auto& [name, member] : value.items()) {
      const std::string at = path + "." + name;
      std::string wrong;
      if (schema.contains("properties") && schema["properties"].contains(name)) {
        wrong = check(schema["properties"][name], member, at);
      } else if (schema.contains("additionalProperties")) {
        if (schema["additionalProperties"] == false) return at + " is not known";
        wrong = check(schema["additionalProperties"], member, at);
      } else if (strict_ && !is_any) {
        return at + " is in no schema";
      }
      if (!wrong.empty()) return wrong;
    }
    return {};
  }

  const OrderedJson& document_;
  const bool strict_;
};

}  // namespace minim::serve::testing
