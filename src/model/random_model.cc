#include "model/random_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "formats/gguf/gguf_writer.h"
#include "formats/vocabulary.h"
#include "kernels/quantize.h"
#include "model/architecture.h"
#include "text/vocabulary.h"

namespace minim {
namespace {

constexpr float kStandardDeviation = 0.02f;
constexpr int64_t kPanelBytes = int64_t{8} << 20;
constexpr int kVocabularyMin = 384;  // special tokens, bytes, and the printable characters

// Numbers with mean 0 and the standard deviation of the weights: the sum of four uniform 16-bit
// numbers (Irwin-Hall). Near enough to normal, and many times faster than Box-Muller.
void draw_row(uint64_t stream, std::span<float> values) {
  constexpr float kMean = 2.0f * 65535.0f;
  constexpr float kScale = kStandardDeviation / 37837.0f;  // 65536 / sqrt(12) * sqrt(4)
  Rng rng(stream);
  for (float& value : values) {
    const uint64_t bits = rng.next();
    const uint64_t sum =
        (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    value = (static_cast<float>(sum) - kMean) * kScale;
  }
}

void fill_row(TensorKind kind, uint64_t stream, std::span<float> values) {
  switch (kind) {
    case TensorKind::kMatrix: draw_row(stream, values); return;
    case TensorKind::kNorm:
    case TensorKind::kFactors: std::fill(values.begin(), values.end(), 1.0f); return;
    case TensorKind::kBias: std::fill(values.begin(), values.end(), 0.0f); return;
  }
}

GgufTensor declare(const TensorSpec& spec, DataType wanted) {
  GgufTensor tensor{spec.name, storage_type(spec, wanted), 1, spec.shape};
  for (int dimension = 1; dimension < 4; ++dimension) {
    if (spec.shape[static_cast<size_t>(dimension)] > 1) tensor.rank = dimension + 1;
  }
  if (spec.kind == TensorKind::kMatrix) tensor.rank = std::max(tensor.rank, 2);
  return tensor;
}

// Synthetic pieces by length: the printable characters, then lower-case words of two and more
// letters, each with and without a space before it.
class PieceList {
 public:
  explicit PieceList(Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  void add(std::string piece, TokenType type, float score) {
    if (full() || !seen_.insert(piece).second) return;
    vocabulary_.tokens.push_back(std::move(piece));
    vocabulary_.types.push_back(type);
    vocabulary_.scores.push_back(score);
  }
  // Earlier pieces merge first.
  void add_piece(std::string piece) {
    add(std::move(piece), TokenType::kNormal, -static_cast<float>(vocabulary_.tokens.size()));
  }
  bool full() const { return vocabulary_.tokens.size() == size_; }
  void set_size(size_t size) { size_ = size; }

 private:
  Vocabulary& vocabulary_;
  std::unordered_set<std::string> seen_;
  size_t size_ = 0;
};

void add_words(PieceList& pieces, std::string_view space) {
  std::vector<std::string> words = {""};
  while (!pieces.full()) {
    std::vector<std::string> longer;
    for (const std::string& word : words) {
      for (char letter = 'a'; letter <= 'z' && !pieces.full(); ++letter) {
        longer.push_back(word + letter);
        pieces.add_piece(longer.back());
        pieces.add_piece(std::string(space) + longer.back());
      }
    }
    words = std::move(longer);
  }
}

Vocabulary make_vocabulary(int size) {
  constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581, SentencePiece's mark
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kSentencePieceBpe;
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.add_bos = true;
  PieceList pieces(vocabulary);
  pieces.set_size(static_cast<size_t>(size));
  pieces.add("<unk>", TokenType::kUnknown, 0.0f);
  pieces.add("<s>", TokenType::kControl, 0.0f);
  pieces.add("</s>", TokenType::kControl, 0.0f);
  for (int byte = 0; byte < 256; ++byte) {
    pieces.add(fmt::format("<0x{:02X}>", byte), TokenType::kByte, 0.0f);
  }
  pieces.add_piece(std::string(kSpace));
  for (char character = '!'; character <= '~'; ++character) {
    pieces.add_piece(std::string(1, character));
  }
  add_words(pieces, kSpace);
  return vocabulary;
}

void check_request(const ModelConfig& config, DataType type) {
  validate_model_config(config);
  if (config.vocabulary_size < kVocabularyMin) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("model: a vocabulary of {} tokens; a working one needs {}",
                            config.vocabulary_size, kVocabularyMin));
  }
  if (!data_type_info(type).is_weight) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("model: {} is no type for weights", data_type_info(type).name));
  }
}

// Writes one tensor in panels of rows. Every row has a random stream of its own, so that it does
// not matter who draws it.
class TensorWriter {
 public:
  TensorWriter(const Context& context, const RandomModelOptions& options, GgufWriter& writer,
               uint64_t bytes_total)
      : context_(context), options_(options), writer_(writer), bytes_total_(bytes_total) {}

  void write(const TensorSpec& spec, const GgufTensor& tensor, uint64_t tensor_index) {
    const int64_t cols = tensor.shape[0];
    const int64_t rows = tensor.shape[1] * tensor.shape[2] * tensor.shape[3];
    const auto row_bytes =
        static_cast<int64_t>(*data_type_bytes(tensor.type, static_cast<uint64_t>(cols)));
    const int64_t panel_rows = std::clamp<int64_t>(kPanelBytes / row_bytes, 1, rows);
    panel_.resize(static_cast<size_t>(panel_rows * row_bytes));
    const uint64_t tensor_stream = mix_bits(mix_bits(options_.seed) ^ tensor_index);
    for (int64_t first = 0; first < rows; first += panel_rows) {
      const int64_t count = std::min(panel_rows, rows - first);
      context_.threads.run_ranges(count, 1, [&](int64_t begin, int64_t end) {
        std::vector<float> values(static_cast<size_t>(cols));
        for (int64_t i = begin; i < end; ++i) {
          fill_row(spec.kind, mix_bits(tensor_stream + static_cast<uint64_t>(first + i)), values);
          kernels::quantize_row(tensor.type, values.data(), panel_.data() + i * row_bytes, cols);
        }
      });
      const auto bytes = static_cast<size_t>(count * row_bytes);
      writer_.write(std::span<const std::byte>(panel_).first(bytes));
      bytes_done_ += bytes;
      report_progress(options_.progress, {"writing", bytes_done_, bytes_total_, "bytes"});
    }
  }

 private:
  const Context& context_;
  const RandomModelOptions& options_;
  GgufWriter& writer_;
  uint64_t bytes_total_;
  uint64_t bytes_done_ = 0;
  std::vector<std::byte> panel_;
};

// One line for all tensors whose rows `wanted` cannot hold.
void warn_of_other_types(const Context& context, const std::vector<GgufTensor>& tensors,
                         DataType wanted) {
  int64_t count = 0;
  const GgufTensor* example = nullptr;
  for (const GgufTensor& tensor : tensors) {
    const bool fits = tensor.shape[0] % data_type_info(wanted).block_values == 0;
    if (tensor.rank < 2 || fits) continue;  // what stays F32 although it fits does so on purpose
    ++count;
    example = &tensor;
  }
  if (count == 0) return;
  context.warn(fmt::format(
      "model: {} of {} tensors are not stored as {}, whose blocks of {} their rows do not fill: "
      "'{}' "
      "with rows of {} is {}",
      count, tensors.size(), data_type_info(wanted).name, data_type_info(wanted).block_values,
      example->name, example->shape[0], data_type_info(example->type).name));
}

}  // namespace

void write_random_model(const Context& context, const ModelConfig& config, const Path& path,
                        const RandomModelOptions& options) {
  check_request(config, options.type);
  std::vector<TensorSpec> specs = find_architecture(config.architecture).tensors(config);
  std::erase_if(specs, [](const TensorSpec& spec) { return !spec.required; });
  std::vector<GgufTensor> tensors;
  uint64_t bytes_total = 0;
  for (const TensorSpec& spec : specs) {
    tensors.push_back(declare(spec, options.type));
    bytes_total += *data_type_bytes(
        tensors.back().type,
        static_cast<uint64_t>(spec.shape[0] * spec.shape[1] * spec.shape[2] * spec.shape[3]));
  }
  warn_of_other_types(context, tensors, options.type);
  Metadata metadata;
  metadata.set_uint32("general.quantization_version", 2);  // of the block layouts
  write_model_config(config, metadata);
  write_vocabulary(make_vocabulary(config.vocabulary_size), metadata);
  GgufWriter writer(path, metadata, tensors);
  TensorWriter tensor_writer(context, options, writer, bytes_total);
  for (size_t i = 0; i < specs.size(); ++i) tensor_writer.write(specs[i], tensors[i], i);
  writer.commit();
}

}  // namespace minim
