// What program and plug-in have to share.
#pragma once

namespace minim::parallel {

// Of the minim that this was built with.
const char* build_version();

}  // namespace minim::parallel
