// Any bytes as a GGUF file: every tensor must lie inside them, and the metadata must be readable.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/error.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/vocabulary.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size, aligned as a mapping is, so that the sanitizer sees its end.
  const std::vector<uint8_t> copy(data, data + size);
  const auto bytes = std::as_bytes(std::span(copy));
  try {
    const auto model = minim::read_gguf("fuzz.gguf", bytes, nullptr);
    for (const minim::TensorEntry& tensor : model->tensors()) {
      const auto part = tensor.load().bytes;
      const bool inside = part.size() == tensor.byte_count() && part.data() >= bytes.data() &&
                          part.data() + part.size() <= bytes.data() + bytes.size();
      if (!inside) std::abort();
    }
    minim::read_vocabulary(model->metadata());
  } catch (const minim::Error&) {
  }
  return 0;
}
