// What is measured: reading a prompt, generating alone, deep in a context or for several sequences,
// memory, and the way from the start of the process to the first token.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/data_type.h"

namespace minim::bench {

enum class WorkKind { kPrompt, kGeneration, kSequences, kMemory, kStart };

struct Workload {
  std::string name;   // as --workloads takes it: "depth-4096-q8_0"
  std::string title;  // "generation of 32 tokens after 4096, q8_0 cache"
  WorkKind kind = WorkKind::kPrompt;
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;  // of each sequence
  int64_t depth = 0;             // tokens in the cache before the first generated one
  int64_t sequence_count = 1;
  DataType cache_type = DataType::kF16;

  bool is_rate() const { return kind != WorkKind::kMemory && kind != WorkKind::kStart; }
  // More is better for rates; memory and time are better where they are less.
  const char* unit() const;
};

std::span<const Workload> workloads();

// The workloads whose names are in `names`, or begin with one of them: "depth" is all of depth-*.
// Throws kInvalidArgument, listing the names, for one that is neither.
std::vector<Workload> choose_workloads(std::span<const std::string> names);

// The same work with few tokens, for tests.
Workload shortened(Workload workload);

}  // namespace minim::bench
