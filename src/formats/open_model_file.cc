// Tells model files apart by their content.
#include <fmt/core.h>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/model_file.h"

namespace minim {

std::shared_ptr<const ModelFile> open_model_file(const Path& path,
                                                 const OpenModelOptions& /*options*/) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  if (is_gguf(bytes)) return read_gguf(path, bytes, file);
  const auto start = bytes.first(std::min<size_t>(bytes.size(), 8));
  throw Error(
      ErrorCode::kFormat,
      fmt::format("'{}' is not a model file: it starts with '{}', expected 'GGUF'", path.string(),
                  printable({reinterpret_cast<const char*>(start.data()), start.size()})));
}

}  // namespace minim
