// A vocabulary as a file of its own.
#pragma once

#include "base/file.h"
#include "text/vocabulary.h"

namespace minim {

// From tokenizer.json (by its extension), or from whatever open_model_file() reads: a GGUF file
// with or without tensors, a model's folder. Throws what those throw.
Vocabulary load_vocabulary(const Path& path);

// As tokenizer.json where the extension is .json, which holds byte-level BPE only and no chat
// template; otherwise as a GGUF file without tensors. Throws kUnsupported, kIo.
void save_vocabulary(const Vocabulary& vocabulary, const Path& path);

}  // namespace minim
