#include "cli/version.h"

#include <fmt/core.h>

#include "base/cpu.h"
#include "kernels/registry.h"

namespace minim::cli {

std::string version_text() {
  std::string sets;
  for (const kernels::KernelTable* table : kernels::kernel_tables()) {
    sets += std::string(" ") + instruction_set_name(table->set);
  }
  return fmt::format("minim {} ({}; kernels:{})", MINIM_VERSION, __VERSION__, sets);
}

}  // namespace minim::cli
