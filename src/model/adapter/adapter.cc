#include "model/adapter/adapter.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "formats/byte_reader.h"
#include "kernels/quantize.h"
#include "tensor/ops.h"

namespace minim {
namespace {

[[noreturn]] void refuse(const AdapterFile& file, const std::string& why) {
  const std::string base =
      file.base.empty() ? "another model" : fmt::format("'{}'", printable(file.base));
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("adapter '{}': it was made for {}, and not for this model: {}",
                          file.path.string(), base, why));
}

void check_base(const AdapterFile& file, const Model& model) {
  const std::string& architecture = model.config().architecture;
  if (!file.architecture.empty() && file.architecture != architecture) {
    refuse(file, fmt::format("the architecture is {}, not {}", architecture,
                             printable(file.architecture)));
  }
  if (file.base_fingerprint && *file.base_fingerprint != model.fingerprint()) {
    refuse(file, "the weights are others");
  }
}

const WeightMatrix& find_target(const AdapterFile& file, const AdapterPart& part,
                                const Model& model) {
  const WeightMatrix* matrix = model.find_matrix(part.target);
  if (matrix == nullptr) {
    refuse(file, fmt::format("it has no matrix '{}'", printable(part.target)));
  }
  if (part.target == "token_embd.weight") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("adapter '{}': changes of the embeddings are not supported",
                            file.path.string()));
  }
  if (part.a.shape[0] == matrix->cols() && part.b.shape[1] == matrix->rows()) return *matrix;
  refuse(file, fmt::format("'{}' is [{}, {}] where the adapter's is [{}, {}]", part.target,
                           matrix->rows(), matrix->cols(), part.b.shape[1], part.a.shape[0]));
}

std::vector<float> read_floats(const TensorEntry& entry) {
  const TensorBytes stored = entry.load();
  std::vector<float> values(static_cast<size_t>(entry.value_count()));
  kernels::dequantize_row(entry.type, stored.bytes.data(), values.data(), entry.value_count());
  return values;
}

double sum_of_squares(std::span<const float> values) {
  constexpr size_t kLanes = 4;  // sums that do not wait for each other
  double sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += static_cast<double>(values[i + lane]) * values[i + lane];
    }
  }
  for (; i < values.size(); ++i) sums[0] += static_cast<double>(values[i]) * values[i];
  return sums[0] + sums[1] + sums[2] + sums[3];
}

double dot(const float* a, const float* b, int64_t count) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// Of DoRA: magnitude / |w + s b A| for each row w of W and its row b of B. The square of that
// length is |w|^2 + 2 s (w A') b' + s^2 b (A A') b', where W A' is a product as a prompt of `rank`
// tokens makes it, in the precision of the model.
std::vector<float> gains(const Context& context, const WeightMatrix& weights, const LowRank& part,
                         const TensorEntry& magnitude) {
  const int64_t rank = part.a.rows();
  const int64_t cols = part.a.cols();
  std::vector<float> a(static_cast<size_t>(rank * cols));
  for (int64_t r = 0; r < rank; ++r) part.a.dequantize_row(r, a.data() + r * cols);
  std::vector<float> products(static_cast<size_t>(rank * weights.rows()));  // [rank, rows]
  matmul(context, weights, ConstMatrixView{a.data(), rank, cols, cols},
         MatrixView{products.data(), rank, weights.rows(), weights.rows()});
  std::vector<double> squares_of_a(static_cast<size_t>(rank * rank));  // A A'
  for (int64_t i = 0; i < rank * rank; ++i) {
    squares_of_a[static_cast<size_t>(i)] =
        dot(a.data() + i / rank * cols, a.data() + i % rank * cols, cols);
  }
  std::vector<float> gain = read_floats(magnitude);
  context.threads.run_ranges(weights.rows(), 16, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(cols));
    std::vector<float> b(static_cast<size_t>(rank));
    for (int64_t i = begin; i < end; ++i) {
      weights.dequantize_row(i, row.data());
      part.b.dequantize_row(i, b.data());
      double across = 0.0, change = 0.0;
      for (int64_t r = 0; r < rank; ++r) {
        const double factor = b[static_cast<size_t>(r)];
        across += factor * products[static_cast<size_t>(r * weights.rows() + i)];
        for (int64_t q = 0; q < rank; ++q) {
          change +=
              factor * b[static_cast<size_t>(q)] * squares_of_a[static_cast<size_t>(r * rank + q)];
        }
      }
      const double scale = part.scale;
      const double squares = sum_of_squares(row) + 2 * scale * across + scale * scale * change;
      gain[static_cast<size_t>(i)] /= static_cast<float>(std::sqrt(squares));
    }
  });
  if (!std::all_of(gain.begin(), gain.end(), [](float value) { return std::isfinite(value); })) {
    throw Error(ErrorCode::kFormat,
                fmt::format("adapter: '{}' is not finite, or belongs to rows of zeros",
                            printable(magnitude.name)));
  }
  return gain;
}

}  // namespace

std::shared_ptr<const Adapter> Adapter::load(const Context& context,
                                             std::shared_ptr<const Model> model,
                                             const AdapterFile& file) {
  check_base(file, *model);
  const std::shared_ptr<Adapter> adapter(new Adapter);
  adapter->model_ = std::move(model);
  adapter->path_ = file.path;
  WeightMemory memory(context.memory);
  for (const AdapterPart& part : file.parts) adapter->add_part(context, file, part, memory);
  return adapter;
}

std::shared_ptr<const Adapter> Adapter::load(const Context& context,
                                             std::shared_ptr<const Model> model, const Path& path) {
  const ModelConfig& config = model->config();
  const AdapterFile file =
      open_adapter_file(path, {config.architecture, config.head_count, config.kv_head_count});
  return load(context, std::move(model), file);
}

void Adapter::add_part(const Context& context, const AdapterFile& file, const AdapterPart& part,
                       WeightMemory& memory) {
  const WeightMatrix& weights = find_target(file, part, *model_);
  XxHash64 hash(fingerprint_);
  hash.update(part.target);
  hash.update_value(part.scale);
  const auto load = [&](const TensorEntry& entry) {
    const TensorBytes stored = entry.load();
    hash.update(stored.bytes);
    WeightMatrix matrix = WeightMatrix::pack(context, entry.type, entry.shape[1], entry.shape[0],
                                             stored.bytes, stored.owner, memory);
    bytes_ += matrix.bytes();
    return matrix;
  };
  LowRank change = {load(part.a), load(part.b), part.scale, {}};
  if (part.magnitude) {
    change.gain = gains(context, weights, change, *part.magnitude);
    hash.update(std::as_bytes(std::span(change.gain)));
    bytes_ += change.gain.size() * sizeof(float);
  }
  rank_max_ = std::max(rank_max_, change.a.rows());
  parts_.emplace(weights.data(), std::move(change));
  fingerprint_ = hash.digest();
}

const LowRank* Adapter::find(const WeightMatrix& weights) const {
  const auto found = parts_.find(weights.data());
  return found == parts_.end() ? nullptr : &found->second;
}

}  // namespace minim
