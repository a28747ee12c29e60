// Builds files byte by byte, so that tests can write what no writer would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"

namespace minim::testing {

class RawBytes {
 public:
  RawBytes() = default;
  explicit RawBytes(std::string bytes) : bytes_(std::move(bytes)) {}

  template <typename T>
  RawBytes& number(T value) {
    char stored[sizeof(T)];
    std::memcpy(stored, &value, sizeof(T));
    bytes_.append(stored, sizeof(T));
    return *this;
  }
  RawBytes& u8(uint8_t value) { return number(value); }
  RawBytes& u32(uint32_t value) { return number(value); }
  RawBytes& u64(uint64_t value) { return number(value); }
  RawBytes& f32(float value) { return number(value); }
  RawBytes& text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  // GGUF's strings: a 64-bit length, then the bytes.
  RawBytes& counted(std::string_view content) { return u64(content.size()).text(content); }
  RawBytes& zeros(size_t count) {
    bytes_.append(count, '\0');
    return *this;
  }
  RawBytes& align(size_t alignment) {
    return zeros((alignment - bytes_.size() % alignment) % alignment);
  }

  size_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// A GGUF header; keys and tensors follow.
inline RawBytes gguf_header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
  return std::move(RawBytes().text("GGUF").u32(version).u64(tensors).u64(keys));
}

inline RawBytes& gguf_tensor(RawBytes& file, std::string_view name,
                             std::initializer_list<uint64_t> shape, uint32_t type,
                             uint64_t offset) {
  file.counted(name).u32(static_cast<uint32_t>(shape.size()));
  for (const uint64_t size : shape) file.u64(size);
  return file.u32(type).u64(offset);
}

inline void write_bytes(const Path& path, std::string_view bytes) {
  FileWriter writer(path);
  writer.write(bytes);
  writer.commit();
}

}  // namespace minim::testing
