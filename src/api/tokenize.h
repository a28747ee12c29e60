// Flags of the ABI as the tokenizer's options.
#pragma once

#include <cstdint>

#include "minim/minim.h"
#include "text/tokenizer.h"

namespace minim::api {

// Throws kInvalidArgument for flags that are not known.
EncodeOptions encode_options(uint32_t flags);

}  // namespace minim::api
