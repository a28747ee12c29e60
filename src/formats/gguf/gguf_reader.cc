#include "formats/gguf/gguf_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/checked_math.h"
#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/gguf/gguf_metadata.h"

namespace minim {
namespace {

// What a key and a tensor take at least: lengths, one byte of name, types, one dimension, offset.
constexpr uint64_t kKeyBytesMin = 8 + 1 + 4 + 1;
constexpr uint64_t kTensorBytesMin = 8 + 1 + 4 + 8 + 4 + 8;
// A tensor's entry, its loader's captured state, and its place in the index of names.
constexpr uint64_t kTensorEntryBytes = sizeof(TensorEntry) + 64 + 128;
constexpr uint64_t kBudgetBase = uint64_t{48} << 20;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "gguf: " + what);
}

uint32_t read_version(ByteReader& reader) {
  const auto magic = reader.take(sizeof(kGgufMagic), "the magic");
  if (std::memcmp(magic.data(), kGgufMagic, sizeof(kGgufMagic)) != 0) {
    fail("the file does not start with 'GGUF'");
  }
  const auto version = reader.read<uint32_t>("the version");
  if (version == 2 || version == 3) return version;
  const uint32_t swapped = __builtin_bswap32(version);
  if (swapped == 2 || swapped == 3) {
    throw Error(ErrorCode::kUnsupported,
                "gguf: the file is big-endian; convert it to little-endian first");
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("gguf: version {} is not supported, 2 and 3 are", version));
}

void check_count(uint64_t count, uint64_t bytes_min, uint64_t remaining, const char* what) {
  if (count <= remaining / bytes_min) return;
  fail(fmt::format("the header claims {} {}, more than fit in the {} bytes that follow", count,
                   what, remaining));
}

uint64_t read_alignment(const Metadata& metadata) {
  const MetadataValue* value = metadata.find("general.alignment");
  if (value == nullptr) return kGgufAlignmentDefault;
  if (value->type != MetadataType::kUint32) {
    fail(fmt::format("'general.alignment' must be uint32, but is {}",
                     metadata_type_name(value->type)));
  }
  const uint64_t alignment = std::get<uint64_t>(value->value);
  const bool is_power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
  if (!is_power_of_two || alignment < kGgufAlignmentMin || alignment > kGgufAlignmentMax) {
    fail(fmt::format("'general.alignment' is {}; it must be a power of two from {} to {}",
                     alignment, kGgufAlignmentMin, kGgufAlignmentMax));
  }
  return alignment;
}

// One file of several has only some of the tensors.
void refuse_split(const Metadata& metadata) {
  const int64_t count = metadata.integer("split.count").value_or(1);
  if (count <= 1) return;
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("gguf: this is one of {} parts; join them first (llama-gguf-split --merge)",
                  count));
}

struct TensorInfo {
  TensorEntry entry;
  uint64_t offset = 0;  // from the start of the data
  uint64_t bytes = 0;
};

std::string read_tensor_name(ByteReader& reader) {
  const auto length = reader.read<uint64_t>("a tensor name's length");
  if (length == 0 || length > kGgufTensorNameBytesMax) {
    fail(fmt::format("a tensor name of {} bytes at offset {}; names have 1 to {}", length,
                     reader.position() - 8, kGgufTensorNameBytesMax));
  }
  const std::string_view name = reader.take_text(length, "a tensor name");
  check_gguf_name(name, "tensor name");
  return std::string(name);
}

// Shape and type, checked so that value_count() and byte_count() cannot overflow.
TensorInfo read_tensor_info(ByteReader& reader) {
  TensorInfo info;
  TensorEntry& entry = info.entry;
  entry.name = read_tensor_name(reader);
  const auto rank = reader.read<uint32_t>("a tensor's rank");
  if (rank < 1 || rank > 4) {
    fail(fmt::format("tensor '{}' has {} dimensions; 1 to 4 are possible", entry.name, rank));
  }
  entry.rank = static_cast<int>(rank);
  int64_t count = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    const auto size = reader.read<int64_t>("a tensor's shape");
    const auto product = size < 1 ? std::nullopt : checked_multiply(count, size);
    if (!product) {
      fail(fmt::format("tensor '{}' has the impossible size {} in dimension {}", entry.name,
                       static_cast<uint64_t>(size), i));
    }
    entry.shape[i] = size;
    count = *product;
  }
  const auto id = reader.read<uint32_t>("a tensor's type");
  const DataTypeInfo* type = find_data_type(id);
  if (type == nullptr) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("gguf: tensor '{}' has the type {}, which is not supported", entry.name, id));
  }
  entry.type = type->type;
  const auto bytes = data_type_bytes(entry.type, static_cast<uint64_t>(count));
  if (entry.shape[0] % type->block_values != 0 || !bytes) {
    fail(fmt::format("tensor '{}' has rows of {} values, which {} cannot store", entry.name,
                     entry.shape[0], type->name));
  }
  info.bytes = *bytes;
  info.offset = reader.read<uint64_t>("a tensor's offset");
  return info;
}

void check_extent(const TensorInfo& info, uint64_t alignment, uint64_t data_bytes) {
  if (info.offset % alignment != 0) {
    fail(fmt::format("tensor '{}' starts at {}, no multiple of the alignment {}", info.entry.name,
                     info.offset, alignment));
  }
  if (info.offset > data_bytes || info.bytes > data_bytes - info.offset) {
    fail(
        fmt::format("tensor '{}' needs {} bytes from offset {} of the data, which ends after {}; "
                    "the file is damaged or was not copied to its end",
                    info.entry.name, info.bytes, info.offset, data_bytes));
  }
}

void check_overlap(const std::vector<TensorInfo>& infos) {
  std::vector<const TensorInfo*> order;
  order.reserve(infos.size());
  for (const TensorInfo& info : infos) order.push_back(&info);
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i]->offset < order[i - 1]->offset + order[i - 1]->bytes) {
      fail(fmt::format("tensors '{}' and '{}' overlap", order[i - 1]->entry.name,
                       order[i]->entry.name));
    }
  }
}

}  // namespace

bool is_gguf(std::span<const std::byte> bytes) {
  return bytes.size() >= sizeof(kGgufMagic) &&
         std::memcmp(bytes.data(), kGgufMagic, sizeof(kGgufMagic)) == 0;
}

std::shared_ptr<const ModelFile> read_gguf(const Path& path, std::span<const std::byte> bytes,
                                           std::shared_ptr<const void> owner,
                                           const MappedFile* mapping) {
  ByteReader reader(bytes, "gguf");
  read_version(reader);
  const auto tensor_count = reader.read<uint64_t>("the number of tensors");
  const auto key_count = reader.read<uint64_t>("the number of keys");
  check_count(key_count, kKeyBytesMin, reader.remaining(), "keys");
  check_count(tensor_count, kTensorBytesMin, reader.remaining(), "tensors");
  MemoryBudget budget(bytes.size() + kBudgetBase, "gguf");
  Metadata metadata = read_gguf_metadata(reader, key_count, budget);
  const uint64_t alignment = read_alignment(metadata);
  refuse_split(metadata);

  check_count(tensor_count, kTensorBytesMin, reader.remaining(), "tensors");
  budget.charge(tensor_count, kTensorEntryBytes + sizeof(TensorInfo) + sizeof(void*));
  std::vector<TensorInfo> infos;
  infos.reserve(tensor_count);
  for (uint64_t i = 0; i < tensor_count; ++i) infos.push_back(read_tensor_info(reader));

  // Nothing follows the header of a file without tensors, not even padding.
  const uint64_t data_start = *checked_align_up(reader.position(), alignment);
  const uint64_t data_bytes = bytes.size() - std::min<uint64_t>(bytes.size(), data_start);
  for (const TensorInfo& info : infos) check_extent(info, alignment, data_bytes);
  check_overlap(infos);

  std::vector<TensorEntry> tensors;
  tensors.reserve(infos.size());
  for (TensorInfo& info : infos) {
    const auto data = bytes.subspan(data_start + info.offset, info.bytes);
    info.entry.load = [data, owner, mapping] { return TensorBytes{data, owner, mapping}; };
    tensors.push_back(std::move(info.entry));
  }
  return std::make_shared<ModelFile>(path, "gguf", std::move(metadata), std::move(tensors));
}

std::shared_ptr<const ModelFile> read_gguf(const Path& path,
                                           std::shared_ptr<const MappedFile> file) {
  const MappedFile* mapping = file.get();
  return read_gguf(path, mapping->bytes(), std::move(file), mapping);
}

std::shared_ptr<const ModelFile> open_gguf(const Path& path) {
  return read_gguf(path, MappedFile::open(path));
}

}  // namespace minim
