#include "serve/openai/metadata.h"

#include <fmt/core.h>

#include <string>

namespace minim::serve {
namespace {

constexpr size_t kCountMax = 16;
constexpr size_t kNameMax = 64;
constexpr size_t kValueMax = 512;

}  // namespace

OrderedJson read_metadata(Fields& fields) {
  const OrderedJson* given = fields.value("metadata");
  if (given == nullptr) return OrderedJson::object();
  const Fields checked(*given, "metadata");  // an object
  if (given->size() > kCountMax) {
    fields.refuse("metadata",
                  fmt::format("has {} strings, and may have {}", given->size(), kCountMax));
  }
  for (const auto& [name, value] : given->items()) {
    const std::string path = "metadata." + name.substr(0, kNameMax);
    if (name.size() > kNameMax) refuse_value(path, "has a name of more than 64 bytes");
    if (!value.is_string()) {
      refuse_value(path, fmt::format("must be a string, but is {}", kind_of(value)),
                   "invalid_type");
    }
    if (value.get_ref<const std::string&>().size() > kValueMax) {
      refuse_value(path, "has more than 512 bytes");
    }
  }
  return *given;
}

}  // namespace minim::serve
