#include "formats/sentencepiece.h"

#include <fmt/core.h>

#include <bit>
#include <cmath>
#include <string>
#include <string_view>

#include "base/error.h"

namespace minim {
namespace {

constexpr size_t kPiecesMax = 4'000'000;

[[noreturn]] void refuse(size_t place, const std::string& what) {
  throw Error(ErrorCode::kFormat, fmt::format("sentencepiece: {} (at byte {})", what, place));
}

enum class WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;      // kVarint, kFixed32, kFixed64
  std::string_view bytes;  // kBytes
  size_t place = 0;        // in the file
};

// The fields of one protobuf message, in order. Every length is checked against the message's own
// end, and messages within are read by readers of their own: nothing recurses.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, size_t place) : bytes_(bytes), place_(place) {}

  bool next(Field& field) {
    if (at_ == bytes_.size()) return false;
    field = {};
    field.place = place();
    const uint64_t tag = read_varint();
    field.number = static_cast<uint32_t>(tag >> 3);
    if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) refuse(field.place, "a field number out of range");
    switch (tag & 7) {
      case 0: field.value = read_varint(); break;
      case 1: field.value = read_fixed(8); break;
      case 2: {
        const uint64_t length = read_varint();
        if (length > bytes_.size() - at_) {
          refuse(field.place, fmt::format("field {} declares {} bytes, but {} are left",
                                          field.number, length, bytes_.size() - at_));
        }
        field.bytes = bytes_.substr(at_, static_cast<size_t>(length));
        field.place = place();
        at_ += static_cast<size_t>(length);
        break;
      }
      case 5: field.value = read_fixed(4); break;
      default:
        refuse(field.place, fmt::format("wire type {} is not used by protobuf files", tag & 7));
    }
    field.type = static_cast<WireType>(tag & 7);
    return true;
  }

 private:
  size_t place() const { return place_ + at_; }

  uint64_t read_varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) refuse(place(), "it ends inside a number");
      const uint8_t byte = static_cast<uint8_t>(bytes_[at_++]);
      if (shift == 63 && byte > 1) break;
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    refuse(place(), "a number of more than 64 bits");
  }

  uint64_t read_fixed(size_t count) {
    if (bytes_.size() - at_ < count) refuse(place(), "it ends inside a number");
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      value |= uint64_t{static_cast<uint8_t>(bytes_[at_++])} << 8 * i;
    }
    return value;
  }

  std::string_view bytes_;
  size_t place_;
  size_t at_ = 0;
};

void expect(const Field& field, WireType type, const char* name) {
  if (field.type != type) refuse(field.place, fmt::format("{} has the wrong wire type", name));
}

bool read_flag(const Field& field, const char* name) {
  expect(field, WireType::kVarint, name);
  return field.value != 0;
}

void read_piece(const Field& message, Vocabulary& vocabulary) {
  expect(message, WireType::kBytes, "a piece");
  if (vocabulary.tokens.size() == kPiecesMax) {
    throw Error(ErrorCode::kLimit,
                fmt::format("sentencepiece: more than {} pieces are not supported", kPiecesMax));
  }
  const size_t id = vocabulary.tokens.size();
  std::string_view text;
  float score = 0;
  uint64_t type = 1;
  MessageReader reader(message.bytes, message.place);
  for (Field field; reader.next(field);) {
    if (field.number == 1) {
      expect(field, WireType::kBytes, "a piece's text");
      text = field.bytes;
    } else if (field.number == 2) {
      expect(field, WireType::kFixed32, "a piece's score");
      score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    } else if (field.number == 3) {
      expect(field, WireType::kVarint, "a piece's type");
      type = field.value;
    }
  }
  if (text.empty()) refuse(message.place, fmt::format("piece {} is empty", id));
  if (!std::isfinite(score)) refuse(message.place, fmt::format("piece {} has no finite score", id));
  if (type < 1 || type > 6) {
    refuse(message.place, fmt::format("piece {} has the unknown type {}", id, type));
  }
  vocabulary.tokens.emplace_back(text);
  vocabulary.scores.push_back(score);
  vocabulary.types.push_back(static_cast<TokenType>(type));
}

struct TrainerIds {
  int64_t unknown = 0, bos = 1, eos = 2, padding = -1;
};

void read_trainer(const Field& message, Vocabulary& vocabulary, TrainerIds& ids) {
  expect(message, WireType::kBytes, "trainer_spec");
  MessageReader reader(message.bytes, message.place);
  for (Field field; reader.next(field);) {
    switch (field.number) {
      case 3:
        expect(field, WireType::kVarint, "model_type");
        if (field.value != 1 && field.value != 2) {
          throw Error(ErrorCode::kUnsupported,
                      fmt::format("sentencepiece: model type {} is not supported; unigram (1) and "
                                  "BPE (2) are",
                                  field.value));
        }
        vocabulary.kind =
            field.value == 1 ? TokenizerKind::kUnigram : TokenizerKind::kSentencePieceBpe;
        break;
      case 24:
        if (read_flag(field, "treat_whitespace_as_suffix")) {
          throw Error(ErrorCode::kUnsupported,
                      "sentencepiece: white space as a suffix of words is not supported");
        }
        break;
      case 40:
      case 41:
      case 42:
      case 43: {
        expect(field, WireType::kVarint, "a token id");
        int64_t* const all[] = {&ids.unknown, &ids.bos, &ids.eos, &ids.padding};
        *all[field.number - 40] = static_cast<int64_t>(field.value);
        break;
      }
      default: break;
    }
  }
}

void read_normalizer(const Field& message, Vocabulary& vocabulary) {
  expect(message, WireType::kBytes, "normalizer_spec");
  MessageReader reader(message.bytes, message.place);
  for (Field field; reader.next(field);) {
    switch (field.number) {
      case 2:
        expect(field, WireType::kBytes, "precompiled_charsmap");
        vocabulary.precompiled_charsmap.assign(field.bytes.begin(), field.bytes.end());
        break;
      case 3: vocabulary.add_space_prefix = read_flag(field, "add_dummy_prefix"); break;
      case 4:
        vocabulary.remove_extra_whitespaces = read_flag(field, "remove_extra_whitespaces");
        break;
      case 5:
        if (!read_flag(field, "escape_whitespaces")) {
          throw Error(ErrorCode::kUnsupported,
                      "sentencepiece: models that do not escape white space are not supported");
        }
        break;
      default: break;
    }
  }
}

}  // namespace

Vocabulary read_sentencepiece(std::span<const std::byte> bytes) {
  Vocabulary vocabulary;  // with the message's own defaults
  vocabulary.kind = TokenizerKind::kUnigram;
  vocabulary.add_space_prefix = true;
  vocabulary.remove_extra_whitespaces = true;
  TrainerIds ids;
  MessageReader reader({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, 0);
  for (Field field; reader.next(field);) {
    if (field.number == 1) read_piece(field, vocabulary);
    if (field.number == 2) read_trainer(field, vocabulary, ids);
    if (field.number == 3) read_normalizer(field, vocabulary);
  }
  if (vocabulary.tokens.empty()) refuse(bytes.size(), "it has no pieces");
  // An id that is negative, or not of the right kind, means that the model has no such token.
  const auto token = [&](int64_t id, TokenType type) -> std::optional<int32_t> {
    const bool within = id >= 0 && static_cast<uint64_t>(id) < vocabulary.tokens.size();
    if (!within || vocabulary.types[static_cast<size_t>(id)] != type) return std::nullopt;
    return static_cast<int32_t>(id);
  };
  vocabulary.unknown = token(ids.unknown, TokenType::kUnknown);
  vocabulary.bos = token(ids.bos, TokenType::kControl);
  vocabulary.eos = token(ids.eos, TokenType::kControl);
  vocabulary.padding = token(ids.padding, TokenType::kControl);
  return vocabulary;
}

}  // namespace minim
