// From a recipe to what training needs: a model's shape, a tokenizer, rows of tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/progress.h"
#include "model/config.h"
#include "text/bpe_trainer.h"
#include "text/tokenizer.h"
#include "train/data/mixture.h"
#include "train/data/token_source.h"
#include "train/recipe/recipe.h"

namespace minim::train {

// The options that a recipe's section stands for.
SourceOptions source_options(const Recipe& recipe, size_t index);
BpeTrainerOptions tokenizer_options(const Recipe& recipe);

// The model's shape, its vocabulary `vocabulary_size` tokens. Throws kInvalidArgument, naming the
// line, for a shape that is none, and for a model.from whose table is smaller than the vocabulary.
ModelConfig model_config(const Recipe& recipe, int32_t vocabulary_size);

struct PrepareOptions {
  ProgressSink progress;
  // Told what is worth knowing: documents left out, a vocabulary smaller than asked for.
  std::function<void(const std::string&)> warn;
};

// The tokenizer of a recipe: loaded, or learned once and kept in the cache. Throws what its parts
// throw.
std::shared_ptr<const Tokenizer> prepare_tokenizer(const Context& context, const Recipe& recipe,
                                                   const PrepareOptions& options);

// Throws kInvalidArgument, naming the line, where a teacher's tokens are not the student's, so that
// its predictions would be about other texts.
void check_teacher(const Recipe& recipe, const Vocabulary& student);

struct PreparedData {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<std::shared_ptr<const TokenSource>> sources;
  std::vector<std::shared_ptr<const PackedRows>> training_parts;
  std::shared_ptr<const Mixture> training;
  std::shared_ptr<const HeldOutRows> held_out;
};

PreparedData prepare_data(const Context& context, const Recipe& recipe,
                          const PrepareOptions& options);

// How many steps the recipe asks for: steps, tokens, or the epochs of its sources. Throws
// kInvalidArgument where a source would be read more often than it may.
int64_t step_count(const Recipe& recipe, const Mixture& mixture);

}  // namespace minim::train
