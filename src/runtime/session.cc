#include "runtime/session.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

// Rows of logits that exist at once: 256 rows of a 32k vocabulary are 32 MB.
constexpr int64_t kOutputRowsMax = 256;

int64_t checked_context(const Model& model, const SessionOptions& options) {
  const int64_t most = model.config().context_length;
  if (options.context_tokens < 0 || options.context_tokens > most) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("session: a context of {} tokens was asked for, but the model holds 1 "
                            "to {}",
                            options.context_tokens, most));
  }
  return options.context_tokens == 0 ? most : options.context_tokens;
}

int64_t checked_batch(const SessionOptions& options, int64_t context_tokens) {
  if (options.batch_tokens < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("session: batches of {} tokens make no sense; at least 1 is needed",
                            options.batch_tokens));
  }
  return std::min(options.batch_tokens, context_tokens);
}

KvLayout checked_layout(const Model& model, const SessionOptions& options) {
  if (!is_cache_type(options.kv_type)) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("session: a cache of type {} is not supported; use f32, f16, q8_0 or q4_0",
                    data_type_info(options.kv_type).name));
  }
  return model.kv_layout(options.kv_type);
}

}  // namespace

Session::Session(const Context& context, std::shared_ptr<const Model> model,
                 const SessionOptions& options)
    : context_(context),
      model_(std::move(model)),
      cache_(checked_layout(*model_, options), checked_context(*model_, options)),
      batch_tokens_(checked_batch(options, cache_.slots_max())),
      activations_(model_->config(), batch_tokens_) {
  positions_.reserve(static_cast<size_t>(batch_tokens_));
  outputs_.reserve(static_cast<size_t>(batch_tokens_));
}

std::span<float> Session::append(std::span<const TokenId> tokens, const ProgressSink& progress) {
  if (tokens.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "session: there are no tokens to append");
  }
  const auto last = static_cast<int64_t>(tokens.size()) - 1;
  append(
      tokens, last, [](int64_t, MatrixView) {}, progress);
  const auto width = static_cast<size_t>(model_->config().vocabulary_size);
  return std::span(logits_).first(width);
}

void Session::append(std::span<const TokenId> tokens, int64_t first_output,
                     const LogitsVisitor& visit, const ProgressSink& progress) {
  const auto count = static_cast<int64_t>(tokens.size());
  if (count > context_tokens() - length_) {
    throw Error(ErrorCode::kLimit, fmt::format("session: {} tokens do not fit; {} of {} are used",
                                               count, length_, context_tokens()));
  }
  const int64_t start = length_;
  try {
    for (int64_t begin = 0; begin < count;) {
      // A batch that runs past first_output has few enough rows after it to keep their logits.
      const int64_t room = std::max<int64_t>(first_output - begin, 0) + kOutputRowsMax;
      const int64_t step = std::min({count - begin, batch_tokens_, room});
      const int64_t output = std::clamp<int64_t>(first_output - begin, 0, step);
      const MatrixView logits = logits_view(step - output);
      forward(tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(step)), output,
              logits);
      if (logits.rows > 0) visit(begin + output, logits);
      begin += step;
      report_progress(progress, {.stage = "reading",
                                 .done = static_cast<uint64_t>(begin),
                                 .total = static_cast<uint64_t>(count),
                                 .unit = "tokens"});
    }
  } catch (...) {
    rewind(start);
    throw;
  }
}

void Session::forward(std::span<const TokenId> tokens, int64_t first_output, MatrixView logits) {
  const auto count = static_cast<int64_t>(tokens.size());
  cache_.reserve(length_ + count);
  positions_.resize(tokens.size());
  std::iota(positions_.begin(), positions_.end(), static_cast<int32_t>(length_));
  outputs_.resize(static_cast<size_t>(count - first_output));
  std::iota(outputs_.begin(), outputs_.end(), static_cast<int32_t>(first_output));
  const SequenceChunk chunk = {
      .begin = 0, .count = count, .first_slot = length_, .cache = cache_.view()};
  const Batch batch = {
      .tokens = tokens, .positions = positions_, .chunks = {&chunk, 1}, .outputs = outputs_};
  model_->forward(context_, batch, activations_, logits);
  length_ += count;
}

MatrixView Session::logits_view(int64_t rows) {
  const int64_t width = model_->config().vocabulary_size;
  const auto wanted = static_cast<size_t>(rows * width);
  if (logits_.size() < wanted) logits_.resize(wanted);
  return {logits_.data(), rows, width, width};
}

void Session::rewind(int64_t length) {
  MINIM_CHECK(length >= 0);
  length_ = std::min(length_, length);
  cache_.shrink(length_);
}

}  // namespace minim
