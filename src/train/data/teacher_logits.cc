#include "train/data/teacher_logits.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "base/checked_math.h"
#include "base/error.h"
#include "base/xxhash64.h"

namespace minim::train {
namespace {

constexpr char kMagic[8] = {'m', 'i', 'n', 'i', 'm', 'T', 'L', '1'};
constexpr size_t kHeaderBytes = 72;
constexpr size_t kChecksumOffset = 64;
constexpr int64_t kVocabularyMax = int64_t{1} << 24;
constexpr int64_t kTopKMax = 65535;
constexpr int64_t kRowTokensMax = int64_t{1} << 24;
constexpr uint8_t kZeroCode = 255;
constexpr float kCodes = 254.0f;

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

size_t token_bytes(const TeacherLogitsHeader& header) {
  return header.vocabulary_size > 0x10000 ? sizeof(uint32_t) : sizeof(uint16_t);
}

size_t position_bytes(const TeacherLogitsHeader& header) {
  return static_cast<size_t>(header.top_k) * (token_bytes(header) + 1) + 1;
}

bool is_sound(const TeacherLogitsHeader& header) {
  return header.vocabulary_size >= 2 && header.vocabulary_size <= kVocabularyMax &&
         header.top_k >= 1 && header.top_k <= kTopKMax && header.top_k < header.vocabulary_size &&
         header.row_tokens >= 1 && header.row_tokens <= kRowTokensMax &&
         std::isfinite(header.temperature) && header.temperature > 0;
}

// Of the header without itself and of the list of hashes.
uint64_t checksum(const std::byte* header, std::span<const std::byte> hashes) {
  XxHash64 hash;
  hash.update(std::span(header, kChecksumOffset));
  hash.update(hashes);
  return hash.digest();
}

}  // namespace

uint8_t encode_log_probability(float log_probability) {
  if (!(log_probability > -kTeacherRange - 1)) return kZeroCode;
  const float depth = std::clamp(-log_probability / kTeacherRange, 0.0f, 1.0f);
  return static_cast<uint8_t>(std::lround(std::sqrt(depth) * kCodes));
}

float decode_log_probability(uint8_t code) {
  if (code == kZeroCode) return -std::numeric_limits<float>::infinity();
  const float depth = static_cast<float>(code) / kCodes;
  return -kTeacherRange * depth * depth;
}

TeacherLogitsWriter::TeacherLogitsWriter(const Path& path, const TeacherLogitsHeader& header)
    : file_(path), header_(header) {
  if (!is_sound(header)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("data: predictions of {} of {} tokens at temperature {} in rows of {} "
                    "cannot be stored",
                    header.top_k, header.vocabulary_size, header.temperature, header.row_tokens));
  }
  file_.write_zeros(kHeaderBytes);
}

void TeacherLogitsWriter::add_pair(int32_t token, uint8_t code) {
  const size_t size = row_.size();
  row_.resize(size + token_bytes(header_) + 1);
  if (token_bytes(header_) == sizeof(uint16_t)) {
    put(row_.data() + size, static_cast<uint16_t>(token));
  } else {
    put(row_.data() + size, static_cast<uint32_t>(token));
  }
  row_.back() = std::byte{code};
}

void TeacherLogitsWriter::add_position(std::span<const float> log_probabilities) {
  MINIM_CHECK(log_probabilities.size() == static_cast<size_t>(header_.vocabulary_size));
  MINIM_CHECK(positions_ < header_.row_tokens);
  ++positions_;
  order_.resize(log_probabilities.size());
  std::iota(order_.begin(), order_.end(), 0);
  const auto value = [&](int32_t token) { return log_probabilities[static_cast<size_t>(token)]; };
  const auto before = [&](int32_t a, int32_t b) {
    return value(a) != value(b) ? value(a) > value(b) : a < b;
  };
  const auto middle = order_.begin() + header_.top_k;
  std::nth_element(order_.begin(), middle, order_.end(), before);
  std::sort(order_.begin(), middle, before);
  double sum = 0;
  for (auto token = order_.begin(); token != middle; ++token) {
    add_pair(*token, encode_log_probability(value(*token)));
    sum += std::exp(static_cast<double>(value(*token)));
  }
  // From the others themselves: 1 - sum has no digits left where they are few.
  double tail = 0;
  for (auto token = middle; token != order_.end(); ++token) {
    tail += std::exp(static_cast<double>(value(*token)));
  }
  const double share = tail / (sum + tail);
  row_.push_back(std::byte{encode_log_probability(static_cast<float>(std::log(share)))});
}

void TeacherLogitsWriter::add_empty_position() {
  MINIM_CHECK(positions_ < header_.row_tokens);
  ++positions_;
  for (int32_t i = 0; i < header_.top_k; ++i) add_pair(0, kZeroCode);
  row_.push_back(std::byte{0});
}

void TeacherLogitsWriter::end_row(uint64_t row_hash) {
  MINIM_CHECK(positions_ == header_.row_tokens);
  MINIM_CHECK(seen_.insert(row_hash).second);
  XxHash64 hash;
  hash.update(row_);
  const size_t size = row_.size();
  row_.resize(size + sizeof(uint64_t));
  put(row_.data() + size, hash.digest());
  file_.write(row_);
  hashes_.push_back(row_hash);
  row_.clear();
  positions_ = 0;
}

void TeacherLogitsWriter::commit() {
  MINIM_CHECK(positions_ == 0);
  const auto hashes = std::as_bytes(std::span(hashes_));
  file_.write(hashes);
  std::byte bytes[kHeaderBytes] = {};
  std::memcpy(bytes, kMagic, sizeof(kMagic));
  put<int32_t>(bytes + 8, header_.vocabulary_size);
  put<int32_t>(bytes + 12, header_.top_k);
  put<int64_t>(bytes + 16, header_.row_tokens);
  put<uint64_t>(bytes + 24, hashes_.size());
  put<uint64_t>(bytes + 32, header_.vocabulary_hash);
  put<uint64_t>(bytes + 40, header_.teacher);
  put<float>(bytes + 48, header_.temperature);
  put<uint64_t>(bytes + kChecksumOffset, checksum(bytes, hashes));
  file_.write_at(0, bytes);
  file_.commit();
}

std::shared_ptr<const TeacherLogitsReader> TeacherLogitsReader::open(const Path& path) {
  auto file = MappedFile::open(path);
  const std::shared_ptr<TeacherLogitsReader> reader(
      new TeacherLogitsReader(file->bytes(), path.string()));
  reader->file_ = std::move(file);
  return reader;
}

std::shared_ptr<const TeacherLogitsReader> TeacherLogitsReader::parse(
    std::span<const std::byte> bytes, const std::string& name) {
  return std::shared_ptr<const TeacherLogitsReader>(new TeacherLogitsReader(bytes, name));
}

void TeacherLogitsReader::throw_damaged(const char* what) const {
  throw Error(ErrorCode::kFormat,
              fmt::format("data: '{}' is no sound file of predictions: {}; delete it to have it "
                          "made again",
                          name_, what));
}

TeacherLogitsReader::TeacherLogitsReader(std::span<const std::byte> bytes, std::string name)
    : bytes_(bytes), name_(std::move(name)) {
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    throw_damaged("it does not begin like one");
  }
  header_ = {.vocabulary_size = get<int32_t>(bytes.data() + 8),
             .top_k = get<int32_t>(bytes.data() + 12),
             .row_tokens = get<int64_t>(bytes.data() + 16),
             .temperature = get<float>(bytes.data() + 48),
             .vocabulary_hash = get<uint64_t>(bytes.data() + 32),
             .teacher = get<uint64_t>(bytes.data() + 40)};
  if (!is_sound(header_)) throw_damaged("its header makes no sense");
  row_count_ = get<uint64_t>(bytes.data() + 24);
  // At most 2^24 * (65535 * 5 + 1) bytes: no overflow.
  row_bytes_ = static_cast<size_t>(header_.row_tokens) * position_bytes(header_) + sizeof(uint64_t);
  const auto body = checked_multiply<uint64_t>(row_count_, row_bytes_ + sizeof(uint64_t));
  if (!body || *body != bytes.size() - kHeaderBytes || row_count_ > UINT32_MAX) {
    throw_damaged("its size does not match its header");
  }
  const auto hashes = bytes.subspan(kHeaderBytes + row_count_ * row_bytes_);
  if (get<uint64_t>(bytes.data() + kChecksumOffset) != checksum(bytes.data(), hashes)) {
    throw_damaged("its checksum is wrong");
  }
  order_.resize(row_count_);
  std::iota(order_.begin(), order_.end(), 0u);
  std::sort(order_.begin(), order_.end(),
            [this](uint32_t a, uint32_t b) { return row_hash(a) < row_hash(b); });
}

uint64_t TeacherLogitsReader::row_hash(uint64_t index) const {
  return get<uint64_t>(bytes_.data() + kHeaderBytes + row_count_ * row_bytes_ +
                       index * sizeof(uint64_t));
}

bool TeacherLogitsReader::read(uint64_t hash, TeacherRow& row) const {
  const auto found = std::lower_bound(
      order_.begin(), order_.end(), hash,
      [this](uint32_t index, uint64_t wanted) { return row_hash(index) < wanted; });
  if (found == order_.end() || row_hash(*found) != hash) return false;
  const auto stored = bytes_.subspan(kHeaderBytes + *found * row_bytes_, row_bytes_);
  XxHash64 sum;
  sum.update(stored.first(row_bytes_ - sizeof(uint64_t)));
  if (get<uint64_t>(stored.data() + row_bytes_ - sizeof(uint64_t)) != sum.digest()) {
    throw_damaged("the checksum of a row is wrong");
  }
  const auto positions = static_cast<size_t>(header_.row_tokens);
  const auto top_k = static_cast<size_t>(header_.top_k);
  const size_t id_bytes = token_bytes(header_);
  row.tokens.resize(positions * top_k);
  row.log_probabilities.resize(positions * top_k);
  row.tails.resize(positions);
  const std::byte* at = stored.data();
  for (size_t p = 0; p < positions; ++p) {
    double sum_of_all = 0;
    for (size_t k = p * top_k; k < (p + 1) * top_k; ++k) {
      const uint32_t token = id_bytes == sizeof(uint16_t) ? get<uint16_t>(at) : get<uint32_t>(at);
      if (token >= static_cast<uint32_t>(header_.vocabulary_size)) {
        throw_damaged("it has a token that the vocabulary lacks");
      }
      row.tokens[k] = static_cast<int32_t>(token);
      row.log_probabilities[k] = decode_log_probability(get<uint8_t>(at + id_bytes));
      sum_of_all += std::exp(static_cast<double>(row.log_probabilities[k]));
      at += id_bytes + 1;
    }
    row.tails[p] = decode_log_probability(get<uint8_t>(at++));
    sum_of_all += std::exp(static_cast<double>(row.tails[p]));
    if (sum_of_all <= 0) throw_damaged("a position where nothing is likely");
    const auto shift = static_cast<float>(std::log(sum_of_all));
    for (size_t k = p * top_k; k < (p + 1) * top_k; ++k) row.log_probabilities[k] -= shift;
    row.tails[p] -= shift;
  }
  return true;
}

void TeacherLogitsReader::check(const TeacherLogitsHeader& wanted) const {
  const char* difference = nullptr;
  if (header_.vocabulary_hash != wanted.vocabulary_hash ||
      header_.vocabulary_size != wanted.vocabulary_size) {
    difference = "another vocabulary";
  } else if (header_.teacher != wanted.teacher) {
    difference = "another teacher";
  } else if (header_.temperature != wanted.temperature) {
    difference = "another temperature";
  } else if (header_.row_tokens != wanted.row_tokens) {
    difference = "rows of another length";
  } else if (header_.top_k < wanted.top_k) {
    difference = "fewer tokens of each position than are wanted";
  }
  if (difference == nullptr) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("data: the predictions in '{}' are of {}; delete it to have it made "
                          "again, or name another file",
                          name_, difference));
}

}  // namespace minim::train
