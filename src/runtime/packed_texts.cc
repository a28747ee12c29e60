#include "runtime/packed_texts.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

constexpr int64_t kPieceMin = 2 * kPromptTokensMin;
constexpr int64_t kSharedTokensMin = 32;             // fewer are not worth a pass of their own
constexpr int64_t kRowBytesMax = int64_t{64} << 20;  // of logits at once

int64_t checked_batch(const PackingOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 20;
  if (options.batch_tokens < kPieceMin || options.batch_tokens > kMost) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("texts: batches of {} tokens: must be {} "
                                                         "to {}",
                                                         options.batch_tokens, kPieceMin, kMost));
  }
  return options.batch_tokens;
}

// Of the outputs of `text`, those of tokens [begin, end).
int64_t output_count(const PackedText& text, int64_t begin, int64_t end) {
  const int64_t first = std::max(begin, text.first_output);
  const int64_t last = std::min(end, text.first_output + text.output_count);
  return std::max<int64_t>(last - first, 0);
}

// What all texts begin with, as far as it can be computed apart: nothing of it is wanted, and
// enough is left of every text.
int64_t shared_tokens(std::span<const PackedText> texts) {
  if (texts.size() < 2) return 0;
  const std::vector<TokenId>& first = texts.front().tokens;
  auto shared = static_cast<int64_t>(first.size());
  for (const PackedText& text : texts) {
    const auto& tokens = text.tokens;
    const auto end = std::mismatch(first.begin(), first.end(), tokens.begin(), tokens.end()).first;
    shared = std::min(
        {shared, end - first.begin(), static_cast<int64_t>(tokens.size()) - kPromptTokensMin});
    if (text.output_count > 0) shared = std::min(shared, text.first_output);
  }
  return shared >= kSharedTokensMin ? shared : 0;
}

}  // namespace

// A piece of one text in the batch at hand.
struct PackedTexts::Part {
  size_t text;
  Sequence* sequence;
  int64_t begin;
  int64_t count;
  int64_t outputs;
  SequenceChunk chunk;
};

PackedTexts::PackedTexts(const Context& context, std::shared_ptr<const Model> model,
                         const PackingOptions& options)
    : context_(context),
      model_(std::move(model)),
      options_(options),
      pool_(std::make_shared<KvPool>(model_->kv_layout(), 0, context.memory)),
      activations_(model_->config(), checked_batch(options), context.memory) {}

void PackedTexts::hidden_states(std::span<const PackedText> texts, const Visitor& visit) {
  read_all(texts, Wanted::kHidden, visit);
}

void PackedTexts::logits(std::span<const PackedText> texts, const Visitor& visit) {
  read_all(texts, Wanted::kLogits, visit);
}

void PackedTexts::check(std::span<const PackedText> texts) const {
  const ModelConfig& config = model_->config();
  for (size_t i = 0; i < texts.size(); ++i) {
    const PackedText& text = texts[i];
    const auto count = static_cast<int64_t>(text.tokens.size());
    if (count == 0) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("texts: text {} has no tokens", i));
    }
    if (count > config.context_length) {
      throw Error(
          ErrorCode::kLimit,
          fmt::format("texts: text {} has {} tokens, and the model holds {}; cut it, or ask "
                      "for truncation",
                      i, count, config.context_length));
    }
    MINIM_CHECK(text.first_output >= 0 && text.output_count >= 0 &&
                text.output_count <= count - text.first_output);
    for (const TokenId token : text.tokens) {
      if (token >= 0 && token < config.vocabulary_size) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("texts: token {} of text {} is outside the vocabulary of {}", token,
                              i, config.vocabulary_size));
    }
  }
}

Sequence PackedTexts::read_shared(std::span<const PackedText> texts) {
  Sequence shared(model_, {.pool = pool_});
  const int64_t count = shared_tokens(texts);
  const PackedText beginning = {
      .tokens = {texts.front().tokens.begin(), texts.front().tokens.begin() + count}};
  while (shared.length() < count) {
    const int64_t step = prompt_step(count - shared.length(), options_.batch_tokens);
    std::vector<Part> parts = {{0, &shared, shared.length(), step, 0, {}}};
    forward(parts, {&beginning, 1}, Wanted::kHidden, {});
  }
  return shared;
}

// A text goes into a batch whole, or, longer than any batch, in pieces that have one each.
void PackedTexts::read_all(std::span<const PackedText> texts, Wanted wanted, const Visitor& visit) {
  check(texts);
  if (texts.empty()) return;
  const Sequence shared = read_shared(texts);
  const int64_t width =
      wanted == Wanted::kLogits ? model_->config().vocabulary_size : model_->config().dim;
  const int64_t outputs_max = std::clamp<int64_t>(
      kRowBytesMax / static_cast<int64_t>(sizeof(float)) / width, kPieceMin, options_.batch_tokens);

  std::vector<std::unique_ptr<Sequence>> sequences;
  std::vector<Part> parts;
  int64_t rows = 0;
  int64_t outputs = 0;
  const auto flush = [&] {
    if (!parts.empty()) forward(parts, texts, wanted, visit);
    parts.clear();
    sequences.clear();
    rows = outputs = 0;
  };
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto count = static_cast<int64_t>(texts[i].tokens.size());
    const int64_t wanted_rows = output_count(texts[i], shared.length(), count);
    if (rows + count - shared.length() > options_.batch_tokens ||
        outputs + wanted_rows > outputs_max) {
      flush();
    }
    auto sequence = std::make_unique<Sequence>(shared);
    for (int64_t begin = shared.length(); begin < count;) {
      int64_t step = count - begin;
      if (step > options_.batch_tokens || output_count(texts[i], begin, count) > outputs_max) {
        const int64_t plain = std::max<int64_t>(texts[i].first_output - begin, 0);
        step = prompt_step(step, std::min(options_.batch_tokens, plain + outputs_max));
      }
      const int64_t part_outputs = output_count(texts[i], begin, begin + step);
      parts.push_back({i, sequence.get(), begin, step, part_outputs, {}});
      rows += step;
      outputs += part_outputs;
      begin += step;
      if (begin < count) {
        forward(parts, texts, wanted, visit);
        parts.clear();
        rows = outputs = 0;
      }
    }
    sequences.push_back(std::move(sequence));
  }
  flush();
}

void PackedTexts::forward(std::vector<Part>& parts, std::span<const PackedText> texts,
                          Wanted wanted, const Visitor& visit) {
  // The order that a batch asks for (model/batch.h).
  const auto order = [](const Part& part) {
    if (part.count < kPromptTokensMin) return 0;
    return part.outputs < kPromptTokensMin ? 1 : 2;
  };
  std::stable_sort(parts.begin(), parts.end(),
                   [&](const Part& a, const Part& b) { return order(a) < order(b); });
  std::vector<int32_t> tokens, positions, outputs;
  std::vector<SequenceChunk> chunks;
  for (Part& part : parts) {
    const PackedText& text = texts[part.text];
    const auto begin = static_cast<int64_t>(tokens.size());
    chunks.push_back(part.sequence->extend(begin, part.count));
    for (int64_t i = 0; i < part.count; ++i) {
      const int64_t position = part.begin + i;
      tokens.push_back(text.tokens[static_cast<size_t>(position)]);
      positions.push_back(static_cast<int32_t>(position));
      if (output_count(text, position, position + 1) > 0) {
        outputs.push_back(static_cast<int32_t>(begin + i));
      }
    }
  }
  const ModelConfig& config = model_->config();
  const int64_t width = wanted == Wanted::kLogits ? config.vocabulary_size : config.dim;
  const auto count = static_cast<int64_t>(outputs.size());
  rows_.resize(std::max(rows_.size(), static_cast<size_t>(count * width)));
  const MatrixView rows = {rows_.data(), count, width, width};
  const Batch batch = {
      .tokens = tokens, .positions = positions, .chunks = chunks, .outputs = outputs};
  const auto compute = [&] {
    if (wanted == Wanted::kLogits) {
      model_->forward(context_, batch, activations_, rows);
    } else {
      model_->forward_hidden(context_, batch, activations_, rows);
    }
  };
  options_.run ? options_.run(compute) : compute();

  int64_t row = 0;
  for (Part& part : parts) {
    const auto& all = texts[part.text].tokens;
    part.sequence->commit(
        std::span(all).subspan(static_cast<size_t>(part.begin), static_cast<size_t>(part.count)));
    for (int64_t i = part.begin; i < part.begin + part.count; ++i) {
      if (output_count(texts[part.text], i, i + 1) == 0) continue;
      visit(part.text, i, {rows.row(row++), static_cast<size_t>(width)});
    }
  }
}

}  // namespace minim
