#include "serve/request/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace minim::serve {
namespace {

constexpr size_t kNameShown = 64;

}  // namespace

void refuse_value(const std::string& path, const std::string& message, const char* code) {
  throw Refusal(400, fmt::format("'{}' {}", path, message), path, code);
}

const char* kind_of(const OrderedJson& value) {
  switch (value.type()) {
    case OrderedJson::value_t::null: return "null";
    case OrderedJson::value_t::object: return "an object";
    case OrderedJson::value_t::array: return "a list";
    case OrderedJson::value_t::string: return "a string";
    case OrderedJson::value_t::boolean: return "a boolean";
    default: return "a number";
  }
}

Fields::Fields(const OrderedJson& value, std::string path)
    : object_(value), path_(std::move(path)) {
  if (!value.is_object()) {
    if (path_.empty()) {
      throw Refusal(400, fmt::format("the body must be a JSON object, but is {}", kind_of(value)),
                    {}, "invalid_type");
    }
    refuse_value(path_, fmt::format("must be an object, but is {}", kind_of(value)),
                 "invalid_type");
  }
  read_.resize(value.size());
}

std::string Fields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

void Fields::refuse(std::string_view name, const std::string& message, const char* code) const {
  refuse_value(path_of(name), message, code);
}

void Fields::refuse_type(std::string_view name, const char* wanted) const {
  const auto found = object_.find(std::string(name));
  refuse(name, fmt::format("must be {}, but is {}", wanted, kind_of(*found)), "invalid_type");
}

const OrderedJson* Fields::value(std::string_view name) {
  if (std::find(known_.begin(), known_.end(), name) == known_.end()) known_.push_back(name);
  return find(name);
}

const OrderedJson* Fields::find(std::string_view name) {
  const auto& members = object_.get_ref<const OrderedJson::object_t&>();
  size_t i = 0;
  for (const auto& [key, member] : members) {
    if (key == name) {
      read_[i] = true;
      return member.is_null() ? nullptr : &member;
    }
    ++i;
  }
  return nullptr;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const OrderedJson* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_boolean()) refuse_type(name, "true or false");
  return found->get<bool>();
}

std::optional<int64_t> Fields::integer(std::string_view name, IntegerRange range) {
  const OrderedJson* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_number()) refuse_type(name, "a whole number");
  const auto refuse_range = [&] {
    refuse(name, fmt::format("must be a whole number from {} to {}, but is {}", range.least,
                             range.most, found->dump()));
  };
  if (found->is_number_float()) {
    // 5.0 is as whole as 5, for those who only have floats.
    const double number = found->get<double>();
    if (std::trunc(number) != number || std::abs(number) > 0x1p53) refuse_range();
  }
  if (found->is_number_unsigned() && found->get<uint64_t>() > uint64_t{INT64_MAX}) refuse_range();
  const int64_t number =
      found->is_number_float() ? static_cast<int64_t>(found->get<double>()) : found->get<int64_t>();
  if (number < range.least || number > range.most) refuse_range();
  return number;
}

std::optional<double> Fields::number(std::string_view name, NumberRange range) {
  const OrderedJson* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_number()) refuse_type(name, "a number");
  const auto number = found->get<double>();
  if (!(number >= range.least && number <= range.most)) {
    refuse(name, fmt::format("must be a number from {} to {}, but is {}", range.least, range.most,
                             found->dump()));
  }
  return number;
}

std::optional<std::string> Fields::text(std::string_view name) {
  const OrderedJson* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) refuse_type(name, "a string");
  return found->get<std::string>();
}

std::optional<Fields> Fields::object(std::string_view name) {
  const OrderedJson* found = value(name);
  if (found == nullptr) return std::nullopt;
  return Fields(*found, path_of(name));
}

std::optional<size_t> Fields::choice(std::string_view name,
                                     std::initializer_list<std::string_view> names) {
  const OrderedJson* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (found->is_string()) {
    const auto& text = found->get_ref<const std::string&>();
    const auto* at = std::find(names.begin(), names.end(), text);
    if (at != names.end()) return static_cast<size_t>(at - names.begin());
  }
  std::string known;
  for (const std::string_view each : names) {
    known += fmt::format("{}'{}'", known.empty() ? "" : ", ", each);
  }
  refuse(name, fmt::format("must be one of {}", known),
         found->is_string() ? "invalid_value" : "invalid_type");
}

const OrderedJson* Fields::list(std::string_view name, size_t count_max) {
  const OrderedJson* found = value(name);
  if (found == nullptr) return nullptr;
  if (!found->is_array()) refuse_type(name, "a list");
  if (found->size() > count_max) {
    refuse(name, fmt::format("has {} values, and may have {}", found->size(), count_max));
  }
  return found;
}

const OrderedJson& Fields::required(std::string_view name) {
  const OrderedJson* found = value(name);
  if (found == nullptr) refuse(name, "is missing", "missing_required_parameter");
  return *found;
}

std::string Fields::required_text(std::string_view name) {
  required(name);
  return *text(name);
}

const OrderedJson& Fields::required_list(std::string_view name, size_t count_max) {
  required(name);
  return *list(name, count_max);
}

void Fields::ignore(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) value(name);
}

void Fields::unsupported(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (find(name) != nullptr) refuse(name, "is not supported here", "unsupported_parameter");
  }
}

void Fields::finish() const {
  const auto& members = object_.get_ref<const OrderedJson::object_t&>();
  size_t i = 0;
  for (const auto& [name, member] : members) {
    if (read_[i++]) continue;
    refuse(name.size() <= kNameShown ? name : name.substr(0, kNameShown) + "...",
           known_.empty() ? "is no parameter that is known here; there are none"
                          : fmt::format("is no parameter that is known here; known are {}",
                                        fmt::join(known_, ", ")),
           "unknown_parameter");
  }
}

}  // namespace minim::serve
