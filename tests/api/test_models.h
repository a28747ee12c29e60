// Models for tests of the public API, on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace minim_test {

// A llama of a few thousand random weights, vocabulary 400, context 512, with a chat template that
// reads as ChatML and writes tool calls. Made once for a process, removed at its end.
std::string chat_model();
// The same as Q8_0, without a template.
std::string plain_model();

// A random adapter for chat_model(), of rank 3, as GGUF; another one for each seed.
std::string chat_adapter(uint64_t seed);

// A fresh path in the folder of the process.
std::string scratch_path(const std::string& name);

void write_chat_model(const std::filesystem::path& path, int64_t context_tokens = 512);

}  // namespace minim_test
