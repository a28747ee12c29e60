#include "serve/engine/extension.h"

#include <cmath>

namespace minim::serve {
namespace {

double rounded(double value) { return std::round(value * 1000) / 1000; }

}  // namespace

OrderedJson extension_json(const GenerationStatistics& times, const std::optional<Energy>& energy) {
  OrderedJson told = OrderedJson::object();
  told["timings"] = {{"queue_ms", rounded(times.queue_seconds * 1e3)},
                     {"prompt_ms", rounded(times.prompt_seconds * 1e3)},
                     {"generation_ms", rounded(times.decode_seconds * 1e3)},
                     {"prompt_per_second", rounded(times.prompt_rate())},
                     {"generated_per_second", rounded(times.decode_rate())}};
  if (energy) {
    told["energy"] = {{"joules", rounded(energy->joules)},
                      {"source", energy_source_name(energy->source)},
                      {"measured", is_measured(energy->source)}};
  }
  return told;
}

}  // namespace minim::serve
