#include "formats/gguf/gguf_writer.h"

#include <fmt/core.h>

#include <unordered_set>
#include <utility>

#include "base/checked_math.h"
#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/gguf/gguf_metadata.h"
#include "formats/gguf/gguf_reader.h"

namespace minim {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "gguf: " + what);
}

template <typename T>
void write_number(FileWriter& writer, T value) {
  writer.write(std::as_bytes(std::span(&value, 1)));
}

uint64_t choose_alignment(const Metadata& metadata) {
  const MetadataValue* value = metadata.find("general.alignment");
  if (value == nullptr) return kGgufAlignmentDefault;
  const auto* stored = std::get_if<uint64_t>(&value->value);
  if (stored == nullptr || value->type != MetadataType::kUint32 || *stored < kGgufAlignmentMin ||
      *stored > kGgufAlignmentMax || (*stored & (*stored - 1)) != 0) {
    refuse(fmt::format("'general.alignment' must be a uint32 power of two from {} to {}",
                       kGgufAlignmentMin, kGgufAlignmentMax));
  }
  return *stored;
}

uint64_t checked_bytes(const GgufTensor& tensor) {
  if (tensor.name.empty() || tensor.name.size() >= kGgufTensorNameBytesMax) {
    refuse(fmt::format("the tensor name '{}' must have 1 to {} bytes", printable(tensor.name),
                       kGgufTensorNameBytesMax - 1));
  }
  if (tensor.rank < 1 || tensor.rank > 4) {
    refuse(fmt::format("tensor '{}' has {} dimensions; 1 to 4 are possible", tensor.name,
                       tensor.rank));
  }
  std::optional<int64_t> count = 1;
  for (int i = 0; i < 4 && count; ++i) {
    const int64_t size = tensor.shape[static_cast<size_t>(i)];
    const bool possible = size >= 1 && (i < tensor.rank || size == 1);
    count = possible ? checked_multiply(*count, size) : std::nullopt;
  }
  const auto bytes = count ? data_type_bytes(tensor.type, static_cast<uint64_t>(*count))
                           : std::optional<uint64_t>();
  if (!bytes || tensor.shape[0] % data_type_info(tensor.type).block_values != 0) {
    refuse(fmt::format("tensor '{}' has a shape that {} cannot store", tensor.name,
                       data_type_info(tensor.type).name));
  }
  return *bytes;
}

}  // namespace

GgufWriter::GgufWriter(const Path& target, const Metadata& metadata,
                       std::vector<GgufTensor> tensors)
    : writer_(target), alignment_(choose_alignment(metadata)), tensors_(std::move(tensors)) {
  writer_.write(std::string_view(kGgufMagic, sizeof(kGgufMagic)));
  write_number(writer_, kGgufVersion);
  write_number(writer_, static_cast<uint64_t>(tensors_.size()));
  write_number(writer_, static_cast<uint64_t>(metadata.entries().size()));
  write_gguf_metadata(metadata, writer_);
  std::unordered_set<std::string_view> names;
  uint64_t offset = 0;
  for (const GgufTensor& tensor : tensors_) {
    bytes_.push_back(checked_bytes(tensor));
    if (!names.insert(tensor.name).second) {
      refuse(fmt::format("the tensor name '{}' stands twice", tensor.name));
    }
    write_number(writer_, static_cast<uint64_t>(tensor.name.size()));
    writer_.write(tensor.name);
    write_number(writer_, static_cast<uint32_t>(tensor.rank));
    for (int i = 0; i < tensor.rank; ++i) {
      write_number(writer_, tensor.shape[static_cast<size_t>(i)]);
    }
    write_number(writer_, static_cast<uint32_t>(tensor.type));
    write_number(writer_, offset);
    const auto end = checked_add(offset, bytes_.back());
    const auto next = end ? checked_align_up(*end, alignment_) : std::nullopt;
    if (!next) refuse("the tensors together are larger than a file can be");
    offset = *next;
  }
  if (!tensors_.empty()) {
    writer_.write_zeros(*checked_align_up(writer_.position(), alignment_) - writer_.position());
  }
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (current_ == tensors_.size()) refuse("bytes after the last tensor");
  if (bytes.size() > bytes_[current_] - written_) {
    refuse(fmt::format("tensor '{}' takes {} more bytes, but {} were given",
                       tensors_[current_].name, bytes_[current_] - written_, bytes.size()));
  }
  writer_.write(bytes);
  written_ += bytes.size();
  if (written_ == bytes_[current_]) {
    writer_.write_zeros(*checked_align_up(written_, alignment_) - written_);
    ++current_;
    written_ = 0;
  }
}

void GgufWriter::commit() {
  if (current_ < tensors_.size()) {
    refuse(fmt::format("tensor '{}' lacks {} bytes", tensors_[current_].name,
                       bytes_[current_] - written_));
  }
  writer_.commit();
}

void save_gguf(const Path& target, const Metadata& metadata, std::span<const TensorEntry> tensors,
               const ProgressSink& progress) {
  std::vector<GgufTensor> declared;
  declared.reserve(tensors.size());
  uint64_t total = 0;
  for (const TensorEntry& tensor : tensors) {
    declared.push_back({tensor.name, tensor.type, tensor.rank, tensor.shape});
    total += tensor.byte_count();
  }
  GgufWriter writer(target, metadata, std::move(declared));
  uint64_t done = 0;
  for (const TensorEntry& tensor : tensors) {
    report_progress(progress, {"writing", done, total, "bytes"});
    writer.write(tensor.load().bytes);
    done += tensor.byte_count();
  }
  report_progress(progress, {"writing", done, total, "bytes"});
  writer.commit();
}

}  // namespace minim
