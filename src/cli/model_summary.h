// What a model is, in the few words and numbers that tables have room for.
#pragma once

#include <cstdint>
#include <string>

#include "formats/model_file.h"

namespace minim::cli {

struct ModelSummary {
  std::string architecture;    // "llama"; "unknown" where the file does not say
  std::string type;            // of most of its bytes: "q4_0"
  uint64_t parameters = 0;     // values of all tensors
  uint64_t bytes = 0;          // of all tensors
  int64_t context_tokens = 0;  // 0: the file does not say
  bool has_chat_template = false;

  double bits_per_weight() const;
  // "llama 135M q4_0"
  std::string class_name() const;
};

// Of any file that opens, also of one that cannot be run.
ModelSummary summarize(const ModelFile& file);

}  // namespace minim::cli
