// Models as Hugging Face's libraries save them: a folder of config.json, tokenizer files and
// safetensors, reduced to GGUF's metadata and tensors. docs/formats/safetensors.md lists what is
// read.
#pragma once

#include <memory>

#include "formats/model_file.h"

namespace minim {

// `path` is the folder, or one .safetensors file with the other files beside it. A model without
// tokenizer.json and tokenizer.model has "none" as its tokenizer.ggml.model.
// Throws kNotFound for files that are missing, kFormat, kUnsupported naming the architecture,
// setting, component or tensor that minim does not know, kLimit.
std::shared_ptr<const ModelFile> open_huggingface(const Path& path);

}  // namespace minim
