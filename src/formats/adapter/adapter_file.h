// A low-rank adapter on disk, whatever its format: for each matrix that it changes, two small ones.
// GGUF as llama.cpp's converter writes it, and the folders of PEFT.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "formats/model_file.h"

namespace minim {

// y = W x becomes y + scale * B (A x) (LoRA, Hu et al., 2021); with a magnitude m, each row of
// W + scale * B A is first brought to the length that m says (DoRA, Liu et al., 2024).
struct AdapterPart {
  std::string target;                    // the matrix W, under GGUF's name: "blk.0.attn_q.weight"
  TensorEntry a;                         // [rank, cols of W]
  TensorEntry b;                         // [rows of W, rank]
  std::optional<TensorEntry> magnitude;  // [rows of W]
  float scale = 1.0f;
};

struct AdapterFile {
  Path path;
  std::string base;          // the name of the model that it was made for, as the file has it
  std::string architecture;  // of that model; empty where the file does not say
  std::optional<uint64_t> base_fingerprint;  // Model::fingerprint() of it, where it is known
  std::vector<AdapterPart> parts;
};

// What PEFT leaves to the model: how it names modules, and which heads are rotated in halves.
struct AdapterBase {
  std::string architecture;  // GGUF's name
  int64_t head_count = 0;
  int64_t kv_head_count = 0;
};

// Opens a GGUF file, a PEFT folder, or its adapter_model.safetensors, told apart by content.
// Throws kNotFound, kIo; kFormat for files that contradict themselves; kUnsupported for a kind of
// adapter, or a part of one, that is none of these, naming it.
AdapterFile open_adapter_file(const Path& path, const AdapterBase& base);

}  // namespace minim
