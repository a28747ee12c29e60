// What minim_draft stands for.
#pragma once

#include <memory>

#include "api/model.h"
#include "minim/minim.h"
#include "runtime/speculation.h"

struct minim_draft {
  std::shared_ptr<minim::api::OpenModel> of;
  std::shared_ptr<minim::DraftModel> shared;
};

namespace minim::api {

// What a generation of `model` guesses with. Throws kInvalidArgument for a draft of another model.
SpeculationOptions speculation_of(const minim_generate_options& options, const OpenModel& model);

}  // namespace minim::api
