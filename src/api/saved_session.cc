#include "api/saved_session.h"

#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/xxhash64.h"
#include "runtime/session_file.h"

namespace minim::api {
namespace {

constexpr std::string_view kMagic = "minim-PT";

// The last bytes of what is saved with tokens to be read, after these.
struct Trailer {
  uint64_t count;
  uint64_t checksum;  // of the tokens and the count
  char magic[8];
};
static_assert(sizeof(Trailer) == 24);

uint64_t trailer_checksum(std::span<const std::byte> tokens, uint64_t count) {
  XxHash64 hash;
  hash.update(tokens);
  hash.update(std::as_bytes(std::span(&count, 1)));
  return hash.digest();
}

void write(const SessionState& state, std::span<const TokenId> pending, const ByteSink& sink) {
  write_session(state.sequence(), state.logits(), sink);
  if (pending.empty()) return;
  const auto tokens = std::as_bytes(pending);
  Trailer trailer = {pending.size(), trailer_checksum(tokens, pending.size()), {}};
  std::memcpy(trailer.magic, kMagic.data(), kMagic.size());
  sink(tokens);
  sink(std::as_bytes(std::span(&trailer, 1)));
}

[[noreturn]] void throw_damaged() {
  throw Error(ErrorCode::kFormat,
              "session: the saved session is damaged: the tokens to be read are not what they "
              "were; begin a new one");
}

}  // namespace

void save_session(const SessionState& state, std::span<const TokenId> pending, const Path& path) {
  FileWriter file(path);
  write(state, pending, [&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.commit();
}

std::vector<std::byte> save_session(const SessionState& state, std::span<const TokenId> pending) {
  std::vector<std::byte> saved;
  write(state, pending, [&](std::span<const std::byte> bytes) {
    saved.insert(saved.end(), bytes.begin(), bytes.end());
  });
  return saved;
}

std::vector<TokenId> load_session(std::span<const std::byte> bytes, SessionState& state) {
  std::vector<TokenId> pending;
  Trailer trailer;
  const bool has_trailer =
      bytes.size() >= sizeof(trailer) &&
      std::memcmp(bytes.last(kMagic.size()).data(), kMagic.data(), kMagic.size()) == 0;
  if (has_trailer) {
    std::memcpy(&trailer, bytes.last(sizeof(trailer)).data(), sizeof(trailer));
    bytes = bytes.first(bytes.size() - sizeof(trailer));
    if (trailer.count > bytes.size() / sizeof(TokenId)) throw_damaged();
    const auto tokens = bytes.last(trailer.count * sizeof(TokenId));
    if (trailer.checksum != trailer_checksum(tokens, trailer.count)) throw_damaged();
    pending.resize(trailer.count);
    std::memcpy(pending.data(), tokens.data(), tokens.size());
    bytes = bytes.first(bytes.size() - tokens.size());
    for (const TokenId token : pending) {
      if (token < 0 || token >= state.model().config().vocabulary_size) throw_damaged();
    }
  }
  state.restore(bytes);
  return pending;
}

}  // namespace minim::api
