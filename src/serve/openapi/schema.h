// JSON schemas (2020-12) of requests and replies, put together by functions that read like the
// schema; and the components of the OpenAPI document, by dialect.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>

#include "base/json.h"

namespace minim::serve::schema {

using Member = std::pair<const char*, OrderedJson>;
using Members = std::initializer_list<Member>;
using Names = std::initializer_list<const char*>;

OrderedJson any();
OrderedJson text();
OrderedJson boolean();
OrderedJson number();
OrderedJson number(double least, double most);
OrderedJson integer();
OrderedJson integer(int64_t least);
OrderedJson integer(int64_t least, int64_t most);
OrderedJson choice(Names values);  // one of these strings
OrderedJson constant(OrderedJson value);
OrderedJson list(OrderedJson of);
OrderedJson list(OrderedJson of, int64_t least, int64_t most);
OrderedJson map(OrderedJson of);  // an object of any names
OrderedJson either(std::initializer_list<OrderedJson> these);
OrderedJson nullable(OrderedJson schema);
OrderedJson ref(const char* component);

// Of a request: other members than these are refused.
OrderedJson closed(Members members, Names required = {});
// Of a reply: all of these are always there, besides the optional ones.
OrderedJson reply(Members members, Names optional = {});

// The same with a word about it.
OrderedJson about(const char* description, OrderedJson schema);
// For what is taken and has no effect: any value will do.
OrderedJson without_effect();
// More members of an object.
OrderedJson with(OrderedJson object, Members more);
OrderedJson with_examples(OrderedJson schema, std::initializer_list<const char*> json);

// Each adds its components by name.
void add_openai_requests(OrderedJson& components);
void add_openai_replies(OrderedJson& components);
void add_openai_responses(OrderedJson& components);  // of the Responses API
void add_openai_lists(OrderedJson& components);      // models, files, batches, and small ones
void add_anthropic(OrderedJson& components);
void add_ollama(OrderedJson& components);

// What several of them share: a function that can be called, by the names of its parts; an answer's
// format; the fields that choose tokens.
OrderedJson tool_name();
OrderedJson stop_strings();
void add_sampling(OrderedJson& request);
void add_labels(OrderedJson& request);

}  // namespace minim::serve::schema
