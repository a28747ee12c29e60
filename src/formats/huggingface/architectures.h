// Which Hugging Face architectures can be imported. Each has a file of its own, which composes the
// pieces of hf_blocks.h and names tensors and keys as GGUF does.
#pragma once

#include <span>
#include <string_view>

#include "formats/huggingface/hf_import.h"

namespace minim {

struct HfArchitecture {
  const char* name;       // in config.json
  const char* gguf_name;  // general.architecture
  void (*run)(HfImport& import);
};

void import_llama(HfImport& import);
void import_qwen2(HfImport& import);
void import_qwen3(HfImport& import);
void import_qwen3moe(HfImport& import);
void import_gemma3(HfImport& import);
void import_phi3(HfImport& import);
void import_gpt2(HfImport& import);

std::span<const HfArchitecture> hf_architectures();

}  // namespace minim
