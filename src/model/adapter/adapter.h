// Low-rank adapters over a loaded model: applied beside its weights, which stay as they are, so
// that sequences with different adapters share one model and one batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/context.h"
#include "formats/adapter/adapter_file.h"
#include "model/adapter/adapter_scratch.h"
#include "model/model.h"
#include "tensor/matrix_view.h"
#include "tensor/weight_matrix.h"

namespace minim {

// The change of one matrix; see AdapterPart.
struct LowRank {
  WeightMatrix a;  // [rank, cols]
  WeightMatrix b;  // [rows, rank]
  float scale = 1.0f;
  std::vector<float> gain;  // [rows]: of DoRA, magnitude / |row of W + scale * B A|; or empty
};

// Immutable, shared by any number of sequences of its model.
class Adapter {
 public:
  // Reads every part and checks it against the matrices of `model`. Throws kInvalidArgument for an
  // adapter that was made for another model, saying for which; what opening its file throws.
  // Magnitudes (DoRA) read every matrix that they belong to once.
  static std::shared_ptr<const Adapter> load(const Context& context,
                                             std::shared_ptr<const Model> model,
                                             const AdapterFile& file);
  // The same from a file or folder: open_adapter_file().
  static std::shared_ptr<const Adapter> load(const Context& context,
                                             std::shared_ptr<const Model> model, const Path& path);

  const Model& model() const { return *model_; }
  const Path& path() const { return path_; }
  // The same for every copy of it.
  uint64_t fingerprint() const { return fingerprint_; }
  size_t bytes() const { return bytes_; }
  size_t part_count() const { return parts_.size(); }
  // The largest of its parts.
  int64_t rank_max() const { return rank_max_; }
  // Null where it leaves `weights` as they are. REQUIRES: they are the model's.
  const LowRank* find(const WeightMatrix& weights) const;

 private:
  Adapter() = default;
  void add_part(const Context& context, const AdapterFile& file, const AdapterPart& part,
                WeightMemory& memory);

  std::shared_ptr<const Model> model_;
  Path path_;
  std::unordered_map<const std::byte*, LowRank> parts_;  // by WeightMatrix::data()
  uint64_t fingerprint_ = 0;
  size_t bytes_ = 0;
  int64_t rank_max_ = 0;
};

// Some adapters, each with a weight that multiplies its change: what a sequence computes with.
class AdapterSet {
 public:
  struct Use {
    std::shared_ptr<const Adapter> adapter;
    float weight = 1.0f;
  };

  // Throws kInvalidArgument where two are of different models, or a weight is not finite.
  explicit AdapterSet(std::vector<Use> uses);

  const Model& model() const { return uses_.front().adapter->model(); }
  std::span<const Use> uses() const { return uses_; }
  // Tells what was computed with these from what was computed with others, or with none: never 0.
  uint64_t fingerprint() const { return fingerprint_; }

  // Adds to `to`, which holds x times the transpose of `weights`, what the adapters change of it.
  // x: [rows, cols of weights]; to: [rows, rows of weights].
  void apply(const Context& context, const WeightMatrix& weights, ConstMatrixView x, MatrixView to,
             AdapterScratch& scratch) const;

 private:
  std::vector<Use> uses_;
  uint64_t fingerprint_ = 0;
};

}  // namespace minim
