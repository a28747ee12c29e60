// A seeded llama model of a few thousand weights on disk, for tests of what uses models.
#pragma once

#include <memory>

#include "base/context.h"
#include "formats/model_file.h"
#include "formats/vocabulary.h"
#include "model/model.h"
#include "model/random_model.h"
#include "text/tokenizer.h"

namespace minim::testing {

// Two layers, 64 wide, feed-forward 96, vocabulary 400, context 128, untied.
inline ModelConfig tiny_file_config() {
  ModelConfig config;
  config.architecture = "llama";
  config.name = "tiny";
  config.layer_count = 2;
  config.dim = 64;
  config.head_count = 4;
  config.kv_head_count = 2;
  config.head_dim = 16;
  config.ffn_dim = 96;
  config.vocabulary_size = 400;
  config.context_length = 128;
  config.rope.dimension_count = 16;
  config.rope.original_context_length = 128;
  config.attention_scale = 0.25f;
  return config;
}

struct TinyModel {
  std::shared_ptr<const ModelFile> file;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
};

inline TinyModel open_tiny_model(const Context& context, const Path& path) {
  TinyModel tiny;
  tiny.file = open_model_file(path);
  tiny.model = Model::load(context, tiny.file);
  tiny.tokenizer = Tokenizer::make(read_vocabulary(tiny.file->metadata()));
  return tiny;
}

// Writes it to `path` and opens it.
inline TinyModel make_tiny_model(const Context& context, const Path& path,
                                 DataType type = DataType::kF32) {
  write_random_model(context, tiny_file_config(), path, {.type = type, .seed = 7});
  return open_tiny_model(context, path);
}

}  // namespace minim::testing
