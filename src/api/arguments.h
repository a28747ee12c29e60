// Arguments from outside, checked: nothing behind this file sees a null or a size that lies.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/error.h"
#include "minim/minim.h"

namespace minim::api {

[[noreturn]] void refuse(const std::string& message);

template <typename T>
T& required(T* pointer, const char* name) {
  if (pointer == nullptr) refuse(fmt::format("'{}' is null", name));
  return *pointer;
}

// Text with a size, or MINIM_TEXT_END.
std::string_view text_argument(const char* data, size_t size, const char* name);
// Text up to its first zero byte.
std::string_view text_argument(const char* data, const char* name);

// `count` values; `data` may be null where they are none.
template <typename T>
std::span<T> list_argument(T* data, size_t count, const char* name) {
  if (count == 0) return {};
  if (data == nullptr) refuse(fmt::format("'{}' is null, with {} values", name, count));
  if (count > PTRDIFF_MAX / sizeof(T)) refuse(fmt::format("'{}' has {} values", name, count));
  return {data, count};
}

// An enum whose values are [0, count).
template <typename Enum>
Enum enum_argument(int32_t value, int32_t count, const char* name) {
  if (value < 0 || value >= count) {
    refuse(fmt::format("'{}' is {}, but must be 0 to {}", name, value, count - 1));
  }
  return static_cast<Enum>(value);
}

// At least `min`.
int64_t count_argument(int64_t value, int64_t min, const char* name);

// Throws for a size that no version of a struct has: fields are 4 or 8 bytes wide and structs whole
// multiples of 8, so that no field is ever cut.
void check_struct_size(uint32_t size, const char* name);

// As much of a caller's struct as both sides know, and defaults for the rest. null: the defaults.
template <typename Struct>
Struct read_struct(const Struct* given, Struct defaults, const char* name) {
  static_assert(sizeof(Struct) % 8 == 0 && offsetof(Struct, struct_size) == 0);
  if (given == nullptr) return defaults;
  check_struct_size(given->struct_size, name);
  std::memcpy(&defaults, given, std::min<size_t>(given->struct_size, sizeof(Struct)));
  return defaults;
}

// Writes as much as both sides know; the caller's size stays.
template <typename Struct>
void write_struct(Struct value, Struct* result, const char* name) {
  static_assert(sizeof(Struct) % 8 == 0 && offsetof(Struct, struct_size) == 0);
  value.struct_size = required(result, name).struct_size;
  check_struct_size(value.struct_size, name);
  std::memcpy(result, &value, std::min<size_t>(value.struct_size, sizeof(Struct)));
}

// Copies as many values as fit and says how many there are.
template <typename T>
void write_list(std::span<const T> values, T* result, size_t capacity, size_t* count) {
  required(count, "count");
  const std::span<T> room = list_argument(result, capacity, "result");
  std::copy_n(values.begin(), std::min(values.size(), room.size()), room.begin());
  *count = values.size();
}
// The same for text; a zero byte follows it if there is room.
void write_text(std::string_view text, char* result, size_t capacity, size_t* size);

}  // namespace minim::api
