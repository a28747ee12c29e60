// What `minim tune` found to be the fastest on a processor, kept in one file for all programs of a
// user. The file is JSON: {"KEY": {"generation_threads": 4, "prompt_threads": 8, "batch_tokens":
// 256}}, KEY of tuning_key().
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/cpu.h"
#include "base/file.h"
#include "base/thread_pool.h"

namespace minim {

struct Tuning {
  int generation_threads = 0;  // 0: all there are
  int prompt_threads = 0;
  int64_t batch_tokens = 0;  // of a prompt, computed at once; 0: as if nothing was tuned

  bool operator==(const Tuning&) const = default;
};

// $MINIM_TUNING, where it is set, though it be empty; else minim/tuning.json in $XDG_CACHE_HOME, by
// default in ~/.cache. Empty: none.
Path tuning_path();

// "Intel(R) Xeon(R) ..., 8 processors, avx512_vnni"
std::string tuning_key(InstructionSet set);

// What `file` says of `key`; nothing where there is no file, or it says nothing. Throws kFormat and
// kIo, with what to do.
std::optional<Tuning> read_tuning(const Path& file, const std::string& key);
// Puts it beside what the file says of other keys; makes its folder. Throws likewise.
void write_tuning(const Path& file, const std::string& key, const Tuning& tuning);

// The threads of a pool that has one for each processor.
void apply_tuning(const Tuning& tuning, ThreadPool& threads);

}  // namespace minim
