#include "bench/speed/workload.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"

namespace minim::bench {
namespace {

constexpr int64_t kPromptTokens = 512;
constexpr int64_t kGeneratedTokens = 128;
constexpr int64_t kTokensAtDepth = 32;
constexpr int64_t kTokensOfSequences = 64;  // read, and as many generated

Workload generation_at(int64_t depth, DataType cache_type) {
  const char* type = data_type_info(cache_type).name;
  Workload work = {.kind = WorkKind::kGeneration,
                   .generated_tokens = kTokensAtDepth,
                   .depth = depth,
                   .cache_type = cache_type};
  work.name = fmt::format("depth-{}", depth);
  if (cache_type != DataType::kF16) work.name += fmt::format("-{}", type);
  work.title =
      fmt::format("generation of {} tokens after {}, {} cache", work.generated_tokens, depth, type);
  return work;
}

Workload several_sequences(int64_t count) {
  return {.name = fmt::format("sequences-{}", count),
          .title = fmt::format("generation for {} sequences together, {} tokens each after {}",
                               count, kTokensOfSequences, kTokensOfSequences),
          .kind = WorkKind::kSequences,
          .generated_tokens = kTokensOfSequences,
          .depth = kTokensOfSequences,
          .sequence_count = count};
}

std::vector<Workload> all_workloads() {
  std::vector<Workload> all = {{.name = "prompt",
                                .title = fmt::format("prompt of {} tokens", kPromptTokens),
                                .kind = WorkKind::kPrompt,
                                .prompt_tokens = kPromptTokens},
                               {.name = "generation",
                                .title = fmt::format("generation of {} tokens", kGeneratedTokens),
                                .kind = WorkKind::kGeneration,
                                .generated_tokens = kGeneratedTokens}};
  for (const int64_t depth : {4096, 16384}) {
    all.push_back(generation_at(depth, DataType::kF16));
    all.push_back(generation_at(depth, DataType::kQ8_0));
  }
  for (const int64_t count : {2, 4, 8, 16}) all.push_back(several_sequences(count));
  all.push_back({.name = "memory",
                 .title = "resident memory after a prompt of 4096 tokens",
                 .kind = WorkKind::kMemory,
                 .prompt_tokens = 4096});
  all.push_back({.name = "start",
                 .title = "a whole process: start, prompt of 32 tokens, one token, end",
                 .kind = WorkKind::kStart,
                 .prompt_tokens = 32,
                 .generated_tokens = 1});
  return all;
}

}  // namespace

const char* Workload::unit() const {
  switch (kind) {
    case WorkKind::kMemory: return "MB";
    case WorkKind::kStart: return "ms";
    default: return "tokens/s";
  }
}

std::span<const Workload> workloads() {
  static const std::vector<Workload> kAll = all_workloads();
  return kAll;
}

std::vector<Workload> choose_workloads(std::span<const std::string> names) {
  std::string known;
  for (const Workload& work : workloads()) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", work.name);
  }
  const auto matches = [](const Workload& work, const std::string& name) {
    return work.name == name || work.name.rfind(name + "-", 0) == 0;
  };
  std::vector<Workload> chosen;
  for (const std::string& name : names) {
    const bool exact = std::any_of(workloads().begin(), workloads().end(),
                                   [&](const Workload& work) { return work.name == name; });
    bool found = false;
    for (const Workload& work : workloads()) {
      if (exact ? work.name != name : !matches(work, name)) continue;
      found = true;
      chosen.push_back(work);
    }
    if (!found) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("bench: there is no workload '{}'; there are {}", name, known));
    }
  }
  return chosen;
}

Workload shortened(Workload workload) {
  const auto shorten = [](int64_t& tokens, int64_t most) { tokens = std::min(tokens, most); };
  shorten(workload.prompt_tokens, 32);
  shorten(workload.generated_tokens, 4);
  shorten(workload.depth, 64);
  shorten(workload.sequence_count, 4);
  workload.title += ", shortened";
  return workload;
}

}  // namespace minim::bench
