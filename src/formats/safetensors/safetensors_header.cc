#include "formats/safetensors/safetensors_header.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "base/checked_math.h"
#include "base/error.h"

namespace minim {
namespace {

struct TypeInfo {
  SafetensorsType type;
  const char* name;
  uint64_t bytes;
  std::optional<DataType> data_type;
};
constexpr TypeInfo kTypes[] = {
    {SafetensorsType::kBool, "BOOL", 1, std::nullopt},
    {SafetensorsType::kU8, "U8", 1, std::nullopt},
    {SafetensorsType::kI8, "I8", 1, DataType::kI8},
    {SafetensorsType::kU16, "U16", 2, std::nullopt},
    {SafetensorsType::kI16, "I16", 2, DataType::kI16},
    {SafetensorsType::kU32, "U32", 4, std::nullopt},
    {SafetensorsType::kI32, "I32", 4, DataType::kI32},
    {SafetensorsType::kU64, "U64", 8, std::nullopt},
    {SafetensorsType::kI64, "I64", 8, DataType::kI64},
    {SafetensorsType::kF16, "F16", 2, DataType::kF16},
    {SafetensorsType::kBf16, "BF16", 2, DataType::kBf16},
    {SafetensorsType::kF32, "F32", 4, DataType::kF32},
    {SafetensorsType::kF64, "F64", 8, DataType::kF64},
};

const TypeInfo& type_info(SafetensorsType type) { return kTypes[static_cast<size_t>(type)]; }

// An entry, its name in the set that finds duplicates, and its place in an index of names.
constexpr uint64_t kEntryBytes = sizeof(SafetensorsTensor) + 128;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "safetensors: " + what);
}

// The handler of nlohmann's streaming parser. The header is an object of tensors, each an object of
// dtype, shape and data_offsets, and of "__metadata__", an object of strings.
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderHandler(SafetensorsHeader& header, MemoryBudget& budget)
      : header_(header), budget_(budget) {}

  bool start_object(size_t) override {
    switch (state_) {
      case State::kStart: state_ = State::kNames; return true;
      case State::kTensor:
        state_ = State::kFields;
        fields_ = 0;
        return true;
      case State::kMetadata: state_ = State::kMetadataKeys; return true;
      default: refuse("an object");
    }
  }

  bool end_object() override {
    if (state_ == State::kFields) finish_tensor();
    state_ = state_ == State::kNames ? State::kDone : State::kNames;
    return true;
  }

  bool key(string_t& key) override {
    switch (state_) {
      case State::kNames: return name(key);
      case State::kFields: return field(key);
      default:
        if (header_.metadata.contains(key)) fail(fmt::format("'{}' stands twice", printable(key)));
        metadata_key_ = key;
        state_ = State::kMetadataValue;
        return true;
    }
  }

  bool string(string_t& text) override {
    if (state_ == State::kMetadataValue) {
      budget_.charge(1, 160 + metadata_key_.size() + text.size());
      header_.metadata.emplace(metadata_key_, text);
      state_ = State::kMetadataKeys;
      return true;
    }
    if (state_ != State::kType) refuse("a string");
    for (const TypeInfo& known : kTypes) {
      if (text != known.name) continue;
      tensor_.type = known.type;
      state_ = State::kFields;
      return true;
    }
    throw Error(ErrorCode::kUnsupported,
                fmt::format("safetensors: tensor '{}' has the type {}, which is not supported",
                            printable(tensor_.name), printable(text)));
  }

  bool start_array(size_t) override {
    if (state_ == State::kShape) {
      state_ = State::kShapeItems;
    } else if (state_ == State::kOffsets) {
      state_ = State::kOffsetItems;
      offset_count_ = 0;
    } else {
      refuse("an array");
    }
    return true;
  }

  bool end_array() override {
    if (state_ == State::kOffsetItems && offset_count_ != 2) {
      fail(fmt::format("tensor '{}' has {} data_offsets, not 2", printable(tensor_.name),
                       offset_count_));
    }
    state_ = State::kFields;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kShapeItems) {
      if (tensor_.rank == kSafetensorsRankMax) {
        fail(fmt::format("tensor '{}' has more than {} dimensions", printable(tensor_.name),
                         kSafetensorsRankMax));
      }
      if (value == 0 || value > uint64_t{INT64_MAX}) {
        fail(fmt::format("tensor '{}' has the impossible size {}", printable(tensor_.name), value));
      }
      tensor_.shape[static_cast<size_t>(tensor_.rank++)] = static_cast<int64_t>(value);
    } else if (state_ == State::kOffsetItems) {
      if (offset_count_ < 2) (offset_count_ == 0 ? tensor_.begin : tensor_.end) = value;
      ++offset_count_;
    } else {
      refuse("a number");
    }
    return true;
  }

  bool number_integer(number_integer_t) override { refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    refuse("a number that is not whole, or too large");
  }
  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("true or false"); }
  bool binary(binary_t&) override { refuse("binary data"); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    fail(fmt::format("the header is not valid JSON at byte {}: {}", position,
                     printable(error.what(), 300)));
  }

 private:
  enum class State {
    kStart,
    kNames,
    kTensor,
    kFields,
    kType,
    kShape,
    kShapeItems,
    kOffsets,
    kOffsetItems,
    kMetadata,
    kMetadataKeys,
    kMetadataValue,
    kDone,
  };
  enum Field : unsigned { kHasType = 1, kHasShape = 2, kHasOffsets = 4, kHasAll = 7 };

  [[noreturn]] void refuse(const char* what) const {
    if (state_ == State::kStart) fail("the header is not a JSON object");
    const bool in_metadata = state_ == State::kMetadata || state_ == State::kMetadataValue;
    fail(fmt::format("{} in the header at '{}' does not belong there", what,
                     in_metadata ? "__metadata__" : printable(tensor_.name)));
  }

  bool name(const std::string& name) {
    if (name == "__metadata__") {
      if (std::exchange(seen_metadata_, true)) fail("'__metadata__' stands twice");
      state_ = State::kMetadata;
      return true;
    }
    if (name.empty()) fail("a tensor without a name");
    budget_.charge(1, kEntryBytes);
    budget_.charge(2, name.size());
    if (!names_.insert(name).second) {
      fail(fmt::format("the tensor '{}' stands twice", printable(name)));
    }
    tensor_ = SafetensorsTensor();
    tensor_.name = name;
    state_ = State::kTensor;
    return true;
  }

  bool field(const std::string& key) {
    Field found = kHasType;
    if (key == "dtype") {
      state_ = State::kType;
    } else if (key == "shape") {
      found = kHasShape;
      state_ = State::kShape;
    } else if (key == "data_offsets") {
      found = kHasOffsets;
      state_ = State::kOffsets;
    } else {
      fail(fmt::format("tensor '{}' has the unknown field '{}'", printable(tensor_.name),
                       printable(key)));
    }
    if ((fields_ & found) != 0) {
      fail(fmt::format("tensor '{}' has the field '{}' twice", printable(tensor_.name), key));
    }
    fields_ |= found;
    return true;
  }

  void finish_tensor() {
    const std::string shown = printable(tensor_.name);
    if (fields_ != kHasAll) {
      fail(fmt::format("tensor '{}' must have dtype, shape and data_offsets", shown));
    }
    std::optional<uint64_t> bytes = type_info(tensor_.type).bytes;
    for (int i = 0; i < tensor_.rank; ++i) {
      bytes =
          checked_multiply(*bytes, static_cast<uint64_t>(tensor_.shape[static_cast<size_t>(i)]));
      if (!bytes || *bytes > uint64_t{INT64_MAX}) {
        fail(fmt::format("the size of tensor '{}' overflows", shown));
      }
    }
    if (tensor_.begin > tensor_.end || tensor_.end - tensor_.begin != *bytes) {
      fail(fmt::format("tensor '{}' of {} bytes has the data_offsets {} to {}", shown, *bytes,
                       tensor_.begin, tensor_.end));
    }
    header_.tensors.push_back(std::move(tensor_));
  }

  SafetensorsHeader& header_;
  MemoryBudget& budget_;
  State state_ = State::kStart;
  unsigned fields_ = 0;
  int offset_count_ = 0;
  bool seen_metadata_ = false;
  SafetensorsTensor tensor_;
  std::string metadata_key_;
  std::unordered_set<std::string> names_;
};

void check_coverage(const std::vector<SafetensorsTensor>& tensors, uint64_t data_bytes) {
  uint64_t covered = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.begin != covered) {
      fail(fmt::format("tensor '{}' starts at {}, but the one before it ends at {}",
                       printable(tensor.name), tensor.begin, covered));
    }
    covered = tensor.end;
  }
  if (covered != data_bytes) {
    fail(
        fmt::format("the tensors end after {} bytes of data, the file after {}; it is damaged or "
                    "was not copied to its end",
                    covered, data_bytes));
  }
}

}  // namespace

const char* safetensors_type_name(SafetensorsType type) { return type_info(type).name; }
uint64_t safetensors_type_bytes(SafetensorsType type) { return type_info(type).bytes; }
std::optional<DataType> to_data_type(SafetensorsType type) { return type_info(type).data_type; }

std::optional<SafetensorsType> to_safetensors_type(DataType type) {
  for (const TypeInfo& known : kTypes) {
    if (known.data_type == type) return known.type;
  }
  return std::nullopt;
}

int64_t SafetensorsTensor::value_count() const {
  int64_t count = 1;
  for (int i = 0; i < rank; ++i) count *= shape[static_cast<size_t>(i)];
  return count;
}

SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes,
                                           MemoryBudget& budget) {
  if (json.empty() || json.front() != '{') fail("the header does not start with '{'");
  // The parser takes a zero byte for the end of the text.
  if (json.find('\0') != std::string_view::npos) fail("the header holds a zero byte");
  SafetensorsHeader header;
  HeaderHandler handler(header, budget);
  nlohmann::json::sax_parse(json.begin(), json.end(), &handler);
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const auto& a, const auto& b) { return a.begin < b.begin; });
  check_coverage(header.tensors, data_bytes);
  return header;
}

}  // namespace minim
