#include "text/stream_decoder.h"

#include <utility>

#include "text/utf8.h"

namespace minim {

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer,
                             const DecodeOptions& options)
    : tokenizer_(std::move(tokenizer)), options_(options) {}

std::string StreamDecoder::push(TokenId token) {
  tokenizer_->decode_step(token, options_, begins_, held_);
  const size_t complete = complete_utf8_prefix(held_);
  std::string text = replace_invalid_utf8(std::string_view(held_).substr(0, complete));
  held_.erase(0, complete);
  return text;
}

std::string StreamDecoder::finish() {
  begins_ = true;
  return replace_invalid_utf8(std::exchange(held_, {}));
}

}  // namespace minim
