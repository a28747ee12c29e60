#include "formats/safetensors/safetensors_reader.h"

#include <fmt/core.h>

#include <cstring>
#include <utility>

#include "base/error.h"
#include "formats/byte_reader.h"

namespace minim {
namespace {

constexpr uint64_t kBudgetBase = uint64_t{48} << 20;

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

}  // namespace minim
