// Unpredictable numbers from the system, for seeds, identifiers and keys.
#pragma once

#include <cstdint>

namespace minim {

// 64 bits fit for cryptography. Unlike std::random_device it asks the processor nothing, which in a
// virtual machine takes longer than the rest of a small request. Throws kIo where the system has
// none.
uint64_t system_random();

}  // namespace minim
