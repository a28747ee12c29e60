#include "cli/model_memory.h"

#include "base/process_memory.h"

namespace minim::cli {
namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;

// Weights and caches lie on huge pages where the system has them.
uint64_t rounding(uint64_t bytes, const Machine& machine) {
  if (machine.huge_pages != "always" && machine.huge_pages != "madvise") return 0;
  return (kHugePage - bytes % kHugePage) % kHugePage;
}

}  // namespace

ModelMemory examine_memory(const MemoryEstimate& estimate, int64_t context_tokens,
                           const Machine& machine) {
  ModelMemory memory = {.estimate = estimate};
  memory.cache_bytes = estimate.kv_bytes_per_token * static_cast<uint64_t>(context_tokens);
  reset_peak_resident();  // gives back what is free
  memory.program_bytes = resident_bytes().value_or(0) + rounding(estimate.weight_bytes, machine) +
                         rounding(memory.cache_bytes, machine);
  memory.total_bytes =
      memory.program_bytes + estimate.weight_bytes + memory.cache_bytes + estimate.activation_bytes;
  memory.fits = machine.memory_bytes == 0 || memory.total_bytes <= machine.available_bytes;
  return memory;
}

}  // namespace minim::cli
