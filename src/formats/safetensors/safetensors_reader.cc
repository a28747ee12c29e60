#include "formats/safetensors/safetensors_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "formats/byte_reader.h"

namespace minim {
namespace {

constexpr uint64_t kBudgetBase = uint64_t{48} << 20;
constexpr size_t kIndexBytesMax = size_t{16} << 20;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "safetensors: " + what);
}

// The shards that an index lists, by tensor.
std::map<std::string, std::string> read_weight_map(const Path& index) {
  const std::string origin = index.filename().string();
  JsonLimits limits;
  limits.bytes_max = kIndexBytesMax;
  limits.depth_max = 8;
  const Json json = parse_json(read_file(index, kIndexBytesMax), origin, limits);
  const auto found = json.is_object() ? json.find("weight_map") : json.end();
  if (found == json.end() || !found->is_object()) {
    fail(fmt::format("{} has no object 'weight_map'", origin));
  }
  std::map<std::string, std::string> shards;
  for (const auto& [name, shard] : found->items()) {
    if (!shard.is_string()) {
      fail(fmt::format("{}: the file of '{}' is not a string", origin, printable(name)));
    }
    shards.emplace(name, shard.get<std::string>());
  }
  if (shards.empty()) fail(fmt::format("{} lists no tensors", origin));
  return shards;
}

}  // namespace

bool is_safetensors(std::span<const std::byte> bytes) {
  if (bytes.size() < 9 || bytes[8] != std::byte{'{'}) return false;
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  return header_bytes < (uint64_t{1} << 40);
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::read(const Path& path,
                                                             std::span<const std::byte> bytes,
                                                             std::shared_ptr<const void> owner) {
  ByteReader reader(bytes, "safetensors");
  const auto header_bytes = reader.read<uint64_t>("the header's length");
  if (header_bytes > kSafetensorsHeaderBytesMax) {
    throw Error(ErrorCode::kLimit, fmt::format("safetensors: a header of {} bytes; {} are allowed",
                                               header_bytes, kSafetensorsHeaderBytesMax));
  }
  const std::string_view json = reader.take_text(header_bytes, "the header");
  MemoryBudget budget(bytes.size() + kBudgetBase, "safetensors");
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile());
  file->path_ = path;
  file->data_ = bytes.subspan(reader.position());
  file->header_ = parse_safetensors_header(json, file->data_.size(), budget);
  file->owner_ = std::move(owner);
  return file;
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const Path& path) {
  const auto mapped = MappedFile::open(path);
  return read(path, mapped->bytes(), mapped);
}

TensorBytes SafetensorsFile::load(const SafetensorsTensor& tensor) const {
  const auto bytes = data_.subspan(tensor.begin, tensor.end - tensor.begin);
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  if (address % safetensors_type_bytes(tensor.type) == 0) return {bytes, owner_};
  const auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  return {*copy, copy};
}

SafetensorsSources list_tensors(const std::shared_ptr<const SafetensorsFile>& file) {
  SafetensorsSources sources;
  sources.reserve(file->tensors().size());
  for (const SafetensorsTensor& tensor : file->tensors()) {
    sources.emplace(tensor.name, SafetensorsSource{file, &tensor});
  }
  return sources;
}

SafetensorsSources open_safetensors_index(const Path& index) {
  const auto shards = read_weight_map(index);
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> files;
  for (const auto& [name, shard] : shards) {
    auto& file = files[shard];
    if (!file) file = SafetensorsFile::open(resolve_inside(index.parent_path(), shard));
  }
  SafetensorsSources sources;
  sources.reserve(shards.size());
  for (const auto& [shard, file] : files) {
    for (const SafetensorsTensor& tensor : file->tensors()) {
      const auto listed = shards.find(tensor.name);
      if (listed == shards.end() || listed->second != shard) {
        fail(fmt::format("'{}' holds the tensor '{}', which the index does not expect there",
                         printable(shard), printable(tensor.name)));
      }
      sources.emplace(tensor.name, SafetensorsSource{file, &tensor});
    }
  }
  for (const auto& [name, shard] : shards) {
    if (!sources.contains(name)) {
      fail(fmt::format("the index expects the tensor '{}' in '{}', which does not hold it",
                       printable(name), printable(shard)));
    }
  }
  return sources;
}

Path resolve_inside(const Path& folder, std::string_view name) {
  const bool is_plain = !name.empty() && name != "." && name != ".." &&
                        name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
  if (!is_plain) {
    throw Error(
        ErrorCode::kFormat,
        fmt::format("'{}' is not the name of a file in the model's folder", printable(name)));
  }
  const Path path = folder / name;
  std::error_code error;
  Path root = std::filesystem::canonical(folder.empty() ? Path(".") : folder, error);
  const Path target = error ? Path() : std::filesystem::canonical(path, error);
  if (error) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("cannot open '{}': {}", path.string(), error.message()));
  }
  if (root.parent_path().filename() == "snapshots") root = root.parent_path().parent_path();
  const auto [end, rest] = std::mismatch(root.begin(), root.end(), target.begin(), target.end());
  if (end != root.end()) {
    throw Error(ErrorCode::kFormat,
                fmt::format("'{}' is a link that leads out of its folder", path.string()));
  }
  return path;
}

}  // namespace minim
