// Any bytes as a safetensors file: the tensors must fill the data from its start to its end.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "formats/safetensors/safetensors_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> copy(data, data + size);
  try {
    const auto file =
        minim::SafetensorsFile::read("fuzz.safetensors", std::as_bytes(std::span(copy)), nullptr);
    uint64_t covered = 0;
    unsigned sum = 0;
    for (const minim::SafetensorsTensor& tensor : file->tensors()) {
      const minim::TensorBytes loaded = file->load(tensor);
      const auto bytes = loaded.bytes;
      const auto values = static_cast<uint64_t>(tensor.value_count());
      if (bytes.size() != values * safetensors_type_bytes(tensor.type)) std::abort();
      for (const std::byte byte : bytes) sum += static_cast<unsigned>(byte);
      covered += bytes.size();
    }
    if (covered > size || sum > 255 * covered) std::abort();
  } catch (const minim::Error&) {
  }
  return 0;
}
