// The memory of this process, as Linux counts it.
#pragma once

#include <cstdint>
#include <optional>

namespace minim {

// Resident now, and at most since the process began or the peak was reset; nothing where Linux does
// not tell. Pages of mapped files count while they are resident.
std::optional<uint64_t> resident_bytes();
std::optional<uint64_t> peak_resident_bytes();
// Lets the peak begin anew from what is resident now, after giving free memory back to the system.
// Returns whether the system did so.
bool reset_peak_resident();

}  // namespace minim
