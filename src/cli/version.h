// The program's version as --version prints it.
#pragma once

#include <string>

namespace minim::cli {

std::string version_text();

}  // namespace minim::cli
