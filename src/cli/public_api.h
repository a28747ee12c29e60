// The public C++ API inside the program: minim::v1, spelled out, because the rooms have classes of
// the same names. Commands that run models use it alone.
#pragma once

#define MINIM_BUILDING
#include "minim/minim.hpp"  // IWYU pragma: export
