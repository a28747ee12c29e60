// GGUF versions 2 and 3, read by mapping the file. The layout is in docs/formats/gguf.md.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "formats/model_file.h"

namespace minim {

inline constexpr char kGgufMagic[4] = {'G', 'G', 'U', 'F'};
inline constexpr uint32_t kGgufVersion = 3;
inline constexpr uint64_t kGgufAlignmentDefault = 32;
inline constexpr uint64_t kGgufAlignmentMin = 8;
inline constexpr uint64_t kGgufAlignmentMax = 65536;
inline constexpr uint64_t kGgufKeyBytesMax = 65535;
inline constexpr uint64_t kGgufTensorNameBytesMax = 64;
inline constexpr int kGgufArrayDepthMax = 8;

bool is_gguf(std::span<const std::byte> bytes);

// Throws kFormat for anything that breaks the format, kUnsupported for versions, byte orders and
// tensor types that minim does not read, kLimit where the header would unfold to much more memory
// than it takes in the file.
std::shared_ptr<const ModelFile> open_gguf(const Path& path);

std::shared_ptr<const ModelFile> read_gguf(const Path& path,
                                           std::shared_ptr<const MappedFile> file);

// The same from bytes in memory, aligned to at least 8. `owner` keeps them alive; `mapping` is the
// file that they are mapped from, if they are.
std::shared_ptr<const ModelFile> read_gguf(const Path& path, std::span<const std::byte> bytes,
                                           std::shared_ptr<const void> owner,
                                           const MappedFile* mapping = nullptr);

}  // namespace minim
