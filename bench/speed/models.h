// The models that are measured, and the work that one of their tokens is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "kernels/data_type.h"

namespace minim::bench {

// What most of a model's products are, where there are many of them.
enum class Products {
  kBytes,     // quantised weights: activations are rounded
  kBfloat16,  // weights of 16 bits
  kFloats,
};

struct BenchModel {
  std::string name;  // "135M"
  std::string type;  // "q4_0"; of a given file: that of most of its bytes
  Path path;
  bool random = true;  // made here, not trained
  Products products = Products::kFloats;
  uint64_t parameter_count = 0;  // embeddings included

  // For one generated token: every matrix but an embedding table that is no head as well.
  double weight_bytes = 0;
  double weight_count = 0;
  double head_count = 0;  // of these, weights of the head, which a prompt needs only once
  // Values of keys and values that a token leaves in the cache, all layers together.
  double cache_values = 0;

  // Bytes of weights and cache that one token of one sequence must read, where `rows` tokens share
  // a pass over the weights and each sees `seen` tokens.
  double token_bytes(double rows, double seen, DataType cache_type) const;
};

struct ModelOptions {
  std::string minim;  // the program that makes them
  Path folder;
  int threads = 1;
  double seconds_max = 900;
};

// The names that bench_model() takes: "15M", "135M", "1.2B", "3.8B".
std::span<const char* const> model_names();

// A model with random weights, made by `minim init` where the folder has not got it. Throws
// kInvalidArgument for an unknown name, kIo with the program's message where it fails.
BenchModel random_model(const std::string& name, const std::string& type,
                        const ModelOptions& options);

// A model in a file of the user's. Throws what open_model_file() and read_model_config() throw.
BenchModel given_model(const Path& path);

}  // namespace minim::bench
