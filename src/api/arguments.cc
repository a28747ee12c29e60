#include "api/arguments.h"

#include <string>

namespace minim::api {
namespace {

constexpr uint32_t kStructBytesMax = 4096;

}  // namespace

void refuse(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "api: " + message);
}

std::string_view text_argument(const char* data, size_t size, const char* name) {
  if (size == MINIM_TEXT_END) return text_argument(data, name);
  const std::span<const char> text = list_argument(data, size, name);
  return {text.data(), text.size()};
}

std::string_view text_argument(const char* data, const char* name) {
  return std::string_view(&required(data, name));
}

int64_t count_argument(int64_t value, int64_t min, const char* name) {
  if (value < min) refuse(fmt::format("'{}' is {}, but must be at least {}", name, value, min));
  return value;
}

void check_struct_size(uint32_t size, const char* name) {
  if (size >= 8 && size <= kStructBytesMax && size % 8 == 0) return;
  refuse(fmt::format("'{}' has a struct_size of {}; begin with its MINIM_..._INIT", name, size));
}

void write_text(std::string_view text, char* result, size_t capacity, size_t* size) {
  write_list(std::span<const char>(text), result, capacity, size);
  if (text.size() < capacity) result[text.size()] = '\0';
}

}  // namespace minim::api
