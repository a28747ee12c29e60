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

int64_t checked_batch(const SessionOptions& options, int64_t context_tokens) {
  if (options.batch_tokens < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("session: batches of {} tokens make no sense; at least 1 is needed",
                            options.batch_tokens));
  }
  return std::min(options.batch_tokens, context_tokens);
}

}  // namespace

Session::Session(const Context& context, std::shared_ptr<const Model> model,
                 const SessionOptions& options)
    : context_(context),
      state_(std::move(model), options),
      batch_tokens_(checked_batch(options, state_.context_tokens())),
      activations_(
          std::make_shared<Activations>(state_.model().config(), batch_tokens_, context.memory)) {
  positions_.reserve(static_cast<size_t>(batch_tokens_));
  outputs_.reserve(static_cast<size_t>(batch_tokens_));
}

Session::Session(const Session& other)
    : context_(other.context_),
      state_(other.state_),
      batch_tokens_(other.batch_tokens_),
      activations_(other.activations_) {}

Session Session::clone() const { return Session(*this); }

std::span<float> Session::append(std::span<const TokenId> tokens, const ProgressSink& progress) {
  if (tokens.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "session: there are no tokens to append");
  }
  const auto last = static_cast<int64_t>(tokens.size()) - 1;
  append(
      tokens, last, [](int64_t, MatrixView) {}, progress);
  state_.keep_logits();
  return logits();
}

void Session::check_tokens(std::span<const TokenId> tokens) const {
  const int64_t room = context_tokens() - length();
  if (static_cast<int64_t>(tokens.size()) > room) {
    throw Error(ErrorCode::kLimit, fmt::format("session: {} tokens do not fit; {} of {} are used",
                                               tokens.size(), length(), context_tokens()));
  }
  const int32_t vocabulary = model().config().vocabulary_size;
  for (const TokenId token : tokens) {
    if (token >= 0 && token < vocabulary) continue;
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("session: token {} is outside the vocabulary of {}", token, vocabulary));
  }
}

void Session::append(std::span<const TokenId> tokens, int64_t first_output,
                     const LogitsVisitor& visit, const ProgressSink& progress) {
  check_tokens(tokens);
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t start = length();
  Sequence& sequence = state_.sequence();
  state_.forget_logits();
  reused_tokens_ = 0;
  try {
    if (start == 0) {
      reused_tokens_ = sequence.reuse(tokens, std::min(first_output, count - kPromptTokensMin));
    }
    for (int64_t begin = reused_tokens_; begin < count;) {
      // A batch that runs past first_output has few enough rows after it to keep their logits.
      const int64_t room = std::max<int64_t>(first_output - begin, 0) + kOutputRowsMax;
      const int64_t step = prompt_step(count - begin, std::min(batch_tokens_, room));
      const int64_t output = std::clamp<int64_t>(first_output - begin, 0, step);
      const MatrixView logits = state_.overwrite_logits(step - output);
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
    sequence.rewind(sequence.can_rewind(start) ? start : 0);
    throw;
  }
}

void Session::forward(std::span<const TokenId> tokens, int64_t first_output, MatrixView logits) {
  const auto count = static_cast<int64_t>(tokens.size());
  positions_.resize(tokens.size());
  std::iota(positions_.begin(), positions_.end(), static_cast<int32_t>(length()));
  outputs_.resize(static_cast<size_t>(count - first_output));
  std::iota(outputs_.begin(), outputs_.end(), static_cast<int32_t>(first_output));
  const SequenceChunk chunk = state_.sequence().extend(0, count);
  const Batch batch = {
      .tokens = tokens, .positions = positions_, .chunks = {&chunk, 1}, .outputs = outputs_};
  model().forward(context_, batch, *activations_, logits);
  state_.sequence().commit(tokens);
}

ContextShift Session::shift(const ShiftOptions& options) {
  Sequence& sequence = state_.sequence();
  const KvCache& cache = sequence.cache();
  const ContextShift shift = plan_shift(options, {.length = length(),
                                                  .first_slot = cache.first_slot(),
                                                  .block_tokens = cache.layout().block_tokens});
  if (!options.reread && sequence.can_drop()) {
    sequence.drop(context_, shift.kept, shift.dropped);
    return shift;
  }
  const auto rest = tokens().subspan(static_cast<size_t>(shift.kept + shift.dropped));
  const std::vector<TokenId> again(rest.begin(), rest.end());
  rewind(shift.kept);
  if (!again.empty()) append(again);
  return shift;
}

}  // namespace minim
