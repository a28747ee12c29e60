// Any bytes as an adapter: a GGUF file, or a line of adapter_config.json and then
// adapter_model.safetensors. What is accepted fits together and lies inside the file.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "formats/adapter/adapter_formats.h"
#include "formats/gguf/gguf_reader.h"

namespace {

using Bytes = std::vector<std::byte>;

// Copies of exactly their size, so that the sanitizer sees their ends.
std::shared_ptr<const Bytes> copy_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return std::make_shared<const Bytes>(bytes.begin(), bytes.end());
}

void check(const minim::AdapterFile& file, size_t input_bytes) {
  if (file.parts.empty()) std::abort();
  uint64_t total = 0;
  unsigned sum = 0;
  const auto load = [&](const minim::TensorEntry& entry) {
    const minim::TensorBytes loaded = entry.load();
    if (loaded.bytes.size() != entry.byte_count()) std::abort();
    for (const std::byte byte : loaded.bytes) sum += static_cast<unsigned>(byte);
    total += loaded.bytes.size();
  };
  for (const minim::AdapterPart& part : file.parts) {
    const auto rank = part.a.shape[1];
    if (part.target.empty() || rank < 1 || part.b.shape[0] != rank) std::abort();
    if (part.magnitude && part.magnitude->value_count() != part.b.shape[1]) std::abort();
    load(part.a);
    load(part.b);
    if (part.magnitude) load(*part.magnitude);
  }
  if (total > input_bytes || sum > 255 * total) std::abort();
}

minim::AdapterFile read(std::string_view input, const minim::AdapterBase& base) {
  if (input.starts_with("GGUF")) {
    const auto bytes = copy_of(input);
    return minim::read_gguf_adapter("fuzz.gguf", *minim::read_gguf("fuzz.gguf", *bytes, bytes));
  }
  const size_t line_end = input.find('\n');
  const auto bytes = copy_of(input.substr(line_end < input.size() ? line_end + 1 : input.size()));
  const auto tensors = minim::SafetensorsFile::read("fuzz.safetensors", *bytes, bytes);
  return minim::read_peft_adapter("fuzz", input.substr(0, line_end), minim::list_tensors(tensors),
                                  base);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const minim::AdapterBase bases[] = {{"llama", 2, 1}, {"qwen2", 2, 1}, {"llama", 0, 0}};
  for (const minim::AdapterBase& base : bases) {
    try {
      check(read(input, base), size);
    } catch (const minim::Error&) {
    }
  }
  return 0;
}
