// Checkpoints of llama2.c (https://github.com/karpathy/llama2.c): versions 0, 1 and 2 with their
// tokenizer file. The layouts are in docs/formats/llama2c.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "formats/model_file.h"
#include "text/vocabulary.h"

namespace minim {

// A file with the magic of versions 1 and 2, or one whose first seven numbers can be those of a
// version 0 header. The latter says little, so other formats come first.
bool is_llama2c(std::span<const std::byte> bytes);

// `tokenizer` is the tokenizer file, or empty: then "tok<vocabulary>.bin" or "tokenizer.bin" in the
// folder of `path`. Throws kFormat where the file is not exactly as long as its header says,
// kUnsupported for versions above 2, kNotFound where there is no tokenizer.
std::shared_ptr<const ModelFile> open_llama2c(const Path& path, const Path& tokenizer = {});

// The same from bytes in memory, aligned to at least 4, with a vocabulary read already. `owner`
// keeps the bytes alive.
std::shared_ptr<const ModelFile> read_llama2c(const Path& path, std::span<const std::byte> bytes,
                                              std::shared_ptr<const void> owner,
                                              const Vocabulary& vocabulary);

// The number of tokens that a checkpoint's header states.
int64_t llama2c_vocabulary_size(std::span<const std::byte> bytes);

// The tokenizer file of a model with `count` tokens: <unk>, <s>, </s>, all bytes, then pieces.
Vocabulary read_llama2c_tokenizer(std::span<const std::byte> bytes, int64_t count);

}  // namespace minim
