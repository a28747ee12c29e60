#include "serve/openapi/schema.h"

#include <string>

namespace minim::serve::schema {
namespace {

OrderedJson of_type(const char* type) {
  OrderedJson schema = OrderedJson::object();
  schema["type"] = type;
  return schema;
}

OrderedJson object_of(Members members) {
  OrderedJson schema = of_type("object");
  OrderedJson& properties = schema["properties"] = OrderedJson::object();
  for (const Member& member : members) properties[member.first] = member.second;
  return schema;
}

}  // namespace

OrderedJson any() { return OrderedJson::object(); }
OrderedJson text() { return of_type("string"); }
OrderedJson boolean() { return of_type("boolean"); }
OrderedJson number() { return of_type("number"); }
OrderedJson integer() { return of_type("integer"); }

OrderedJson number(double least, double most) {
  OrderedJson schema = number();
  schema["minimum"] = least;
  schema["maximum"] = most;
  return schema;
}

OrderedJson integer(int64_t least) {
  OrderedJson schema = integer();
  schema["minimum"] = least;
  return schema;
}

OrderedJson integer(int64_t least, int64_t most) {
  OrderedJson schema = integer(least);
  schema["maximum"] = most;
  return schema;
}

OrderedJson choice(Names values) {
  OrderedJson schema = text();
  OrderedJson& list = schema["enum"] = OrderedJson::array();
  for (const char* value : values) list.push_back(value);
  return schema;
}

OrderedJson constant(OrderedJson value) {
  OrderedJson schema = OrderedJson::object();
  schema["const"] = std::move(value);
  return schema;
}

OrderedJson list(OrderedJson of) {
  OrderedJson schema = of_type("array");
  schema["items"] = std::move(of);
  return schema;
}

OrderedJson list(OrderedJson of, int64_t least, int64_t most) {
  OrderedJson schema = list(std::move(of));
  if (least > 0) schema["minItems"] = least;
  schema["maxItems"] = most;
  return schema;
}

OrderedJson map(OrderedJson of) {
  OrderedJson schema = of_type("object");
  schema["additionalProperties"] = std::move(of);
  return schema;
}

OrderedJson either(std::initializer_list<OrderedJson> these) {
  OrderedJson schema = OrderedJson::object();
  OrderedJson& list = schema["anyOf"] = OrderedJson::array();
  for (const OrderedJson& each : these) list.push_back(each);
  return schema;
}

OrderedJson nullable(OrderedJson schema) { return either({std::move(schema), of_type("null")}); }

OrderedJson ref(const char* component) {
  OrderedJson schema = OrderedJson::object();
  schema["$ref"] = std::string("#/components/schemas/") + component;
  return schema;
}

OrderedJson closed(Members members, Names required) {
  OrderedJson schema = object_of(members);
  if (required.size() > 0) {
    OrderedJson& names = schema["required"] = OrderedJson::array();
    for (const char* name : required) names.push_back(name);
  }
  schema["additionalProperties"] = false;
  return schema;
}

OrderedJson reply(Members members, Names optional) {
  OrderedJson schema = object_of(members);
  OrderedJson required = OrderedJson::array();
  for (const Member& member : members) {
    bool always = true;
    for (const char* name : optional) always = always && std::string_view(name) != member.first;
    if (always) required.push_back(member.first);
  }
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

OrderedJson about(const char* description, OrderedJson schema) {
  schema["description"] = description;
  return schema;
}

OrderedJson without_effect() { return about("Taken, and without effect.", any()); }

OrderedJson with(OrderedJson object, Members more) {
  for (const Member& member : more) object["properties"][member.first] = member.second;
  return object;
}

OrderedJson with_examples(OrderedJson schema, std::initializer_list<const char*> json) {
  OrderedJson& examples = schema["examples"] = OrderedJson::array();
  for (const char* each : json) examples.push_back(OrderedJson::parse(each));
  return schema;
}

OrderedJson tool_name() {
  OrderedJson schema = text();
  schema["pattern"] = "^[A-Za-z0-9_.-]{1,64}$";
  return schema;
}

OrderedJson stop_strings() {
  OrderedJson one = text();
  one["minLength"] = 1;
  one["maxLength"] = 4096;
  return either({one, list(one, 0, 16)});
}

void add_sampling(OrderedJson& request) {
  request = with(
      std::move(request),
      {{"temperature", number(0, 2)},
       {"top_p", number(0, 1)},
       {"top_k", about("Only the most probable tokens; 0 and -1: all.", integer(-1, 1 << 24))},
       {"min_p", about("Only tokens of at least this share of the most probable one's probability.",
                       number(0, 1))},
       {"presence_penalty", number(-2, 2)},
       {"frequency_penalty", number(-2, 2)},
       {"repetition_penalty", number(0.01, 10)},
       {"logit_bias", about("By token; -100: never.", map(number(-100, 100)))},
       {"seed", about("The same seed gives the same text.", integer())},
       {"stop", stop_strings()}});
}

void add_labels(OrderedJson& request) {
  request = with(std::move(request), {{"user", without_effect()},
                                      {"metadata", without_effect()},
                                      {"safety_identifier", without_effect()},
                                      {"prompt_cache_key", without_effect()},
                                      {"prompt_cache_retention", without_effect()},
                                      {"service_tier", choice({"auto", "default"})}});
}

}  // namespace minim::serve::schema
