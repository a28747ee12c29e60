#include "train/checkpoint.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <system_error>

#include "base/error.h"
#include "base/xxhash64.h"
#include "formats/byte_reader.h"

namespace minim::train {
namespace {

constexpr char kMagic[8] = {'M', 'I', 'N', 'I', 'M', 'C', 'K', 'P'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kNameBytesMax = 256;
constexpr size_t kKept = 2;
constexpr std::string_view kPrefix = "checkpoint-";
constexpr std::string_view kSuffix = ".minim";

// Everything that is written counts towards the checksum.
class SummedWriter {
 public:
  explicit SummedWriter(const Path& path) : writer_(path) {}

  void write(std::span<const std::byte> bytes) {
    hash_.update(bytes);
    writer_.write(bytes);
  }
  template <typename T>
  void write_value(const T& value) {
    write(std::as_bytes(std::span(&value, 1)));
  }
  void commit() {
    const uint64_t digest = hash_.digest();
    writer_.write(std::as_bytes(std::span(&digest, 1)));
    writer_.commit();
  }

 private:
  FileWriter writer_;
  XxHash64 hash_;
};

// Whether the file ends in the sum of everything before.
bool is_whole(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(kMagic) + sizeof(uint64_t)) return false;
  const size_t summed = bytes.size() - sizeof(uint64_t);
  XxHash64 hash;
  hash.update(bytes.first(summed));
  uint64_t digest = 0;
  std::memcpy(&digest, bytes.data() + summed, sizeof(digest));
  return digest == hash.digest();
}

[[noreturn]] void throw_other_run(const Path& path, const std::string& what) {
  throw Error(ErrorCode::kFormat,
              fmt::format("train: '{}' is the checkpoint of another run: {}; choose another "
                          "folder, or go on with the settings that it was made with",
                          path.string(), what));
}

// Reads a file that is whole.
int64_t read_parts(const Path& path, std::span<const std::byte> bytes, uint64_t fingerprint,
                   std::span<const CheckpointPart> parts) {
  ByteReader reader(bytes, "checkpoint");
  const std::string_view magic = reader.take_text(sizeof(kMagic), "the magic");
  const auto version = reader.read<uint32_t>("the version");
  if (magic != std::string_view(kMagic, sizeof(kMagic)) || version != kVersion) {
    throw_other_run(path, "it is of another kind or version");
  }
  const auto count = reader.read<uint32_t>("the number of parts");
  const auto found = reader.read<uint64_t>("the fingerprint");
  const auto step = reader.read<int64_t>("the step");
  if (found != fingerprint) throw_other_run(path, "its model or its settings differ");
  if (count != parts.size()) {
    throw_other_run(path, fmt::format("it has {} parts, not {}", count, parts.size()));
  }
  for (const CheckpointPart& part : parts) {
    const auto name_bytes = reader.read<uint32_t>("the length of a name");
    const auto part_bytes = reader.read<uint64_t>("the length of a part");
    const std::string_view name = reader.take_text(std::min(name_bytes, kNameBytesMax), "a name");
    if (name != part.name || part_bytes != part.bytes.size()) {
      throw_other_run(path, fmt::format("it has '{}' of {} bytes where '{}' of {} is wanted",
                                        printable(name), part_bytes, part.name, part.bytes.size()));
    }
    const auto content = reader.take(part_bytes, "a part");
    if (!content.empty()) std::memcpy(part.bytes.data(), content.data(), content.size());
  }
  return step;
}

}  // namespace

Path CheckpointFolder::path_of(int64_t step) const {
  return folder_ / fmt::format("{}{:010}{}", kPrefix, step, kSuffix);
}

std::vector<int64_t> CheckpointFolder::steps() const {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    const char* begin = name.data() + kPrefix.size();
    const char* end = name.data() + name.size() - kSuffix.size();
    int64_t step = 0;
    const auto parsed = std::from_chars(begin, end, step);
    if (parsed.ec == std::errc() && parsed.ptr == end) steps.push_back(step);
  }
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

void CheckpointFolder::save(int64_t step, std::span<const CheckpointPart> parts) const {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) {
    throw Error(ErrorCode::kIo, fmt::format("train: cannot make the folder '{}': {}",
                                            folder_.string(), error.message()));
  }
  SummedWriter writer(path_of(step));
  writer.write(std::as_bytes(std::span(kMagic)));
  writer.write_value(kVersion);
  writer.write_value(static_cast<uint32_t>(parts.size()));
  writer.write_value(fingerprint_);
  writer.write_value(step);
  for (const CheckpointPart& part : parts) {
    MINIM_CHECK(part.name.size() <= kNameBytesMax);
    writer.write_value(static_cast<uint32_t>(part.name.size()));
    writer.write_value(static_cast<uint64_t>(part.bytes.size()));
    writer.write(std::as_bytes(std::span(part.name)));
    writer.write(part.bytes);
  }
  writer.commit();
  const std::vector<int64_t> all = steps();
  for (size_t i = kKept; i < all.size(); ++i) std::filesystem::remove(path_of(all[i]), error);
}

std::optional<int64_t> CheckpointFolder::load(const Context& context,
                                              std::span<const CheckpointPart> parts) const {
  for (const int64_t step : steps()) {
    const Path path = path_of(step);
    const auto file = MappedFile::open(path);
    if (!is_whole(file->bytes())) {
      context.warn(
          fmt::format("train: '{}' is damaged; looking for an earlier checkpoint", path.string()));
      continue;
    }
    return read_parts(path, file->bytes(), fingerprint_, parts);
  }
  return std::nullopt;
}

}  // namespace minim::train
