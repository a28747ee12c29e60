#include "train/data/token_shard.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/checked_math.h"
#include "base/error.h"
#include "base/xxhash64.h"

namespace minim::train {
namespace {

constexpr char kMagic[8] = {'m', 'i', 'n', 'i', 'm', 'T', 'S', '1'};
constexpr size_t kHeaderBytes = 72;
constexpr size_t kChecksumOffset = 64;
constexpr uint32_t kFlagWide = 1;       // tokens of four bytes
constexpr uint32_t kFlagUnlearned = 2;  // with a bit a token
constexpr int64_t kVocabularyMax = int64_t{1} << 24;

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

[[noreturn]] void throw_damaged(const std::string& name, const char* what) {
  throw Error(ErrorCode::kFormat,
              fmt::format("data: '{}' is no sound file of tokens: {}; delete it to have it made "
                          "again",
                          name, what));
}

size_t padding_to_8(uint64_t bytes) { return static_cast<size_t>((8 - bytes % 8) % 8); }

}  // namespace

struct TokenShardWriter::Checksum {
  XxHash64 hash;
};

uint64_t shard_checksum(std::span<const std::byte> bytes) {
  XxHash64 hash;
  hash.update(bytes.subspan(kHeaderBytes));
  hash.update(bytes.subspan(sizeof(kMagic), kChecksumOffset - sizeof(kMagic)));
  return hash.digest();
}

TokenShardWriter::TokenShardWriter(const Path& path, const ShardHeader& header)
    : file_(path),
      header_(header),
      wide_(header.vocabulary_size > 0x10000),
      checksum_(std::make_unique<Checksum>()) {
  MINIM_CHECK(header.vocabulary_size > 0 && header.vocabulary_size <= kVocabularyMax);
  header_.text_bytes = 0;
  file_.write_zeros(kHeaderBytes);
}

TokenShardWriter::~TokenShardWriter() = default;

void TokenShardWriter::add(std::span<const int32_t> tokens, const std::vector<bool>& learned,
                           uint64_t text_hash, uint64_t text_bytes) {
  MINIM_CHECK(!tokens.empty() && (learned.empty() || learned.size() == tokens.size()));
  const size_t token_bytes = wide_ ? sizeof(uint32_t) : sizeof(uint16_t);
  packed_.resize(tokens.size() * token_bytes);
  learned_.resize((token_count_ + tokens.size() + 7) / 8, 0);
  for (size_t i = 0; i < tokens.size(); ++i) {
    MINIM_CHECK(tokens[i] >= 0 && tokens[i] < header_.vocabulary_size);
    if (wide_) {
      put(packed_.data() + i * token_bytes, static_cast<uint32_t>(tokens[i]));
    } else {
      put(packed_.data() + i * token_bytes, static_cast<uint16_t>(tokens[i]));
    }
    const bool counts = learned.empty() || learned[i];
    const uint64_t at = token_count_ + i;
    if (counts) learned_[at / 8] |= static_cast<uint8_t>(1u << at % 8);
    has_unlearned_ |= !counts;
  }
  file_.write(packed_);
  checksum_->hash.update(packed_);
  token_count_ += tokens.size();
  ends_.push_back(token_count_);
  hashes_.push_back(text_hash);
  header_.text_bytes += text_bytes;
}

void TokenShardWriter::commit() {
  const auto write_section = [&](std::span<const std::byte> bytes) {
    constexpr std::byte kZeros[8] = {};
    file_.write(bytes);
    checksum_->hash.update(bytes);
    const auto padding = std::span(kZeros).first(padding_to_8(file_.position()));
    file_.write(padding);
    checksum_->hash.update(padding);
  };
  write_section({});  // pads the tokens
  if (has_unlearned_) {
    learned_.resize(token_count_ / 8 + 1, 0);
    write_section(std::as_bytes(std::span(learned_)));
  }
  write_section(std::as_bytes(std::span(ends_)));
  write_section(std::as_bytes(std::span(hashes_)));

  std::byte bytes[kHeaderBytes] = {};
  std::memcpy(bytes, kMagic, sizeof(kMagic));
  put<uint64_t>(bytes + 8, header_.key);
  put<uint32_t>(bytes + 16, header_.index);
  put<uint32_t>(bytes + 20, (wide_ ? kFlagWide : 0) | (has_unlearned_ ? kFlagUnlearned : 0));
  put<int64_t>(bytes + 24, header_.vocabulary_size);
  put<uint64_t>(bytes + 32, ends_.size());
  put<uint64_t>(bytes + 40, token_count_);
  put<uint64_t>(bytes + 48, header_.text_bytes);
  checksum_->hash.update(
      std::span(bytes).subspan(sizeof(kMagic), kChecksumOffset - sizeof(kMagic)));
  put<uint64_t>(bytes + kChecksumOffset, checksum_->hash.digest());
  file_.write_at(0, bytes);
  file_.commit();
}

std::shared_ptr<const TokenShard> TokenShard::open(const Path& path) {
  auto file = MappedFile::open(path);
  const std::shared_ptr<TokenShard> shard(new TokenShard(file->bytes(), path.string()));
  shard->file_ = std::move(file);
  return shard;
}

std::shared_ptr<const TokenShard> TokenShard::parse(std::span<const std::byte> bytes,
                                                    const std::string& name) {
  return std::shared_ptr<const TokenShard>(new TokenShard(bytes, name));
}

TokenShard::TokenShard(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes) {
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    throw_damaged(name, "it does not begin like one");
  }
  if (get<uint64_t>(bytes.data() + kChecksumOffset) != shard_checksum(bytes)) {
    throw_damaged(name, "its checksum is wrong");
  }
  find_sections(name);
  check_documents(name);
}

void TokenShard::find_sections(const std::string& name) {
  const std::byte* const header = bytes_.data();
  const auto flags = get<uint32_t>(header + 20);
  if (flags > (kFlagWide | kFlagUnlearned) || get<uint64_t>(header + 56) != 0) {
    throw_damaged(name, "it has flags that are not known");
  }
  const auto vocabulary_size = get<int64_t>(header + 24);
  if (vocabulary_size < 1 || vocabulary_size > kVocabularyMax) {
    throw_damaged(name, "the size of its vocabulary makes no sense");
  }
  header_ = {get<uint64_t>(header + 8), get<uint32_t>(header + 16),
             static_cast<int32_t>(vocabulary_size), get<uint64_t>(header + 48)};
  document_count_ = get<uint64_t>(header + 32);
  token_count_ = get<uint64_t>(header + 40);
  token_bytes_ = (flags & kFlagWide) != 0 ? sizeof(uint32_t) : sizeof(uint16_t);
  uint64_t offset = kHeaderBytes;
  const auto section = [&](uint64_t count, uint64_t item_bytes) -> const std::byte* {
    const auto size = checked_multiply(count, item_bytes);
    const auto padded = size ? checked_align_up(*size, 8) : std::nullopt;
    if (!padded || *padded > bytes_.size() - offset) {
      throw_damaged(name, "it is shorter than its header says");
    }
    const std::byte* at = bytes_.data() + offset;
    offset += *padded;
    return at;
  };
  tokens_ = section(token_count_, token_bytes_);
  if ((flags & kFlagUnlearned) != 0) learned_ = section(token_count_ / 8 + 1, 1);
  ends_ = section(document_count_, sizeof(uint64_t));
  hashes_ = section(document_count_, sizeof(uint64_t));
  if (offset != bytes_.size()) throw_damaged(name, "it is longer than its header says");
}

void TokenShard::check_documents(const std::string& name) const {
  uint64_t last = 0;
  for (uint64_t i = 0; i < document_count_; ++i) {
    if (end(i) <= last) throw_damaged(name, "its documents are out of order");
    last = end(i);
  }
  if (last != token_count_) throw_damaged(name, "its documents are not all of its tokens");
  const auto size = static_cast<uint32_t>(header_.vocabulary_size);
  bool sound = true;
  for (uint64_t i = 0; i < token_count_; ++i) {
    const std::byte* at = tokens_ + i * token_bytes_;
    sound &= (token_bytes_ == 2 ? get<uint16_t>(at) : get<uint32_t>(at)) < size;
  }
  if (!sound) throw_damaged(name, "it has a token that the vocabulary lacks");
}

uint64_t TokenShard::end(uint64_t document) const {
  return get<uint64_t>(ends_ + document * sizeof(uint64_t));
}

uint64_t TokenShard::text_hash(uint64_t document) const {
  return get<uint64_t>(hashes_ + document * sizeof(uint64_t));
}

void TokenShard::copy_tokens(uint64_t begin, std::span<int32_t> out) const {
  MINIM_CHECK(begin <= token_count_ && out.size() <= token_count_ - begin);
  for (size_t i = 0; i < out.size(); ++i) {
    const std::byte* at = tokens_ + (begin + i) * token_bytes_;
    out[i] = token_bytes_ == 2 ? get<uint16_t>(at) : static_cast<int32_t>(get<uint32_t>(at));
  }
}

bool TokenShard::learned(uint64_t token) const {
  if (learned_ == nullptr) return true;
  return (std::to_integer<unsigned>(learned_[token / 8]) >> token % 8 & 1) != 0;
}

}  // namespace minim::train
