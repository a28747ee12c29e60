// What minim tells beside an answer, in every dialect.
#pragma once

#include <optional>

#include "base/json.h"
#include "runtime/generation_event.h"

namespace minim::serve {

// {"timings": {"queue_ms", "prompt_ms", "generation_ms", "prompt_per_second",
// "generated_per_second"}, "energy": {"joules", "source", "measured"}}; the latter where it is
// known.
OrderedJson extension_json(const GenerationStatistics& times, const std::optional<Energy>& energy);

}  // namespace minim::serve
