#include "api/metadata_text.h"

#include <variant>

#include "base/json.h"

namespace minim::api {
namespace {

Json list_json(const MetadataArray& array) {
  Json list = Json::array();
  std::visit(
      [&](const auto& values) {
        for (const auto& value : values) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, MetadataArray>) {
            list.push_back(list_json(value));
          } else {
            list.push_back(value);
          }
        }
      },
      array.values);
  return list;
}

}  // namespace

std::string metadata_text(const MetadataValue& value) {
  if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
  const Json json = std::visit(
      [](const auto& held) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, MetadataArray>) {
          return list_json(held);
        } else {
          return held;
        }
      },
      value.value);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace minim::api
