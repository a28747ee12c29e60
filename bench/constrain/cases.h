// What is measured: constraints of several classes, and texts that follow them.
#pragma once

#include <string>
#include <vector>

#include "text/schema/constraint_factory.h"

namespace minim::bench {

struct ConstraintCase {
  ConstraintSource source;
  std::vector<std::string> texts;
};

struct ConstraintClass {
  std::string name;
  std::vector<ConstraintCase> cases;
};

// Those written here and, where the data folder has them, the schemas of the function arguments of
// BFCL (Patil et al., 2024) with accepted answers as texts.
std::vector<ConstraintClass> constraint_classes();

// What has made others slow, large or fail.
std::vector<ConstraintSource> hostile_sources();

}  // namespace minim::bench
