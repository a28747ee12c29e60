// Unpredictable numbers from the system, for seeds, identifiers and keys.
#pragma once

#include <cstdint>

namespace minim {

// 64 bits fit for cryptography. Unlike std::random_device it does not ask the processor what it can
// do, which takes microseconds in a virtual machine. Throws kIo where the system has none.
uint64_t system_random();

}  // namespace minim
