// What it costs to go on past the context: a text is read in one go by a session that shifts, and
// by one that reads again what stays, and both predict the same tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/context.h"
#include "base/progress.h"
#include "eval/losses.h"
#include "model/model.h"
#include "runtime/overflow.h"
#include "text/tokenizer.h"

namespace minim {

struct StreamingOptions {
  int64_t context_tokens = 512;
  DataType kv_type = DataType::kF16;
  ShiftOptions shift;  // REQUIRES: not `reread`
};

struct StreamingResult {
  double shifted_perplexity = 0;  // keys turned to their new places
  double reread_perplexity = 0;   // what stays read again from scratch
  // Mean of ln p(token) read again - ln p(token) shifted: ln of the ratio of the perplexities.
  Estimate log_ratio;
  int64_t token_count = 0;  // that were scored: those after the first shift
  int64_t shift_count = 0;
};

// Throws kInvalidArgument for a text that is no longer than the context, and what Session throws.
StreamingResult measure_streaming(const Context& context, std::shared_ptr<const Model> model,
                                  std::span<const TokenId> tokens, const StreamingOptions& options,
                                  const ProgressSink& progress = {});

}  // namespace minim
