// The formats of adapters, and what they share.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "formats/adapter/adapter_file.h"
#include "formats/safetensors/safetensors_reader.h"

namespace minim {

// Shapes that fit each other, floating-point or quantised types, no matrix changed twice. Throws
// kFormat, naming the file and the tensor.
void check_adapter(const AdapterFile& file);

AdapterFile read_gguf_adapter(const Path& path, const ModelFile& file);
// Throws kUnsupported where the parts' scales are not one alpha over their ranks: GGUF has one.
void save_gguf_adapter(const Path& target, const AdapterFile& adapter);
// `folder` holds adapter_config.json and adapter_model.safetensors.
AdapterFile open_peft_adapter(const Path& folder, const AdapterBase& base);
// The same from the text of the one and the tensors of the other.
AdapterFile read_peft_adapter(const Path& folder, std::string_view config,
                              const SafetensorsSources& tensors, const AdapterBase& base);

}  // namespace minim
