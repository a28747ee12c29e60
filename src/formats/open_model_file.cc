// Tells model files apart by their content.
#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "formats/builtin/builtin_models.h"
#include "formats/byte_reader.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/huggingface/hf_model.h"
#include "formats/llama2c/llama2c_reader.h"
#include "formats/model_file.h"
#include "formats/safetensors/safetensors_reader.h"

namespace minim {
namespace {

constexpr size_t kShownBytes = 8;

[[noreturn]] void refuse(const Path& path, std::span<const std::byte> bytes) {
  const auto start = bytes.first(std::min(bytes.size(), kShownBytes));
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  throw Error(
      ErrorCode::kFormat,
      fmt::format("'{}' is not a model file: it starts with '{}', expected 'GGUF' (GGUF), a "
                  "length and '{{' (safetensors) or the header of a llama2.c checkpoint",
                  path.string(), printable(text)));
}

}  // namespace

std::shared_ptr<const ModelFile> open_model_file(const Path& path,
                                                 const OpenModelOptions& options) {
  if (is_builtin_path(path)) return open_builtin(path);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_huggingface(path);
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  if (is_gguf(bytes)) return read_gguf(path, file);
  if (is_safetensors(bytes)) return open_huggingface(path);
  if (is_llama2c(bytes)) return open_llama2c(path, options.tokenizer);
  if (bytes.empty()) {
    throw Error(ErrorCode::kFormat, fmt::format("'{}' is empty", path.string()));
  }
  refuse(path, bytes);
}

}  // namespace minim
