// Adafactor without momentum: of a matrix's second moments only the means of its rows and columns
// are kept, of a vector all (Shazeer and Stern, 2018). The rate comes from the schedule.
#include <algorithm>
#include <cmath>

#include "kernels/kernel_table.h"
#include "train/optim/make_optimizers.h"

namespace minim::train {
namespace {

constexpr float kLeastSquare = 1e-30f;
constexpr int64_t kRowsPerChunk = 16;

class Adafactor final : public Optimizer {
 public:
  Adafactor(const ParameterSet& parameters, const OptimizerOptions& options) : options_(options) {
    int64_t count = 0;
    for (const ParameterInfo& info : parameters.infos()) {
      if (!info.trains) continue;
      const float decay = decays(info, options) ? options.weight_decay : 0.0f;
      tensors_.push_back({info.offset, info.rows, info.cols, count, decay});
      count += tensors_.back().state_count();
    }
    state_.resize(static_cast<size_t>(count));
  }

  void step(const Context& context, ParameterSet& parameters, const StepOptions& options) override {
    const double steps = static_cast<double>(options.step + 1);
    const auto beta = static_cast<float>(1.0 - std::pow(steps, -double{options_.adafactor_decay}));
    for (const Tensor& tensor : tensors_) {
      tensor.rows > 1 ? step_matrix(context, parameters, tensor, options, beta)
                      : step_vector(parameters, tensor, options, beta);
    }
  }

  std::vector<StatePart> state() override { return {{"adafactor.squares", state_}}; }

 private:
  struct Tensor {
    int64_t offset;
    int64_t rows;
    int64_t cols;
    int64_t state;
    float decay;

    // Of a matrix rows, then columns; of a vector all values.
    int64_t state_count() const { return rows > 1 ? rows + cols : cols; }
  };

  struct Chunk {
    std::vector<double> columns;
    double updates = 0;
  };

  int64_t chunk_count(const Tensor& tensor) const {
    return (tensor.rows + kRowsPerChunk - 1) / kRowsPerChunk;
  }

  template <typename Body>
  void for_each_row(const Context& context, const Tensor& tensor, Body&& body) {
    context.threads.run(chunk_count(tensor), [&](int64_t chunk) {
      const int64_t end = std::min(tensor.rows, (chunk + 1) * kRowsPerChunk);
      for (int64_t row = chunk * kRowsPerChunk; row < end; ++row) body(chunk, row);
    });
  }

  void step_matrix(const Context& context, ParameterSet& parameters, const Tensor& tensor,
                   const StepOptions& options, float beta) {
    const float* gradients = parameters.gradients().data() + tensor.offset;
    float* row_means = state_.data() + tensor.state;
    float* col_means = row_means + tensor.rows;
    std::vector<Chunk> chunks(static_cast<size_t>(chunk_count(tensor)));
    for (Chunk& chunk : chunks) chunk.columns.assign(static_cast<size_t>(tensor.cols), 0.0);
    for_each_row(context, tensor, [&](int64_t chunk, int64_t row) {
      double sum = 0;
      for (int64_t col = 0; col < tensor.cols; ++col) {
        const float g = gradients[row * tensor.cols + col] * options.gradient_scale;
        const float square = g * g + kLeastSquare;
        sum += square;
        chunks[static_cast<size_t>(chunk)].columns[static_cast<size_t>(col)] += square;
      }
      const auto mean = static_cast<float>(sum / static_cast<double>(tensor.cols));
      row_means[row] = beta * row_means[row] + (1.0f - beta) * mean;
    });
    for (int64_t col = 0; col < tensor.cols; ++col) {
      double sum = 0;
      for (const Chunk& chunk : chunks) sum += chunk.columns[static_cast<size_t>(col)];
      const auto mean = static_cast<float>(sum / static_cast<double>(tensor.rows));
      col_means[col] = beta * col_means[col] + (1.0f - beta) * mean;
    }
    double rows_mean = 0;
    for (int64_t row = 0; row < tensor.rows; ++row) rows_mean += row_means[row];
    rows_mean /= static_cast<double>(tensor.rows);
    // An update is the gradient over the root of rows * columns / the mean of rows.
    std::vector<float> col_factors(static_cast<size_t>(tensor.cols));
    for (size_t col = 0; col < col_factors.size(); ++col) {
      col_factors[col] = 1.0f / std::sqrt(col_means[col]);
    }
    const auto row_factor = [&](int64_t row) {
      return options.gradient_scale *
             static_cast<float>(std::sqrt(rows_mean / double{row_means[row]}));
    };
    for_each_row(context, tensor, [&](int64_t chunk, int64_t row) {
      const float factor = row_factor(row);
      for (int64_t col = 0; col < tensor.cols; ++col) {
        const float update =
            gradients[row * tensor.cols + col] * factor * col_factors[static_cast<size_t>(col)];
        chunks[static_cast<size_t>(chunk)].updates += double{update} * update;
      }
    });
    double squares = 0;
    for (const Chunk& chunk : chunks) squares += chunk.updates;
    const float rate = clipped_rate(squares, tensor, options);
    const float kept = 1.0f - options_.learning_rate * options.rate_fraction * tensor.decay;
    float* values = parameters.values().data() + tensor.offset;
    for_each_row(context, tensor, [&](int64_t, int64_t row) {
      const float factor = rate * row_factor(row);
      for (int64_t col = 0; col < tensor.cols; ++col) {
        float& value = values[row * tensor.cols + col];
        value = value * kept -
                gradients[row * tensor.cols + col] * factor * col_factors[static_cast<size_t>(col)];
      }
    });
  }

  void step_vector(ParameterSet& parameters, const Tensor& tensor, const StepOptions& options,
                   float beta) {
    const float* gradients = parameters.gradients().data() + tensor.offset;
    float* squares = state_.data() + tensor.state;
    double updates = 0;
    for (int64_t i = 0; i < tensor.cols; ++i) {
      const float g = gradients[i] * options.gradient_scale;
      squares[i] = beta * squares[i] + (1.0f - beta) * (g * g + kLeastSquare);
      updates += double{g} * g / squares[i];
    }
    const float rate = clipped_rate(updates, tensor, options);
    float* values = parameters.values().data() + tensor.offset;
    const float kept = 1.0f - options_.learning_rate * options.rate_fraction * tensor.decay;
    for (int64_t i = 0; i < tensor.cols; ++i) {
      values[i] =
          values[i] * kept - rate * gradients[i] * options.gradient_scale / std::sqrt(squares[i]);
    }
  }

  float clipped_rate(double squares, const Tensor& tensor, const StepOptions& options) const {
    const double size = std::sqrt(squares / static_cast<double>(tensor.rows * tensor.cols));
    const double shrink = std::max(1.0, size / double{options_.adafactor_clip});
    return static_cast<float>(options_.learning_rate * options.rate_fraction / shrink);
  }

  OptimizerOptions options_;
  std::vector<Tensor> tensors_;
  std::vector<float> state_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adafactor(const ParameterSet& parameters,
                                          const OptimizerOptions& options) {
  return std::make_unique<Adafactor>(parameters, options);
}

size_t adafactor_bytes(const ParameterSet& parameters) {
  int64_t count = 0;
  for (const ParameterInfo& info : parameters.infos()) {
    if (info.trains) count += info.rows > 1 ? info.rows + info.cols : info.cols;
  }
  return static_cast<size_t>(count) * sizeof(float);
}

}  // namespace minim::train
