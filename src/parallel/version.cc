#include "parallel/version.h"

namespace minim::parallel {

const char* build_version() { return MINIM_VERSION; }

}  // namespace minim::parallel
