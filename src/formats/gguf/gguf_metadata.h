// The metadata part of a GGUF file: typed keys and values, read and written.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/file.h"
#include "formats/byte_reader.h"
#include "formats/metadata.h"

namespace minim {

// Throws kFormat where `name` holds control characters or is not UTF-8: it would corrupt whatever
// prints it. `what` is "key" or "tensor name".
void check_gguf_name(std::string_view name, const char* what);

// Reads `count` keys with their values. What they take in memory is charged to `budget`.
Metadata read_gguf_metadata(ByteReader& reader, uint64_t count, MemoryBudget& budget);

// Writes all keys and values. Throws kInvalidArgument for a key that GGUF cannot hold, or a value
// that does not fit the type it is marked with.
void write_gguf_metadata(const Metadata& metadata, FileWriter& writer);

}  // namespace minim
