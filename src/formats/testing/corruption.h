// Campaigns against readers: every truncation, every flipped bit, heap canaries.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "formats/model_file.h"

namespace minim::testing {

// A file in the middle of a heap block that is filled with a canary, aligned to 64 bytes.
class GuardedBytes {
 public:
  GuardedBytes(std::string_view file, char canary) : size_(file.size()) {
    const size_t total = size_ + 3 * kGuard;
    block_.reset(new (std::align_val_t{kGuard}) char[total]);
    std::memset(block_.get(), canary, total);
    std::memcpy(block_.get() + kGuard, file.data(), size_);
  }
  std::span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(block_.get()) + kGuard, size_};
  }
  bool contains(std::span<const std::byte> part) const {
    return part.data() >= bytes().data() &&
           part.data() + part.size() <= bytes().data() + bytes().size();
  }

 private:
  static constexpr size_t kGuard = 64;
  struct Delete {
    void operator()(char* block) const { operator delete[](block, std::align_val_t{kGuard}); }
  };
  size_t size_;
  std::unique_ptr<char[], Delete> block_;
};

inline uint64_t hash_bytes(std::span<const std::byte> bytes) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const std::byte byte : bytes) hash = (hash ^ static_cast<uint64_t>(byte)) * 0x100000001b3u;
  return hash;
}

inline void describe_value(const MetadataArray& array, std::string& out);
inline void describe_value(const std::string& text, std::string& out) {
  out += fmt::format("'{}' ", text);
}
template <typename T>
void describe_value(const T& number, std::string& out) {
  out += fmt::format("{} ", number);
}
inline void describe_value(const MetadataArray& array, std::string& out) {
  out += fmt::format("[{}: ", metadata_type_name(array.element));
  std::visit(
      [&](const auto& values) {
        for (const auto& value : values) describe_value(value, out);
      },
      array.values);
  out += "] ";
}

inline std::string describe_metadata(const Metadata& metadata) {
  std::string out;
  for (const auto& [key, value] : metadata.entries()) {
    out += fmt::format("{} {} ", key, metadata_type_name(value.type));
    std::visit([&](const auto& content) { describe_value(content, out); }, value.value);
    out += "\n";
  }
  return out;
}

// Everything that a reader says about a file, tensor contents as hashes.
inline std::string describe_model(const ModelFile& model) {
  std::string out = model.format() + "\n" + describe_metadata(model.metadata());
  for (const TensorEntry& tensor : model.tensors()) {
    const TensorBytes data = tensor.load();
    EXPECT_EQ(data.bytes.size(), tensor.byte_count()) << tensor.name;
    out += fmt::format("{} {} {} [{} {} {} {}] {:016x}\n", tensor.name,
                       data_type_info(tensor.type).name, tensor.rank, tensor.shape[0],
                       tensor.shape[1], tensor.shape[2], tensor.shape[3], hash_bytes(data.bytes));
  }
  return out;
}

// What a reader makes of some bytes, or nothing where it throws Error. Anything else that it throws
// fails the test.
using Reading = std::function<std::string(std::span<const std::byte>)>;

inline std::optional<std::string> attempt(const Reading& read, std::span<const std::byte> bytes,
                                          const std::string& what) {
  try {
    return read(bytes);
  } catch (const Error& error) {
    EXPECT_FALSE(std::string(error.what()).empty());
  } catch (const std::exception& error) {
    ADD_FAILURE() << what << ": threw " << error.what();
  }
  return std::nullopt;
}

// Whatever the bytes, the reader must end in an Error or in the same result again where the memory
// around the file holds something else: nothing outside the file may show.
inline std::optional<std::string> attempt_twice(const Reading& read, std::string_view file,
                                                const std::string& what) {
  const GuardedBytes first(file, '\xa5');
  const GuardedBytes second(file, '\x5a');
  const auto one = attempt(read, first.bytes(), what);
  const auto two = attempt(read, second.bytes(), what);
  EXPECT_EQ(one, two) << what;
  return one;
}

// Cuts `file` after every byte: an error, or the result of the whole file (lost padding).
inline void try_every_truncation(const std::string& file, const Reading& read) {
  const auto whole = attempt_twice(read, file, "the whole file");
  ASSERT_TRUE(whole.has_value());
  for (size_t size = 0; size < file.size(); ++size) {
    const std::string what = fmt::format("cut to {} bytes", size);
    const auto result = attempt_twice(read, std::string_view(file).substr(0, size), what);
    EXPECT_EQ(result.value_or(*whole), *whole) << what;
  }
}

// Flips every bit of the first `bytes` bytes, one at a time.
inline void try_every_bit_flip(const std::string& file, size_t bytes, const Reading& read) {
  std::string damaged = file;
  for (size_t bit = 0; bit < std::min(bytes, file.size()) * 8; ++bit) {
    damaged[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << (bit % 8)));
    attempt_twice(read, damaged, fmt::format("bit {} flipped", bit));
    damaged[bit / 8] = file[bit / 8];
  }
}

// Runs `action` and expects an Error of `code` whose message contains `part`.
inline void expect_error(ErrorCode code, std::string_view part,
                         const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected '" << part << "'";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos)
        << "'" << error.what() << "' does not contain '" << part << "'";
  }
}

}  // namespace minim::testing
