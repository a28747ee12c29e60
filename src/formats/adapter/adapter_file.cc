#include "formats/adapter/adapter_file.h"

#include <fmt/core.h>

#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "formats/adapter/adapter_formats.h"
#include "formats/byte_reader.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/safetensors/safetensors_reader.h"

namespace minim {
namespace {

std::string shown(const TensorEntry& entry) {
  return fmt::format("'{}' [{}, {}]", printable(entry.name), entry.shape[1], entry.shape[0]);
}

bool is_matrix(const TensorEntry& entry) {
  return entry.shape[0] > 0 && entry.shape[1] > 0 && entry.shape[2] == 1 && entry.shape[3] == 1;
}

void check_part(const Path& path, const AdapterPart& part) {
  const bool fits = is_matrix(part.a) && is_matrix(part.b) && part.a.shape[1] == part.b.shape[0] &&
                    (!part.magnitude || part.magnitude->value_count() == part.b.shape[1]);
  if (!fits) {
    throw Error(
        ErrorCode::kFormat,
        fmt::format("adapter '{}': {} and {} do not fit each other: A is [rank, columns], B "
                    "[rows, rank], a magnitude [rows]",
                    path.string(), shown(part.a), shown(part.b)));
  }
  for (const TensorEntry* entry : {&part.a, &part.b, part.magnitude ? &*part.magnitude : &part.a}) {
    if (data_type_info(entry->type).is_weight) continue;
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("adapter '{}': '{}' has the type {}, which is none of weights", path.string(),
                    printable(entry->name), data_type_info(entry->type).name));
  }
  if (!std::isfinite(part.scale)) {
    throw Error(ErrorCode::kFormat, fmt::format("adapter '{}': the scale of '{}' is not finite",
                                                path.string(), printable(part.target)));
  }
}

}  // namespace

void check_adapter(const AdapterFile& file) {
  if (file.parts.empty()) {
    throw Error(ErrorCode::kFormat,
                fmt::format("adapter '{}': it changes no matrix", file.path.string()));
  }
  std::unordered_set<std::string_view> targets;
  for (const AdapterPart& part : file.parts) {
    check_part(file.path, part);
    if (targets.insert(part.target).second) continue;
    throw Error(ErrorCode::kFormat, fmt::format("adapter '{}': it changes '{}' twice",
                                                file.path.string(), printable(part.target)));
  }
}

AdapterFile open_adapter_file(const Path& path, const AdapterBase& base) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_peft_adapter(path, base);
  const auto file = MappedFile::open(path);
  if (is_gguf(file->bytes())) return read_gguf_adapter(path, *read_gguf(path, file));
  if (is_safetensors(file->bytes())) return open_peft_adapter(path.parent_path(), base);
  throw Error(ErrorCode::kFormat,
              fmt::format("'{}' is no adapter: it is neither GGUF nor safetensors, nor a folder "
                          "with adapter_config.json",
                          path.string()));
}

}  // namespace minim
