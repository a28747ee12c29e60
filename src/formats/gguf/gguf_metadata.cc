#include "formats/gguf/gguf_metadata.h"

#include <fmt/core.h>

#include <limits>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "formats/gguf/gguf_reader.h"
#include "text/utf8.h"

namespace minim {
namespace {

// A key's node in the index, beside its entry.
constexpr uint64_t kIndexNodeBytes = 128;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "gguf: " + what);
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "gguf: " + what);
}

// Calls `use` with a value of the C++ type that `type` is stored as, or of no type at all (nullptr)
// for strings and arrays.
template <typename Use>
auto with_stored_type(MetadataType type, Use&& use) {
  switch (type) {
    case MetadataType::kUint8: return use(uint8_t{});
    case MetadataType::kInt8: return use(int8_t{});
    case MetadataType::kUint16: return use(uint16_t{});
    case MetadataType::kInt16: return use(int16_t{});
    case MetadataType::kUint32: return use(uint32_t{});
    case MetadataType::kInt32: return use(int32_t{});
    case MetadataType::kFloat32: return use(float{});
    case MetadataType::kBool: return use(bool{});
    case MetadataType::kUint64: return use(uint64_t{});
    case MetadataType::kInt64: return use(int64_t{});
    case MetadataType::kFloat64: return use(double{});
    case MetadataType::kString:
    case MetadataType::kArray: break;
  }
  return use(nullptr);
}

template <typename T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double,
                                std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

// The type's size, or the smallest that a string or an array can be.
uint64_t stored_bytes_min(MetadataType type) {
  return with_stored_type(type, [&](auto zero) -> uint64_t {
    using T = decltype(zero);
    if constexpr (std::is_null_pointer_v<T>) {
      return type == MetadataType::kString ? 8 : 4 + 8;
    } else {
      return sizeof(T);
    }
  });
}

class MetadataReader {
 public:
  MetadataReader(ByteReader& reader, MemoryBudget& budget) : reader_(reader), budget_(budget) {}

  Metadata read(uint64_t count) {
    budget_.charge(count, sizeof(Metadata::Entry) + kIndexNodeBytes);
    Metadata metadata;
    for (uint64_t i = 0; i < count; ++i) {
      const std::string_view key = read_key();
      if (metadata.contains(key)) fail(fmt::format("the key '{}' stands twice", printable(key)));
      key_ = key;
      MetadataValue value;
      value.type = read_type();
      read_value(value);
      metadata.set(key, std::move(value));
    }
    return metadata;
  }

 private:
  std::string_view read_key() {
    const auto length = reader_.read<uint64_t>("a key's length");
    if (length == 0 || length > kGgufKeyBytesMax) {
      fail(fmt::format("a key of {} bytes at offset {}; keys have 1 to {}", length,
                       reader_.position() - 8, kGgufKeyBytesMax));
    }
    const std::string_view key = reader_.take_text(length, "a key");
    check_gguf_name(key, "key");
    budget_.charge(2, length + 1);  // in the entry and in the index
    return key;
  }

  MetadataType read_type() {
    const auto type = reader_.read<uint32_t>("a value's type");
    if (type > static_cast<uint32_t>(MetadataType::kFloat64)) {
      fail(fmt::format("the key '{}' has the type {}; types are 0 to 12", printable(key_), type));
    }
    return static_cast<MetadataType>(type);
  }

  std::string read_string() {
    const auto length = reader_.read<uint64_t>("a string's length");
    const std::string_view text = reader_.take_text(length, "a string");
    budget_.charge_string(length);
    return std::string(text);
  }

  void read_value(MetadataValue& value) {
    with_stored_type(value.type, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (std::is_null_pointer_v<T>) {
        if (value.type == MetadataType::kString) {
          value.value = read_string();
        } else {
          value.value = read_array(1);
        }
      } else if constexpr (std::is_same_v<T, bool>) {
        value.value = read_bool() != 0;
      } else {
        value.value = Wide<T>{reader_.read<T>("a value")};
      }
    });
  }

  uint64_t read_bool() {
    const auto byte = reader_.read<uint8_t>("a bool");
    if (byte > 1) fail(fmt::format("the key '{}' holds a bool of {}", printable(key_), byte));
    return byte;
  }

  MetadataArray read_array(int depth) {
    if (depth > kGgufArrayDepthMax) {
      fail(fmt::format("the key '{}' holds arrays nested deeper than {}", printable(key_),
                       kGgufArrayDepthMax));
    }
    MetadataArray array;
    array.element = read_type();
    const auto count = reader_.read<uint64_t>("an array's length");
    if (count > reader_.remaining() / stored_bytes_min(array.element)) {
      fail(fmt::format("the key '{}' claims an array of {} {}, but {} bytes follow",
                       printable(key_), count, metadata_type_name(array.element),
                       reader_.remaining()));
    }
    with_stored_type(array.element, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (!std::is_null_pointer_v<T>) {
        array.values = read_numbers<T>(count);
      } else if (array.element == MetadataType::kString) {
        array.values = read_items<std::string>(count, [&] { return read_string(); });
      } else {
        array.values = read_items<MetadataArray>(count, [&] { return read_array(depth + 1); });
      }
    });
    return array;
  }

  template <typename T>
  std::vector<Wide<T>> read_numbers(uint64_t count) {
    budget_.charge(count, sizeof(Wide<T>));
    std::vector<Wide<T>> values;
    values.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        values.push_back(read_bool());
      } else {
        values.push_back(reader_.read<T>("an array"));
      }
    }
    return values;
  }

  template <typename T>
  std::vector<T> read_items(uint64_t count, auto&& read_item) {
    budget_.charge(count, sizeof(T));
    std::vector<T> values;
    values.reserve(count);
    for (uint64_t i = 0; i < count; ++i) values.push_back(read_item());
    return values;
  }

  ByteReader& reader_;
  MemoryBudget& budget_;
  std::string_view key_;
};

class MetadataWriter {
 public:
  explicit MetadataWriter(FileWriter& writer) : writer_(writer) {}

  void write(const Metadata& metadata) {
    for (const auto& entry : metadata.entries()) {
      const std::string& key = entry.first;
      const MetadataValue& value = entry.second;
      if (key.empty() || key.size() > kGgufKeyBytesMax) {
        refuse(fmt::format("the key '{}' has {} bytes; keys have 1 to {}", printable(key),
                           key.size(), kGgufKeyBytesMax));
      }
      key_ = key;
      write_string(key);
      write_number(static_cast<uint32_t>(value.type));
      const MetadataType type = value.type;
      std::visit([&](const auto& content) { write_value(type, content); }, value.value);
    }
  }

 private:
  template <typename T>
  void write_number(T value) {
    writer_.write(std::as_bytes(std::span(&value, 1)));
  }

  void write_string(std::string_view text) {
    write_number(static_cast<uint64_t>(text.size()));
    writer_.write(text);
  }

  [[noreturn]] void refuse_value() const {
    refuse(fmt::format("the value of '{}' does not fit its type", printable(key_)));
  }

  template <typename Stored>
  void write_value(MetadataType type, const Stored& content) {
    if constexpr (std::is_same_v<Stored, std::string>) {
      if (type != MetadataType::kString) refuse_value();
      write_string(content);
    } else if constexpr (std::is_same_v<Stored, MetadataArray>) {
      if (type != MetadataType::kArray) refuse_value();
      write_array(content, 1);
    } else {
      write_scalar(type, content);
    }
  }

  template <typename Stored>
  void write_scalar(MetadataType type, Stored content) {
    with_stored_type(type, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (std::is_same_v<T, bool>) {
        // One bool alone is a bool, many are whole numbers.
        if (!std::is_integral_v<Stored> || (content != Stored{0} && content != Stored{1})) {
          refuse_value();
        }
        write_number(static_cast<uint8_t>(content));
      } else if constexpr (!std::is_null_pointer_v<T> && std::is_same_v<Stored, Wide<T>>) {
        if constexpr (std::is_integral_v<T>) {
          if (!std::in_range<T>(content)) refuse_value();
        }
        write_number(static_cast<T>(content));
      } else {
        refuse_value();
      }
    });
  }

  void write_array(const MetadataArray& array, int depth) {
    if (depth > kGgufArrayDepthMax) refuse_value();
    write_number(static_cast<uint32_t>(array.element));
    write_number(static_cast<uint64_t>(array.size()));
    std::visit(
        [&](const auto& values) {
          using Item = typename std::decay_t<decltype(values)>::value_type;
          for (const Item& item : values) {
            if constexpr (std::is_same_v<Item, MetadataArray>) {
              if (array.element != MetadataType::kArray) refuse_value();
              write_array(item, depth + 1);
            } else {
              write_value(array.element, item);
            }
          }
        },
        array.values);
  }

  FileWriter& writer_;
  std::string_view key_;
};

}  // namespace

void check_gguf_name(std::string_view name, const char* what) {
  bool clean = is_valid_utf8(name);
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    clean = clean && byte >= 0x20 && byte != 0x7f;
  }
  if (!clean) fail(fmt::format("the {} '{}' is not printable text", what, printable(name)));
}

Metadata read_gguf_metadata(ByteReader& reader, uint64_t count, MemoryBudget& budget) {
  return MetadataReader(reader, budget).read(count);
}

void write_gguf_metadata(const Metadata& metadata, FileWriter& writer) {
  MetadataWriter(writer).write(metadata);
}

}  // namespace minim
