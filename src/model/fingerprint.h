// Tells models apart, so that what was computed with one is not taken for another's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/model_file.h"
#include "model/config.h"

namespace minim {

// Of all hyper-parameters that change what a model computes: not of its name, nor of how long a
// context the caller wants.
uint64_t config_fingerprint(const ModelConfig& config);

// Of a tensor's name, type and shape and of some of its bytes: two models of one shape differ, but
// a change of single weights may go unseen.
uint64_t tensor_fingerprint(const TensorEntry& entry, std::span<const std::byte> bytes);

}  // namespace minim
