#include "formats/metadata.h"

#include <fmt/core.h>

#include <limits>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

bool is_unsigned(MetadataType type) {
  return type == MetadataType::kUint8 || type == MetadataType::kUint16 ||
         type == MetadataType::kUint32 || type == MetadataType::kUint64;
}

bool is_signed(MetadataType type) {
  return type == MetadataType::kInt8 || type == MetadataType::kInt16 ||
         type == MetadataType::kInt32 || type == MetadataType::kInt64;
}

std::string describe(const MetadataValue& value) {
  const auto* array = std::get_if<MetadataArray>(&value.value);
  if (array == nullptr) return metadata_type_name(value.type);
  return fmt::format("an array of {}", metadata_type_name(array->element));
}

[[noreturn]] void throw_type(std::string_view key, const char* wanted, const MetadataValue& value) {
  throw Error(ErrorCode::kFormat,
              fmt::format("metadata: '{}' must be {}, but is {}", key, wanted, describe(value)));
}

int64_t narrow(std::string_view key, uint64_t value) {
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    throw Error(ErrorCode::kFormat,
                fmt::format("metadata: '{}' holds {}, which is 2^63 or more", key, value));
  }
  return static_cast<int64_t>(value);
}

template <typename T>
MetadataValue scalar(MetadataType type, T value) {
  return MetadataValue{type, std::move(value)};
}

template <typename T>
MetadataValue array(MetadataType element, std::vector<T> values) {
  return MetadataValue{MetadataType::kArray, MetadataArray{element, std::move(values)}};
}

}  // namespace

const char* metadata_type_name(MetadataType type) {
  switch (type) {
    case MetadataType::kUint8: return "uint8";
    case MetadataType::kInt8: return "int8";
    case MetadataType::kUint16: return "uint16";
    case MetadataType::kInt16: return "int16";
    case MetadataType::kUint32: return "uint32";
    case MetadataType::kInt32: return "int32";
    case MetadataType::kFloat32: return "float32";
    case MetadataType::kBool: return "bool";
    case MetadataType::kString: return "string";
    case MetadataType::kArray: return "array";
    case MetadataType::kUint64: return "uint64";
    case MetadataType::kInt64: return "int64";
    case MetadataType::kFloat64: return "float64";
  }
  return "unknown";
}

size_t MetadataArray::size() const {
  return std::visit([](const auto& items) { return items.size(); }, values);
}

const MetadataValue* Metadata::find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

std::optional<int64_t> Metadata::integer(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<uint64_t>(&value->value)) return narrow(key, *number);
  if (const auto* number = std::get_if<int64_t>(&value->value)) return *number;
  throw_type(key, "an integer", *value);
}

std::optional<double> Metadata::number(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<double>(&value->value)) return *number;
  if (const auto* number = std::get_if<uint64_t>(&value->value)) {
    return static_cast<double>(*number);
  }
  if (const auto* number = std::get_if<int64_t>(&value->value)) return static_cast<double>(*number);
  throw_type(key, "a number", *value);
}

std::optional<bool> Metadata::boolean(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* flag = std::get_if<bool>(&value->value)) return *flag;
  throw_type(key, "a bool", *value);
}

std::optional<std::string> Metadata::string(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&value->value)) return *text;
  throw_type(key, "a string", *value);
}

std::optional<std::vector<int64_t>> Metadata::integers(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* found = std::get_if<MetadataArray>(&value->value);
  if (found != nullptr && is_signed(found->element)) {
    return std::get<std::vector<int64_t>>(found->values);
  }
  if (found == nullptr || !is_unsigned(found->element)) {
    throw_type(key, "an array of integers", *value);
  }
  std::vector<int64_t> numbers;
  numbers.reserve(found->size());
  for (const uint64_t number : std::get<std::vector<uint64_t>>(found->values)) {
    numbers.push_back(narrow(key, number));
  }
  return numbers;
}

std::optional<std::vector<double>> Metadata::numbers(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* found = std::get_if<MetadataArray>(&value->value);
  if (found != nullptr) {
    if (const auto* doubles = std::get_if<std::vector<double>>(&found->values)) return *doubles;
    if (is_signed(found->element) || is_unsigned(found->element)) {
      const auto whole = integers(key);
      return std::vector<double>(whole->begin(), whole->end());
    }
  }
  throw_type(key, "an array of numbers", *value);
}

const std::vector<std::string>* Metadata::strings(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* found = std::get_if<MetadataArray>(&value->value);
  if (found != nullptr) {
    if (const auto* texts = std::get_if<std::vector<std::string>>(&found->values)) return texts;
  }
  throw_type(key, "an array of strings", *value);
}

int64_t Metadata::require_integer(std::string_view key, int64_t min, int64_t max) const {
  const auto value = integer(key);
  if (!value) {
    throw Error(ErrorCode::kFormat, fmt::format("metadata: '{}' is missing", key));
  }
  if (*value < min || *value > max) {
    throw Error(ErrorCode::kFormat,
                fmt::format("metadata: '{}' is {}, outside {} to {}", key, *value, min, max));
  }
  return *value;
}

std::string Metadata::require_string(std::string_view key) const {
  auto value = string(key);
  if (!value) {
    throw Error(ErrorCode::kFormat, fmt::format("metadata: '{}' is missing", key));
  }
  return *std::move(value);
}

void Metadata::set(std::string_view key, MetadataValue value) {
  const auto found = index_.find(key);
  if (found != index_.end()) {
    entries_[found->second].second = std::move(value);
    return;
  }
  index_.emplace(key, entries_.size());
  entries_.emplace_back(key, std::move(value));
}

void Metadata::set_uint32(std::string_view key, uint32_t value) {
  set(key, scalar(MetadataType::kUint32, uint64_t{value}));
}

void Metadata::set_uint64(std::string_view key, uint64_t value) {
  set(key, scalar(MetadataType::kUint64, value));
}

void Metadata::set_int32(std::string_view key, int32_t value) {
  set(key, scalar(MetadataType::kInt32, int64_t{value}));
}

void Metadata::set_float32(std::string_view key, float value) {
  set(key, scalar(MetadataType::kFloat32, static_cast<double>(value)));
}

void Metadata::set_bool(std::string_view key, bool value) {
  set(key, scalar(MetadataType::kBool, value));
}

void Metadata::set_string(std::string_view key, std::string value) {
  set(key, scalar(MetadataType::kString, std::move(value)));
}

void Metadata::set_strings(std::string_view key, std::vector<std::string> values) {
  set(key, array(MetadataType::kString, std::move(values)));
}

void Metadata::set_uint8s(std::string_view key, std::span<const uint8_t> values) {
  set(key, array(MetadataType::kUint8, std::vector<uint64_t>(values.begin(), values.end())));
}

void Metadata::set_int32s(std::string_view key, std::vector<int64_t> values) {
  set(key, array(MetadataType::kInt32, std::move(values)));
}

void Metadata::set_float32s(std::string_view key, std::vector<double> values) {
  set(key, array(MetadataType::kFloat32, std::move(values)));
}

void Metadata::erase(std::string_view key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return;
  const size_t position = found->second;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(position));
  index_.erase(found);
  for (auto& [name, place] : index_) {
    if (place > position) --place;
  }
}

}  // namespace minim
