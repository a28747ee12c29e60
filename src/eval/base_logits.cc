#include "eval/base_logits.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked_math.h"
#include "base/error.h"
#include "base/rng.h"

namespace minim {
namespace {

constexpr char kMagic[8] = {'m', 'i', 'n', 'i', 'm', 'L', 'P', '1'};
constexpr size_t kHeaderBytes = 48;

// A row: the log-probability of the token that followed, the least one, both floats; then one
// 16-bit step count a token.
constexpr size_t kStepsOffset = 2 * sizeof(float);
size_t bytes_of_row(int32_t vocabulary_size) {
  return kStepsOffset + sizeof(uint16_t) * static_cast<size_t>(vocabulary_size);
}

template <typename T>
void put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}

template <typename T>
T get(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

[[noreturn]] void throw_damaged(const Path& path, const char* what) {
  throw Error(ErrorCode::kFormat,
              fmt::format("'{}': {}; write it again with --save-base", path.string(), what));
}

}  // namespace

uint64_t hash_tokens(std::span<const int32_t> tokens) {
  uint64_t hash = tokens.size();
  for (const int32_t token : tokens) hash = mix_bits(hash ^ static_cast<uint32_t>(token));
  return hash;
}

BaseLogitsWriter::BaseLogitsWriter(const Path& path, const BaseLogitsHeader& header)
    : file_(path),
      header_(header),
      rows_left_(header.window_count * header.scored_per_window),
      row_(bytes_of_row(header.vocabulary_size)) {
  std::byte bytes[kHeaderBytes] = {};
  std::memcpy(bytes, kMagic, sizeof(kMagic));
  put<int64_t>(bytes + 8, header.vocabulary_size);
  put<int64_t>(bytes + 16, header.context_tokens);
  put<int64_t>(bytes + 24, header.window_count);
  put<int64_t>(bytes + 32, header.scored_per_window);
  put<uint64_t>(bytes + 40, header.tokens_hash);
  file_.write(bytes);
}

void BaseLogitsWriter::write_row(std::span<const float> log_probabilities, int32_t target) {
  MINIM_CHECK(rows_left_ > 0);
  --rows_left_;
  float least = 0;
  for (const float value : log_probabilities) least = std::min(least, value);
  least = std::max(least, kLogProbabilityFloor);
  put<float>(row_.data(), log_probabilities[static_cast<size_t>(target)]);
  put<float>(row_.data() + sizeof(float), least);
  const float steps_per_nat = least < 0 ? 65535.0f / -least : 0.0f;
  for (size_t i = 0; i < log_probabilities.size(); ++i) {
    const float above = std::max(log_probabilities[i] - least, 0.0f);
    const float steps = std::min(std::nearbyint(above * steps_per_nat), 65535.0f);
    put<uint16_t>(row_.data() + kStepsOffset + i * sizeof(uint16_t), static_cast<uint16_t>(steps));
  }
  file_.write(row_);
}

void BaseLogitsWriter::commit() {
  MINIM_CHECK(rows_left_ == 0);
  file_.commit();
}

BaseLogitsReader::BaseLogitsReader(const Path& path) : file_(MappedFile::open(path)) {
  const auto bytes = file_->bytes();
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    throw_damaged(path, "not a file of base predictions");
  }
  const auto vocabulary_size = get<int64_t>(bytes.data() + 8);
  if (vocabulary_size < 1 || vocabulary_size > (int64_t{1} << 24)) {
    throw_damaged(path, "the size of its vocabulary makes no sense");
  }
  header_.vocabulary_size = static_cast<int32_t>(vocabulary_size);
  header_.context_tokens = get<int64_t>(bytes.data() + 16);
  header_.window_count = get<int64_t>(bytes.data() + 24);
  header_.scored_per_window = get<int64_t>(bytes.data() + 32);
  header_.tokens_hash = get<uint64_t>(bytes.data() + 40);
  if (header_.context_tokens < 1 || header_.window_count < 1 || header_.scored_per_window < 1) {
    throw_damaged(path, "its header holds a count below 1");
  }
  row_bytes_ = bytes_of_row(header_.vocabulary_size);
  const auto rows = checked_multiply(header_.window_count, header_.scored_per_window);
  const auto body = rows ? checked_multiply(*rows, static_cast<int64_t>(row_bytes_)) : std::nullopt;
  if (!body || static_cast<uint64_t>(*body) != bytes.size() - kHeaderBytes) {
    throw_damaged(path, "its size does not match its header");
  }
}

float BaseLogitsReader::read_row(int64_t index, std::span<float> log_probabilities) const {
  const std::byte* row =
      file_->bytes().data() + kHeaderBytes + static_cast<size_t>(index) * row_bytes_;
  const auto least = get<float>(row + sizeof(float));
  const float nats_per_step = -least / 65535.0f;
  for (size_t i = 0; i < log_probabilities.size(); ++i) {
    const auto steps = get<uint16_t>(row + kStepsOffset + i * sizeof(uint16_t));
    log_probabilities[i] = least + static_cast<float>(steps) * nats_per_step;
  }
  return get<float>(row);
}

}  // namespace minim
