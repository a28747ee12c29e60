// Muon: matrices move along their momentum made orthogonal, by five iterations of Newton and Schulz
// (Jordan et al., 2024).
#include <algorithm>
#include <cmath>

#include "kernels/kernel_table.h"
#include "train/optim/adamw.h"
#include "train/optim/make_optimizers.h"

namespace minim::train {
namespace {

constexpr int64_t kValuesPerTask = 1 << 16;
// Of the polynomial a x + b x^3 + c x^5, which draws singular values towards 1.
constexpr float kA = 3.4445f;
constexpr float kB = -4.7750f;
constexpr float kC = 2.0315f;

// body(begin, end) over ranges that are the same for any number of threads.
template <typename Body>
void for_each_chunk(const Context& context, int64_t count, Body&& body) {
  const int64_t chunks = (count + kValuesPerTask - 1) / kValuesPerTask;
  context.threads.run(chunks, [&](int64_t chunk) {
    body(chunk, chunk * kValuesPerTask, std::min(count, (chunk + 1) * kValuesPerTask));
  });
}

double sum_of_squares(const Context& context, const float* values, int64_t count) {
  const int64_t chunks = (count + kValuesPerTask - 1) / kValuesPerTask;
  std::vector<double> sums(static_cast<size_t>(chunks));
  for_each_chunk(context, count, [&](int64_t chunk, int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) sum += double{values[i]} * values[i];
    sums[static_cast<size_t>(chunk)] = sum;
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

class Muon final : public Optimizer {
 public:
  Muon(const ParameterSet& parameters, const OptimizerOptions& options)
      : options_(options), rest_(parameters, options, [](const ParameterInfo& info) {
          return !is_muon_matrix(info);
        }) {
    int64_t count = 0;
    int64_t largest = 0;
    int64_t smaller_side = 0;
    for (const ParameterInfo& info : parameters.infos()) {
      if (!info.trains || !is_muon_matrix(info)) continue;
      const int64_t rows = info.rows / info.expert_count();
      for (int64_t expert = 0; expert < info.expert_count(); ++expert) {
        matrices_.push_back({info.offset + expert * rows * info.cols, rows, info.cols, count});
        count += rows * info.cols;
      }
      largest = std::max(largest, rows * info.cols);
      smaller_side = std::max(smaller_side, std::min(rows, info.cols));
    }
    momentum_.resize(static_cast<size_t>(count));
    for (auto& matrix : {&x_, &next_}) matrix->resize(static_cast<size_t>(largest));
    for (auto& square : {&gram_, &polynomial_}) {
      square->resize(static_cast<size_t>(smaller_side * smaller_side));
    }
  }

  void step(const Context& context, ParameterSet& parameters, const StepOptions& options) override {
    for (const Matrix& matrix : matrices_) update(context, parameters, matrix, options);
    rest_.step(context, parameters, options);
  }

  std::vector<StatePart> state() override {
    std::vector<StatePart> parts = rest_.state();
    parts.push_back({"muon.momentum", momentum_});
    return parts;
  }

 private:
  struct Matrix {
    int64_t offset;
    int64_t rows;
    int64_t cols;
    int64_t state;

    int64_t count() const { return rows * cols; }
  };

  void update(const Context& context, ParameterSet& parameters, const Matrix& matrix,
              const StepOptions& options) {
    const float* gradient = parameters.gradients().data() + matrix.offset;
    float* momentum = momentum_.data() + matrix.state;
    const float beta = options_.muon_momentum;
    for_each_chunk(context, matrix.count(), [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float g = gradient[i] * options.gradient_scale;
        momentum[i] = beta * momentum[i] + (1.0f - beta) * g;
        x_[static_cast<size_t>(i)] = beta * momentum[i] + (1.0f - beta) * g;  // Nesterov's
      }
    });
    orthogonalize(context, matrix, options.precision);
    const float rate = options_.muon_learning_rate * options.rate_fraction;
    const float kept = 1.0f - rate * options_.weight_decay;
    const float tall = static_cast<float>(matrix.rows) / static_cast<float>(matrix.cols);
    const float size = rate * std::sqrt(std::max(1.0f, tall));
    float* values = parameters.values().data() + matrix.offset;
    for_each_chunk(context, matrix.count(), [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        values[i] = values[i] * kept - size * x_[static_cast<size_t>(i)];
      }
    });
  }

  // x_ becomes nearly orthogonal. The squares are of its smaller side, whichever that is.
  void orthogonalize(const Context& context, const Matrix& matrix, GemmPrecision precision) {
    const bool wide = matrix.rows <= matrix.cols;
    const int64_t side = std::min(matrix.rows, matrix.cols);
    const MatrixView gram{gram_.data(), side, side, side};
    const MatrixView polynomial{polynomial_.data(), side, side, side};
    const double norm = std::sqrt(sum_of_squares(context, x_.data(), matrix.count()));
    scale(context, static_cast<float>(1.0 / (norm + 1e-7)), x_, matrix.count());
    for (int i = 0; i < options_.muon_iterations; ++i) {
      const MatrixView x{x_.data(), matrix.rows, matrix.cols, matrix.cols};
      const MatrixView next{next_.data(), matrix.rows, matrix.cols, matrix.cols};
      gemm(context, x, x, gram,
           {.transpose_a = !wide, .transpose_b = wide, .precision = precision});
      gemm(context, gram, gram, polynomial, {.precision = precision});
      mix(context, kC, polynomial_, kB, gram_, side * side);
      if (wide) {
        gemm(context, polynomial, x, next, {.precision = precision});
      } else {
        gemm(context, x, polynomial, next, {.precision = precision});
      }
      mix(context, 1.0f, next_, kA, x_, matrix.count());
      std::swap(x_, next_);
    }
  }

  static void scale(const Context& context, float factor, std::vector<float>& x, int64_t count) {
    for_each_chunk(context, count, [&](int64_t, int64_t begin, int64_t end) {
      context.kernels.scale(factor, x.data() + begin, end - begin);
    });
  }

  // to = factor * to + share * other
  static void mix(const Context& context, float factor, std::vector<float>& to, float share,
                  const std::vector<float>& other, int64_t count) {
    for_each_chunk(context, count, [&](int64_t, int64_t begin, int64_t end) {
      if (factor != 1.0f) context.kernels.scale(factor, to.data() + begin, end - begin);
      context.kernels.training.add_scaled(share, other.data() + begin, to.data() + begin,
                                          end - begin);
    });
  }

  OptimizerOptions options_;
  AdamW rest_;
  std::vector<Matrix> matrices_;
  std::vector<float> momentum_;
  // Working memory of the largest matrix, not part of the state.
  std::vector<float> x_;
  std::vector<float> next_;
  std::vector<float> gram_;
  std::vector<float> polynomial_;
};

}  // namespace

std::unique_ptr<Optimizer> make_muon(const ParameterSet& parameters,
                                     const OptimizerOptions& options) {
  return std::make_unique<Muon>(parameters, options);
}

size_t muon_bytes(const ParameterSet& parameters) {
  int64_t count = 0;
  int64_t largest = 0;
  int64_t smaller_side = 0;
  for (const ParameterInfo& info : parameters.infos()) {
    if (!info.trains || !is_muon_matrix(info)) continue;
    const int64_t rows = info.rows / info.expert_count();
    count += info.count();
    largest = std::max(largest, rows * info.cols);
    smaller_side = std::max(smaller_side, std::min(rows, info.cols));
  }
  const int64_t values = count + 2 * largest + 2 * smaller_side * smaller_side;
  return static_cast<size_t>(values) * sizeof(float) +
         AdamW::bytes(parameters, [](const ParameterInfo& info) { return !is_muon_matrix(info); });
}

}  // namespace minim::train
