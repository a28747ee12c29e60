// Everything that the next step depends on, on disk: docs/formats/checkpoint.md. A checkpoint is
// written beside the others and takes its place whole or not at all; the last two are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/file.h"

namespace minim::train {

// Named pieces of memory: to be written, or to be read into.
struct CheckpointPart {
  std::string name;
  std::span<std::byte> bytes;
};

template <typename T>
CheckpointPart checkpoint_part(std::string name, std::span<T> values) {
  return {std::move(name), std::as_writable_bytes(values)};
}
template <typename T>
CheckpointPart checkpoint_part(std::string name, T& value) {
  return checkpoint_part(std::move(name), std::span<T>(&value, 1));
}

// The checkpoints in a folder.
class CheckpointFolder {
 public:
  // `fingerprint`: of whatever has to be the same for a checkpoint to fit, the shapes of the model
  // and the settings of the run.
  CheckpointFolder(Path folder, uint64_t fingerprint)
      : folder_(std::move(folder)), fingerprint_(fingerprint) {}

  // Writes the checkpoint after `step` steps and then removes all but the last two. Throws kIo; the
  // checkpoints there were before are then still there.
  void save(int64_t step, std::span<const CheckpointPart> parts) const;

  // Reads the newest checkpoint that is whole into `parts` and returns its step, or nothing where
  // there is none. A damaged one is passed over with a warning. Throws kFormat for one of another
  // run, naming what differs; `parts` may then be partly overwritten.
  std::optional<int64_t> load(const Context& context, std::span<const CheckpointPart> parts) const;

  // The steps of the checkpoints there, the newest first.
  std::vector<int64_t> steps() const;
  Path path_of(int64_t step) const;

 private:
  Path folder_;
  uint64_t fingerprint_;
};

}  // namespace minim::train
