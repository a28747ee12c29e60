// What a model will take of this machine's memory, the program around it included.
#pragma once

#include <cstdint>

#include "base/machine.h"
#include "model/memory.h"

namespace minim::cli {

struct ModelMemory {
  MemoryEstimate estimate;
  uint64_t cache_bytes = 0;    // of a full context
  uint64_t program_bytes = 0;  // code, file headers, threads, and what pages round up
  uint64_t total_bytes = 0;
  bool fits = false;  // also where the machine does not tell its memory
};

// Call it when forecast_speed() has run: what the program itself takes is then as it is with a
// model at work.
ModelMemory examine_memory(const MemoryEstimate& estimate, int64_t context_tokens,
                           const Machine& machine);

}  // namespace minim::cli
