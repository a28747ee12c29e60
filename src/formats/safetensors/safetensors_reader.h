// safetensors files, read by mapping them. The layout is in docs/formats/safetensors.md.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "formats/model_file.h"
#include "formats/safetensors/safetensors_header.h"

namespace minim {

// A file whose first 8 bytes are a plausible header length and are followed by '{'.
bool is_safetensors(std::span<const std::byte> bytes);

class SafetensorsFile {
 public:
  // Throws as parse_safetensors_header() does; kLimit for headers over 100 MB.
  static std::shared_ptr<const SafetensorsFile> open(const Path& path);
  // The same from bytes in memory. `owner` keeps them alive.
  static std::shared_ptr<const SafetensorsFile> read(const Path& path,
                                                     std::span<const std::byte> bytes,
                                                     std::shared_ptr<const void> owner);

  const Path& path() const { return path_; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const std::vector<SafetensorsTensor>& tensors() const { return header_.tensors; }
  // In place where the file aligns the tensor for its type, as a copy where it does not.
  TensorBytes load(const SafetensorsTensor& tensor) const;

 private:
  SafetensorsFile() = default;

  Path path_;
  SafetensorsHeader header_;
  std::span<const std::byte> data_;
  std::shared_ptr<const void> owner_;
};

// A tensor of one of several files.
struct SafetensorsSource {
  std::shared_ptr<const SafetensorsFile> file;
  const SafetensorsTensor* tensor = nullptr;

  TensorBytes load() const { return file->load(*tensor); }
};
using SafetensorsSources = std::unordered_map<std::string, SafetensorsSource>;

// All tensors of a file.
SafetensorsSources list_tensors(const std::shared_ptr<const SafetensorsFile>& file);

// All tensors of the shards that `model.safetensors.index.json` lists. Every shard lies in the same
// folder as the index; each tensor must be where the index says, and nowhere else.
SafetensorsSources open_safetensors_index(const Path& index);

// `folder / name` for a name that a file gave: kFormat where the name is a path, or leads out of
// the folder through a symbolic link. Links inside a Hugging Face cache entry
// (snapshots/REVISION/... to blobs/...) stay inside it and are followed.
Path resolve_inside(const Path& folder, std::string_view name);

}  // namespace minim
