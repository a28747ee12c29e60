// A value of a model's metadata as text: numbers and texts as they are, lists as JSON.
#pragma once

#include <string>

#include "formats/metadata.h"

namespace minim::api {

std::string metadata_text(const MetadataValue& value);

}  // namespace minim::api
