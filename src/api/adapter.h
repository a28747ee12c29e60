// What minim_adapter stands for.
#pragma once

#include <memory>

#include "minim/minim.h"
#include "model/adapter/adapter.h"

struct minim_adapter {
  std::shared_ptr<const minim::Adapter> shared;
};
