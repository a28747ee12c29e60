#include "formats/builtin/builtin_models.h"

#include <fmt/core.h>

#include <string>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/gguf/gguf_reader.h"

// The file as it is, at the beginning of a page: nothing of it is copied or read before it is used.
#ifdef MINIM_BUILTIN_NANO
__asm__(
    ".pushsection .rodata.minim_builtin, \"a\"\n"
    ".balign 4096\n"
    "minim_builtin_nano:\n"
    ".incbin \"" MINIM_BUILTIN_NANO
    "\"\n"
    "minim_builtin_nano_end:\n"
    ".byte 0\n"
    ".popsection\n");
extern "C" __attribute__((visibility("hidden"))) const std::byte minim_builtin_nano[];
extern "C" __attribute__((visibility("hidden"))) const std::byte minim_builtin_nano_end[];
#endif

namespace minim {
namespace {

constexpr std::string_view kPrefix = "builtin:";

}  // namespace

std::span<const BuiltinModel> builtin_models() {
#ifdef MINIM_BUILTIN_NANO
  static const BuiltinModel models[] = {
      {"nano",
       {minim_builtin_nano, static_cast<size_t>(minim_builtin_nano_end - minim_builtin_nano)}}};
  return models;
#else
  return {};
#endif
}

bool is_builtin_path(const Path& path) { return path.native().starts_with(kPrefix); }

Path builtin_path(const BuiltinModel& model) {
  return std::string(kPrefix) + std::string(model.name);
}

const BuiltinModel* find_builtin(const Path& path) {
  for (const BuiltinModel& model : builtin_models()) {
    if (builtin_path(model) == path) return &model;
  }
  return nullptr;
}

std::shared_ptr<const ModelFile> open_builtin(const Path& path) {
  if (const BuiltinModel* model = find_builtin(path)) {
    return read_gguf(path, model->bytes, nullptr);
  }
  std::string names;
  for (const BuiltinModel& model : builtin_models()) {
    names += (names.empty() ? "" : ", ") + builtin_path(model).string();
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("'{}': no such model is built in; there is {}", printable(path.string()),
                          names.empty() ? "none" : names));
}

}  // namespace minim
