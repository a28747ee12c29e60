#include "serve/request/generation_numbers.h"

#include <fmt/core.h>

#include <utility>

#include "base/system_random.h"

namespace minim::serve {
namespace {

constexpr size_t kStopBytesMax = 4096;

}  // namespace

SamplerOptions plain_sampling() {
  SamplerOptions sampler;
  sampler.temperature = 1.0f;
  sampler.top_k = 0;
  sampler.top_p = 1.0f;
  sampler.min_p = 0.0f;
  sampler.penalties.window = -1;
  sampler.penalties.generated_only = true;
  sampler.seed = system_random();
  return sampler;
}

void set_top_p(Fields& fields, SamplerOptions& sampler) {
  sampler.top_p = static_cast<float>(fields.number("top_p", {0, 1}).value_or(1.0));
  // Nothing is less than the best token alone.
  if (sampler.top_p == 0.0f) sampler.top_p = 1e-6f;
}

std::vector<std::string> read_stop_strings(Fields& fields, std::string_view name,
                                           int64_t count_max) {
  std::vector<std::string> strings;
  const OrderedJson* given = fields.value(name);
  if (given == nullptr) return strings;
  const auto add = [&](const OrderedJson& value, const std::string& path) {
    if (!value.is_string()) {
      refuse_value(path, fmt::format("must be a string, but is {}", kind_of(value)),
                   "invalid_type");
    }
    auto text = value.get<std::string>();
    if (text.empty() || text.size() > kStopBytesMax) {
      refuse_value(path,
                   fmt::format("has {} bytes, and must have 1 to {}", text.size(), kStopBytesMax));
    }
    strings.push_back(std::move(text));
  };
  const std::string path = fields.path_of(name);
  if (!given->is_array()) {
    add(*given, path);
    return strings;
  }
  const auto& list = *fields.list(name, static_cast<size_t>(count_max));
  for (size_t i = 0; i < list.size(); ++i) add(list[i], fmt::format("{}[{}]", path, i));
  return strings;
}

}  // namespace minim::serve
