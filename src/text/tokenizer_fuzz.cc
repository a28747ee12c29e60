// Any bytes through a small tokenizer of each kind. The first byte picks the vocabulary and the
// options; what the tokenizer promises to give back must come back.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"
#include "text/tokenizer_test_support.h"
#include "text/utf8.h"

namespace {

using minim::Tokenizer;

struct Target {
  std::shared_ptr<const Tokenizer> tokenizer;
  bool round_trips;
};

std::vector<Target> make_targets() {
  std::vector<Target> targets;
  for (const char* name :
       {"gpt-2", "llama-bpe", "qwen2", "default", "falcon", "deepseek-coder", "deepseek-llm",
        "deepseek-v3", "tekken", "gpt-4o", "bloom", "chameleon", "none"}) {
    targets.push_back({Tokenizer::make(minim::testing::byte_bpe_vocabulary(name)), true});
  }
  auto nfkc = minim::testing::byte_bpe_vocabulary();
  nfkc.normalization = "nfkc";
  targets.push_back({Tokenizer::make(nfkc), false});
  targets.push_back({Tokenizer::make(minim::testing::sentencepiece_bpe_vocabulary()), true});
  targets.push_back({Tokenizer::make(minim::testing::unigram_vocabulary(true)), true});
  targets.push_back({Tokenizer::make(minim::testing::unigram_vocabulary(false)), false});
  targets.push_back({Tokenizer::make(minim::testing::word_piece_vocabulary()), false});
  return targets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<Target> targets = make_targets();
  if (size == 0) return 0;
  const Target& target = targets[(data[0] & 0x7F) % targets.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const minim::EncodeOptions options = {.add_special = false, .parse_special = data[0] >= 0x80};
  const auto tokens = target.tokenizer->encode(text, options);
  const std::string decoded = target.tokenizer->decode(tokens);
  // SentencePiece reads its own space mark as a space.
  const bool marked = text.find("\xE2\x96\x81") != std::string_view::npos;
  if (target.round_trips && !marked) MINIM_CHECK(decoded == text);

  minim::StreamDecoder stream(target.tokenizer, {.clean_spaces = false});
  std::string streamed;
  for (const minim::TokenId token : tokens) {
    const std::string piece = stream.push(token);
    MINIM_CHECK(minim::is_valid_utf8(piece));
    streamed += piece;
  }
  streamed += stream.finish();
  const auto whole = target.tokenizer->decode(tokens, {.clean_spaces = false});
  MINIM_CHECK(streamed == minim::replace_invalid_utf8(whole));
  return 0;
}
