#include "runtime/session_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "base/checked_math.h"
#include "base/error.h"
#include "base/xxhash64.h"
#include "formats/byte_reader.h"
#include "tensor/kv_rows.h"

namespace minim {
namespace {

constexpr std::string_view kMagic = "minim-KV";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 96;
constexpr size_t kChecksumBytes = 8;

[[noreturn]] void throw_damaged(const std::string& what) {
  throw Error(ErrorCode::kFormat,
              "session: the saved session is damaged: " + what + "; begin a new one");
}

// As it lies in the file; the checksum of what comes before it is its last field.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint64_t model;
  uint32_t cache_type;
  uint32_t layer_count;
  uint32_t kv_head_count;
  uint32_t head_dim;
  uint32_t block_tokens;
  uint32_t reserved;
  int64_t token_count;
  int64_t prompt_tokens;
  int64_t dropped_tokens;
  int64_t first_block;
  int64_t logit_count;
  uint64_t checksum;
};
static_assert(sizeof(Header) == kHeaderBytes);

uint64_t header_checksum(const Header& header) {
  XxHash64 hash;
  hash.update(std::as_bytes(std::span(&header, 1)).first(kHeaderBytes - kChecksumBytes));
  return hash.digest();
}

Header make_header(const Sequence& sequence, std::span<const float> logits) {
  const KvLayout& layout = sequence.cache().layout();
  Header header{};
  std::copy(kMagic.begin(), kMagic.end(), header.magic);
  header.version = kVersion;
  header.header_bytes = kHeaderBytes;
  header.model = sequence.fingerprint();
  header.cache_type = static_cast<uint32_t>(layout.type);
  header.layer_count = static_cast<uint32_t>(layout.layer_count);
  header.kv_head_count = static_cast<uint32_t>(layout.kv_head_count);
  header.head_dim = static_cast<uint32_t>(layout.head_dim);
  header.block_tokens = static_cast<uint32_t>(layout.block_tokens);
  header.token_count = sequence.length();
  header.prompt_tokens = sequence.prompt_length();
  header.dropped_tokens = sequence.dropped_tokens();
  header.first_block = sequence.cache().first_slot() / layout.block_tokens;
  header.logit_count = static_cast<int64_t>(logits.size());
  header.checksum = header_checksum(header);
  return header;
}

int64_t block_count(const SavedSession& saved) {
  return (saved.token_count + saved.layout.block_tokens - 1) / saved.layout.block_tokens;
}

bool in_range(uint32_t value, uint32_t most) { return value >= 1 && value <= most; }

// Bounds that no model passes, so that sizes can be multiplied.
KvLayout checked_layout(const Header& header) {
  constexpr uint32_t kMost = 1 << 16;
  const auto type = static_cast<DataType>(header.cache_type);
  if (!is_cache_type(type) || !in_range(header.layer_count, kMost) ||
      !in_range(header.kv_head_count, kMost) || !in_range(header.head_dim, kMost) ||
      !in_range(header.block_tokens, kMost)) {
    throw_damaged("its cache has an impossible layout");
  }
  return {.type = type,
          .layer_count = static_cast<int>(header.layer_count),
          .kv_head_count = static_cast<int>(header.kv_head_count),
          .head_dim = static_cast<int>(header.head_dim),
          .block_tokens = static_cast<int>(header.block_tokens)};
}

void check_counts(const SavedSession& saved) {
  constexpr int64_t kMost = int64_t{1} << 40;
  for (const int64_t count : {saved.token_count, saved.prompt_tokens, saved.dropped_tokens,
                              saved.first_block, saved.logit_count}) {
    if (count < 0 || count > kMost) throw_damaged("a number in its header is impossible");
  }
  if (saved.prompt_tokens > saved.token_count || saved.first_block > block_count(saved)) {
    throw_damaged("numbers in its header contradict each other");
  }
}

// Of the whole file.
std::optional<uint64_t> byte_count(const SavedSession& saved) {
  // At most 2^16 to the fourth for the type and the plane, which 2^16 layers may overflow.
  const KvLayout& layout = saved.layout;
  const auto planes = checked_multiply<uint64_t>(layout.plane_bytes(), 2);
  const auto block =
      planes ? checked_multiply<uint64_t>(*planes, static_cast<uint64_t>(layout.layer_count))
             : std::nullopt;
  const auto blocks =
      block ? checked_multiply<uint64_t>(
                  *block, static_cast<uint64_t>(block_count(saved) - saved.first_block))
            : std::nullopt;
  const uint64_t others = kHeaderBytes + kChecksumBytes +
                          static_cast<uint64_t>(saved.token_count + saved.logit_count) * 4;
  return blocks ? checked_add<uint64_t>(*blocks, others) : std::nullopt;
}

void check_matches(const SavedSession& saved, const Sequence& like) {
  const KvLayout& layout = like.cache().layout();
  if (saved.model != like.fingerprint()) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "session: it was saved with another model or other adapters; open those, or begin a "
        "new session");
  }
  if (saved.layout.type != layout.type) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("session: it was saved with a cache of type {}, and this one has {}; "
                    "choose that type",
                    data_type_info(saved.layout.type).name, data_type_info(layout.type).name));
  }
  if (saved.layout != layout) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("session: it was saved in blocks of {} tokens for {} layers, and this "
                            "cache has {} for {}",
                            saved.layout.block_tokens, saved.layout.layer_count,
                            layout.block_tokens, layout.layer_count));
  }
  if (saved.token_count > like.context_tokens()) {
    throw Error(ErrorCode::kLimit,
                fmt::format("session: the saved session has {} tokens, and the context is {}; ask "
                            "for a longer context",
                            saved.token_count, like.context_tokens()));
  }
  const int64_t first_slot = saved.first_block * layout.block_tokens;
  if (first_slot > like.first_slot_needed(saved.token_count)) {
    throw_damaged("blocks are missing that the model needs");
  }
  if (saved.logit_count != 0 && saved.logit_count != like.model().config().vocabulary_size) {
    throw_damaged("it has logits for another vocabulary");
  }
}

void check_data(std::span<const std::byte> bytes) {
  uint64_t stored = 0;
  std::memcpy(&stored, bytes.last(kChecksumBytes).data(), kChecksumBytes);
  XxHash64 hash;
  hash.update(bytes.subspan(kHeaderBytes, bytes.size() - kHeaderBytes - kChecksumBytes));
  if (hash.digest() != stored) throw_damaged("the checksum of its content is wrong");
}

std::vector<TokenId> read_tokens(const SavedSession& saved, int32_t vocabulary,
                                 ByteReader& reader) {
  std::vector<TokenId> tokens(static_cast<size_t>(saved.token_count));
  const auto bytes = reader.take(tokens.size() * sizeof(TokenId), "the tokens");
  if (!tokens.empty()) std::memcpy(tokens.data(), bytes.data(), bytes.size());
  for (const TokenId token : tokens) {
    if (token < 0 || token >= vocabulary) throw_damaged("a token is outside the vocabulary");
  }
  return tokens;
}

}  // namespace

SavedSession read_saved_session(std::span<const std::byte> bytes) {
  if (bytes.size() < kMagic.size() ||
      std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    throw Error(ErrorCode::kFormat, "session: this is no saved session of minim");
  }
  Header header;
  if (bytes.size() < sizeof(header)) throw_damaged("it ends within its header");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.version != kVersion) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("session: it was saved in version {} of the format, and this program "
                            "reads version {}",
                            header.version, kVersion));
  }
  if (header.checksum != header_checksum(header))
    throw_damaged("the checksum of its header is wrong");
  if (header.header_bytes != kHeaderBytes || header.reserved != 0) {
    throw_damaged("its header has another length");
  }
  const SavedSession saved = {.model = header.model,
                              .layout = checked_layout(header),
                              .token_count = header.token_count,
                              .prompt_tokens = header.prompt_tokens,
                              .dropped_tokens = header.dropped_tokens,
                              .first_block = header.first_block,
                              .logit_count = header.logit_count};
  check_counts(saved);
  const auto wanted = byte_count(saved);
  if (!wanted || *wanted != bytes.size()) {
    throw_damaged(fmt::format("it has {} bytes, and its header asks for {}", bytes.size(),
                              wanted ? std::to_string(*wanted) : "more than can be"));
  }
  return saved;
}

void write_session(const Sequence& sequence, std::span<const float> logits, const ByteSink& sink) {
  const Header header = make_header(sequence, logits);
  sink(std::as_bytes(std::span(&header, 1)));
  XxHash64 hash;
  const auto write = [&](std::span<const std::byte> bytes) {
    hash.update(bytes);
    sink(bytes);
  };
  write(std::as_bytes(sequence.tokens()));
  write(std::as_bytes(logits));
  const KvLayout& layout = sequence.cache().layout();
  const auto& blocks = sequence.cache().blocks();
  const auto full = static_cast<size_t>(sequence.length() / layout.block_tokens);
  for (size_t i = 0; i < full; ++i) {
    if (!blocks[i].empty()) write({blocks[i].data(), layout.block_bytes()});
  }
  if (const auto rest = static_cast<int>(sequence.length() % layout.block_tokens); rest > 0) {
    // What was said there before a rewind stays here.
    std::vector<std::byte> last(blocks[full].data(), blocks[full].data() + layout.block_bytes());
    clear_tokens(layout, rest, last.data());
    write(last);
  }
  const uint64_t checksum = hash.digest();
  sink(std::as_bytes(std::span(&checksum, 1)));
}

RestoredSession restore_session(std::span<const std::byte> bytes, const Sequence& like) {
  const SavedSession saved = read_saved_session(bytes);
  check_matches(saved, like);
  check_data(bytes);
  ByteReader reader(bytes.subspan(kHeaderBytes), "session");
  RestoredSession restored;
  restored.state.tokens = read_tokens(saved, like.model().config().vocabulary_size, reader);
  restored.logits.resize(static_cast<size_t>(saved.logit_count));
  const auto logits = reader.take(restored.logits.size() * sizeof(float), "the logits");
  if (!logits.empty()) std::memcpy(restored.logits.data(), logits.data(), logits.size());
  restored.state.blocks.resize(static_cast<size_t>(saved.first_block));
  for (int64_t i = saved.first_block; i < block_count(saved); ++i) {
    const auto block = reader.take(saved.layout.block_bytes(), "a block");
    restored.state.blocks.push_back(like.cache().pool()->allocate());
    std::memcpy(restored.state.blocks.back().data(), block.data(), block.size());
  }
  restored.state.prompt_length = saved.prompt_tokens;
  restored.state.dropped_tokens = saved.dropped_tokens;
  return restored;
}

}  // namespace minim
