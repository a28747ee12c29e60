// Any bytes as a template, rendered over one conversation: an answer or a typed error, within the
// limits, and the same both times.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/utf8.h"

namespace {

using minim::OrderedJson;

const OrderedJson& variables() {
  static const OrderedJson value = OrderedJson::parse(R"({
    "messages": [
      {"role": "system", "content": "Be brief."},
      {"role": "user", "content": "Grüße, <世界> 🌍"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "abc123456", "function":
        {"name": "f", "arguments": {"a": [1, 2.5, true, null], "b": {}}}}]},
      {"role": "tool", "content": [{"type": "text", "text": "18"}]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
    "n": 7, "x": -2.5, "text": "Hello, World", "list": [3, 1, 2], "d": {"b": 1, "a": 2},
    "users": [{"name": "Ann", "age": 30}, {"name": "bob"}]})");
  return value;
}

std::optional<std::string> render(std::string_view source) {
  minim::ChatTemplateLimits limits;
  limits.steps_max = 20'000;
  limits.output_bytes_max = 1 << 16;
  limits.memory_bytes_max = 1 << 20;
  limits.source_bytes_max = 1 << 14;
  try {
    return minim::ChatTemplate(source, limits).render(variables(), 1722001445);
  } catch (const minim::Error&) {
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const std::optional<std::string> output = render(source);
  if (output && (output->size() > 1 << 16 || !minim::is_valid_utf8(*output))) std::abort();
  if (output != render(source)) std::abort();
  return 0;
}
