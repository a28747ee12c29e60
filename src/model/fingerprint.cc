#include "model/fingerprint.h"

#include <algorithm>

#include "base/error.h"
#include "base/xxhash64.h"

namespace minim {
namespace {

constexpr size_t kSampleBytes = 256;  // at the beginning, the middle and the end

void update(XxHash64& hash, const MetadataValue& value) {
  hash.update_value(static_cast<uint32_t>(value.type));
  if (const auto* text = std::get_if<std::string>(&value.value)) {
    hash.update(*text);
  } else if (const auto* flag = std::get_if<bool>(&value.value)) {
    hash.update_value(static_cast<uint64_t>(*flag));
  } else if (const auto* number = std::get_if<double>(&value.value)) {
    hash.update_value(*number);
  } else if (const auto* integer = std::get_if<int64_t>(&value.value)) {
    hash.update_value(*integer);
  } else {
    const auto* natural = std::get_if<uint64_t>(&value.value);
    MINIM_CHECK(natural != nullptr);  // configs write no arrays
    hash.update_value(*natural);
  }
}

}  // namespace

uint64_t config_fingerprint(const ModelConfig& config) {
  ModelConfig same = config;
  same.name.clear();
  same.context_length = std::max<int64_t>(config.learned_positions, 1);
  Metadata metadata;
  write_model_config(same, metadata);
  XxHash64 hash;
  hash.update_value(static_cast<int64_t>(config.vocabulary_size));
  for (const auto& [key, value] : metadata.entries()) {
    hash.update(key);
    hash.update_value(static_cast<uint64_t>(key.size()));
    update(hash, value);
  }
  return hash.digest();
}

uint64_t tensor_fingerprint(const TensorEntry& entry, std::span<const std::byte> bytes) {
  XxHash64 hash;
  hash.update(entry.name);
  hash.update_value(static_cast<uint32_t>(entry.type));
  hash.update_value(entry.shape);
  const size_t count = std::min(kSampleBytes, bytes.size());
  const size_t rest = bytes.size() - count;
  for (const size_t offset : {size_t{0}, rest / 2, rest}) hash.update(bytes.subspan(offset, count));
  return hash.digest();
}

}  // namespace minim
