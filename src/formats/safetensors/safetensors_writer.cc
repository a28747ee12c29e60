#include "formats/safetensors/safetensors_writer.h"

#include <fmt/core.h>

#include <set>
#include <string_view>

#include "base/checked_math.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/byte_reader.h"
#include "text/utf8.h"

namespace minim {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "safetensors: " + what);
}

uint64_t checked_bytes(const SafetensorsDeclaration& tensor) {
  if (tensor.shape.size() > static_cast<size_t>(kSafetensorsRankMax)) {
    refuse(fmt::format("tensor '{}' has more than {} dimensions", printable(tensor.name),
                       kSafetensorsRankMax));
  }
  std::optional<uint64_t> bytes = safetensors_type_bytes(tensor.type);
  for (const int64_t size : tensor.shape) {
    bytes = size < 1 ? std::nullopt : checked_multiply(*bytes, static_cast<uint64_t>(size));
    if (!bytes) refuse(fmt::format("tensor '{}' has an impossible shape", printable(tensor.name)));
  }
  return *bytes;
}

void check_text(const std::string& text) {
  if (!is_valid_utf8(text)) refuse(fmt::format("'{}' is not UTF-8", printable(text)));
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const Path& target,
                                     const std::vector<SafetensorsDeclaration>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : writer_(target) {
  OrderedJson header = OrderedJson::object();
  for (const auto& [key, value] : metadata) {
    check_text(key);
    check_text(value);
    header["__metadata__"][key] = value;
  }
  std::set<std::string_view> names;
  std::string json = header.dump();
  json.pop_back();  // the closing brace
  for (const SafetensorsDeclaration& tensor : tensors) {
    check_text(tensor.name);
    if (tensor.name.empty() || tensor.name == "__metadata__") refuse("a tensor without a name");
    const auto end = checked_add(left_, checked_bytes(tensor));
    if (!end) refuse("the tensors together are larger than a file can be");
    OrderedJson entry = {{"dtype", safetensors_type_name(tensor.type)},
                         {"shape", tensor.shape},
                         {"data_offsets", {left_, *end}}};
    if (!names.insert(tensor.name).second) {
      refuse(fmt::format("the tensor name '{}' stands twice", printable(tensor.name)));
    }
    if (json.size() > 1) json += ',';
    json += OrderedJson(tensor.name).dump() + ':' + entry.dump();
    left_ = *end;
  }
  json += '}';
  json.resize((json.size() + 7) & ~size_t{7}, ' ');
  if (json.size() > kSafetensorsHeaderBytesMax) {
    throw Error(ErrorCode::kLimit, "safetensors: too many tensors for one header");
  }
  const uint64_t header_bytes = json.size();
  writer_.write(std::as_bytes(std::span(&header_bytes, 1)));
  writer_.write(json);
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (bytes.size() > left_) {
    refuse(fmt::format("{} bytes given where {} were left to write", bytes.size(), left_));
  }
  writer_.write(bytes);
  left_ -= bytes.size();
}

void SafetensorsWriter::commit() {
  if (left_ > 0) refuse(fmt::format("{} bytes of tensors are missing", left_));
  writer_.commit();
}

}  // namespace minim
