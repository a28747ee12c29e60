#include "compress/quantize/quantize_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "formats/gguf/gguf_writer.h"
#include "kernels/quantize.h"

namespace minim {
namespace {

// Values converted before they are written: bounds the memory of the largest tensor.
constexpr int64_t kPanelValues = int64_t{1} << 23;

// `general.file_type` as other GGUF programs number it; nothing for our own types.
std::optional<uint32_t> file_type_id(DataType type) {
  static const std::map<DataType, uint32_t> kIds = {
      {DataType::kF32, 0},    {DataType::kF16, 1},    {DataType::kQ4_0, 2},  {DataType::kQ4_1, 3},
      {DataType::kQ8_0, 7},   {DataType::kQ5_0, 8},   {DataType::kQ5_1, 9},  {DataType::kQ2_K, 10},
      {DataType::kQ3_K, 11},  {DataType::kQ4_K, 14},  {DataType::kQ5_K, 16}, {DataType::kQ6_K, 18},
      {DataType::kIq4Nl, 25}, {DataType::kIq4Xs, 30}, {DataType::kBf16, 32}, {DataType::kTq1_0, 36},
      {DataType::kTq2_0, 37}, {DataType::kMxfp4, 38},
  };
  const auto found = kIds.find(type);
  return found == kIds.end() ? std::nullopt : std::optional(found->second);
}

Metadata output_metadata(const ModelFile& file, DataType type) {
  Metadata metadata = file.metadata();
  const auto id = file_type_id(type);
  if (id) {
    metadata.set_uint32("general.file_type", *id);
  } else {
    metadata.erase("general.file_type");
  }
  metadata.set_uint32("general.quantization_version", 2);
  return metadata;
}

// Sums of squares, for the relative error of a tensor.
struct Squares {
  double values = 0;
  double errors = 0;
};

// Converts rows of one tensor; one object for each piece of work.
class RowConverter {
 public:
  RowConverter(DataType from, DataType to, int64_t cols)
      : from_(from), to_(to), cols_(cols), values_(static_cast<size_t>(cols)), restored_(values_) {}

  // False if a value is not finite.
  bool convert(const std::byte* source, std::byte* target, Squares& squares) {
    kernels::dequantize_row(from_, source, values_.data(), cols_);
    for (const float value : values_) {
      if (!std::isfinite(value)) return false;
    }
    kernels::quantize_row(to_, values_.data(), target, cols_);
    kernels::dequantize_row(to_, target, restored_.data(), cols_);
    for (size_t i = 0; i < values_.size(); ++i) {
      const double error = double{restored_[i]} - double{values_[i]};
      squares.values += double{values_[i]} * double{values_[i]};
      squares.errors += error * error;
    }
    return true;
  }

 private:
  DataType from_;
  DataType to_;
  int64_t cols_;
  std::vector<float> values_;
  std::vector<float> restored_;
};

class FileQuantizer {
 public:
  FileQuantizer(const Context& context, const ModelFile& file, GgufWriter& writer,
                const ProgressSink& progress, uint64_t bytes_total)
      : context_(context),
        file_(file),
        writer_(writer),
        progress_(progress),
        bytes_total_(bytes_total) {}

  void write(const TensorEntry& tensor, QuantizedTensor& plan) {
    const TensorBytes source = tensor.load();
    if (plan.from == plan.to) {
      writer_.write(source.bytes);
      advance(source.bytes.size());
      return;
    }
    const int64_t cols = tensor.shape[0];
    const int64_t rows = cols == 0 ? 0 : tensor.value_count() / cols;
    const int64_t panel_rows = std::max<int64_t>(1, kPanelValues / std::max<int64_t>(cols, 1));
    Squares total;
    for (int64_t begin = 0; begin < rows; begin += panel_rows) {
      const int64_t count = std::min(panel_rows, rows - begin);
      const Squares squares = convert_panel(source.bytes.data(), plan, cols, begin, count);
      total.values += squares.values;
      total.errors += squares.errors;
    }
    plan.error = total.values > 0 ? std::sqrt(total.errors / total.values) : 0;
  }

 private:
  Squares convert_panel(const std::byte* source, const QuantizedTensor& plan, int64_t cols,
                        int64_t begin, int64_t count) {
    const uint64_t from_bytes = *data_type_bytes(plan.from, static_cast<uint64_t>(cols));
    const uint64_t to_bytes = *data_type_bytes(plan.to, static_cast<uint64_t>(cols));
    panel_.resize(to_bytes * static_cast<uint64_t>(count));
    std::vector<Squares> squares(static_cast<size_t>(count));  // summed in order below
    std::atomic<bool> finite = true;
    context_.threads.run_ranges(count, 1, [&](int64_t first, int64_t last) {
      RowConverter converter(plan.from, plan.to, cols);
      for (int64_t i = first; i < last; ++i) {
        const std::byte* row = source + static_cast<uint64_t>(begin + i) * from_bytes;
        std::byte* target = panel_.data() + static_cast<uint64_t>(i) * to_bytes;
        if (!converter.convert(row, target, squares[static_cast<size_t>(i)])) finite = false;
      }
    });
    if (!finite) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("quantize: tensor '{}' of '{}' holds values that are not finite "
                              "numbers; the file is damaged or the training diverged",
                              plan.name, file_.path().string()));
    }
    writer_.write(panel_);
    advance(from_bytes * static_cast<uint64_t>(count));
    Squares sum;
    for (const Squares& row : squares) {
      sum.values += row.values;
      sum.errors += row.errors;
    }
    return sum;
  }

  void advance(uint64_t bytes) {
    bytes_done_ += bytes;
    report_progress(
        progress_,
        {.stage = "quantizing", .done = bytes_done_, .total = bytes_total_, .unit = "bytes"});
  }

  const Context& context_;
  const ModelFile& file_;
  GgufWriter& writer_;
  const ProgressSink& progress_;
  uint64_t bytes_total_;
  uint64_t bytes_done_ = 0;
  std::vector<std::byte> panel_;
};

}  // namespace

QuantizeReport quantize_file(const Context& context, const ModelFile& file, const Path& output,
                             const QuantizeOptions& options) {
  QuantizeReport report = plan_quantization(file, options);
  std::vector<GgufTensor> tensors;
  for (size_t i = 0; i < report.tensors.size(); ++i) {
    const TensorEntry& entry = file.tensors()[i];
    tensors.push_back({entry.name, report.tensors[i].to, entry.rank, entry.shape});
  }
  GgufWriter writer(output, output_metadata(file, options.type), std::move(tensors));
  FileQuantizer quantizer(context, file, writer, options.progress, report.bytes_before);
  for (size_t i = 0; i < report.tensors.size(); ++i) {
    quantizer.write(file.tensors()[i], report.tensors[i]);
  }
  writer.commit();
  return report;
}

}  // namespace minim
