// Typed key-value metadata with GGUF's types and key names: what every model file is reduced to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace minim {

// The numbers are GGUF's.
enum class MetadataType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
const char* metadata_type_name(MetadataType type);

struct MetadataValue;

// Arrays keep one flat vector of a wide type; `element` says what they are stored as: unsigned
// integers and bools as uint64_t (bools are 0 or 1), signed ones as int64_t, floats as double.
struct MetadataArray {
  MetadataType element = MetadataType::kUint32;
  std::variant<std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>,
               std::vector<std::string>, std::vector<MetadataArray>>
      values;
  size_t size() const;
};

struct MetadataValue {
  MetadataType type = MetadataType::kUint32;
  std::variant<uint64_t, int64_t, double, bool, std::string, MetadataArray> value;
};

class Metadata {
 public:
  // Key order is kept: it is the order in the file.
  using Entry = std::pair<std::string, MetadataValue>;
  const std::vector<Entry>& entries() const { return entries_; }

  const MetadataValue* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }

  // Nothing where the key is absent; kFormat, naming the key and both types, where it holds
  // something else. Integers may be stored in any integer type, numbers in any number type.
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;
  std::optional<std::vector<double>> numbers(std::string_view key) const;
  const std::vector<std::string>* strings(std::string_view key) const;

  // The same, but kFormat where the key is absent or outside [min, max].
  int64_t require_integer(std::string_view key, int64_t min, int64_t max) const;
  std::string require_string(std::string_view key) const;

  // Replaces the value of an existing key in place.
  void set(std::string_view key, MetadataValue value);
  void set_uint32(std::string_view key, uint32_t value);
  void set_uint64(std::string_view key, uint64_t value);
  void set_int32(std::string_view key, int32_t value);
  void set_float32(std::string_view key, float value);
  void set_bool(std::string_view key, bool value);
  void set_string(std::string_view key, std::string value);
  void set_strings(std::string_view key, std::vector<std::string> values);
  void set_uint8s(std::string_view key, std::span<const uint8_t> values);
  void set_int32s(std::string_view key, std::vector<int64_t> values);
  void set_float32s(std::string_view key, std::vector<double> values);
  void erase(std::string_view key);

 private:
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace minim
