// A question and its answer made from a record: what tasks are learned and measured by.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"

namespace minim {

// A Jinja template over the fields of a record, which are its variables; `record` is all of them.
// White space around what it gives is dropped. Immutable and safe to share between threads.
class RecordTemplate {
 public:
  // Throws what ChatTemplate throws.
  explicit RecordTemplate(const std::string& source);

  // REQUIRES: `record` is an object. Throws kInvalidArgument for a field that the template names
  // and the record lacks ("there is no 'txt'; there are text and label"), and what
  // ChatTemplate::render() throws.
  std::string render(const OrderedJson& record) const;

 private:
  ChatTemplate template_;
  std::vector<std::string> names_;
};

struct Example {
  std::string prompt;
  std::string answer;
};

class ExampleTemplate {
 public:
  // `prompts`: several ways to ask the same. REQUIRES: one at least. Throws as RecordTemplate, with
  // "prompt 2: " or "answer: " before it.
  ExampleTemplate(std::span<const std::string> prompts, const std::string& answer);

  // Asks in the way that a hash of `seed` chooses. Throws what RecordTemplate::render() throws.
  Example render(const OrderedJson& record, uint64_t seed) const;

 private:
  std::vector<RecordTemplate> prompts_;
  RecordTemplate answer_;
};

}  // namespace minim
