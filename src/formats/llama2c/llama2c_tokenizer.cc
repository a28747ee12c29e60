#include <fmt/core.h>

#include <cmath>
#include <string>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/llama2c/llama2c_reader.h"

namespace minim {
namespace {

constexpr int64_t kUnknown = 0, kBos = 1, kEos = 2, kFirstByte = 3, kFirstPiece = 3 + 256;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "llama2c tokenizer: " + what);
}

// Spaces are written as such there, and as U+2581 everywhere else.
std::string mark_spaces(std::string_view text) {
  std::string marked;
  for (const char c : text) {
    if (c == ' ') {
      marked += "\u2581";
    } else {
      marked += c;
    }
  }
  return marked;
}

TokenType type_of(int64_t id) {
  if (id == kUnknown) return TokenType::kUnknown;
  if (id == kBos || id == kEos) return TokenType::kControl;
  return id < kFirstPiece ? TokenType::kByte : TokenType::kNormal;
}

// run.c knows the first tokens by their ids alone.
std::string text_of(int64_t id, std::string_view stored) {
  if (id == kUnknown) return "<unk>";
  if (id == kBos) return "<s>";
  if (id == kEos) return "</s>";
  if (id >= kFirstPiece) return mark_spaces(stored);
  const std::string byte = fmt::format("<0x{:02X}>", id - kFirstByte);
  if (stored != byte) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("llama2c tokenizer: token {} is '{}', not the byte {}", id,
                            printable(stored), byte));
  }
  return byte;
}

}  // namespace

Vocabulary read_llama2c_tokenizer(std::span<const std::byte> bytes, int64_t count) {
  ByteReader reader(bytes, "llama2c tokenizer");
  const auto length_max = reader.read<int32_t>("the longest token's length");
  constexpr uint64_t kTokenBytesMin = 8;
  if (count < kFirstPiece || static_cast<uint64_t>(count) > reader.remaining() / kTokenBytesMin) {
    fail(fmt::format("the file of {} bytes is not one of {} tokens; is it another model's?",
                     bytes.size(), count));
  }
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kSentencePieceBpe;
  vocabulary.pre_tokenizer = "default";
  for (int64_t id = 0; id < count; ++id) {
    const auto score = reader.read<float>("a score");
    const auto length = reader.read<int32_t>("a token's length");
    if (length < 0 || length > length_max || !std::isfinite(score)) {
      fail(fmt::format("token {} has the length {} and the score {}; the longest has {}", id,
                       length, score, length_max));
    }
    const auto stored = reader.take_text(static_cast<uint64_t>(length), "a token");
    vocabulary.tokens.push_back(text_of(id, stored));
    vocabulary.types.push_back(type_of(id));
    vocabulary.scores.push_back(score);
  }
  if (reader.remaining() != 0) {
    fail(fmt::format("{} bytes follow the {} tokens of the model; is it another model's?",
                     reader.remaining(), count));
  }
  vocabulary.unknown = kUnknown;
  vocabulary.bos = kBos;
  vocabulary.eos = kEos;
  vocabulary.add_bos = true;
  return vocabulary;
}

}  // namespace minim
