#include "text/example_template.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"

namespace minim {
namespace {

constexpr std::string_view kRecord = "record";

std::string without_space_around(const std::string& text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

[[noreturn]] void throw_no_field(const std::string& name, const OrderedJson& record) {
  constexpr size_t kNamesMax = 12;
  std::string known;
  size_t count = 0;
  for (const auto& [field, value] : record.items()) {
    if (++count > kNamesMax) break;
    known += (known.empty() ? "" : ", ") + field;
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("there is no '{}'; there is {}{}", name,
                          known.empty() ? "nothing" : known, count > kNamesMax ? ", ..." : ""));
}

RecordTemplate make_named(const std::string& source, const std::string& name) {
  try {
    return RecordTemplate(source);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", name, error.what()));
  }
}

}  // namespace

RecordTemplate::RecordTemplate(const std::string& source)
    : template_(source), names_(template_.variables()) {
  std::erase(names_, kRecord);
}

std::string RecordTemplate::render(const OrderedJson& record) const {
  for (const std::string& name : names_) {
    if (!record.contains(name)) throw_no_field(name, record);
  }
  OrderedJson variables = record;
  if (!record.contains(kRecord)) variables[std::string(kRecord)] = record;
  return without_space_around(template_.render(variables));
}

ExampleTemplate::ExampleTemplate(std::span<const std::string> prompts, const std::string& answer)
    : answer_(make_named(answer, "answer")) {
  MINIM_CHECK(!prompts.empty());
  for (size_t i = 0; i < prompts.size(); ++i) {
    prompts_.push_back(make_named(prompts[i], fmt::format("prompt {}", i + 1)));
  }
}

Example ExampleTemplate::render(const OrderedJson& record, uint64_t seed) const {
  XxHash64 hash;
  hash.update_value(seed);
  return {prompts_[hash.digest() % prompts_.size()].render(record), answer_.render(record)};
}

}  // namespace minim
