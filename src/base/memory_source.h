// Where large memory that stays comes from: weights, caches, activations.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace minim {

// `bytes` of undefined content, aligned to a cache line at least; given back when the last holder
// goes. Called from any thread. Throws std::bad_alloc. An empty one stands for the system's memory.
using MemorySource = std::function<std::shared_ptr<std::byte>(size_t bytes)>;

}  // namespace minim
