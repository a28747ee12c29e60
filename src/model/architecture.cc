#include "model/architecture.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <array>

#include "base/error.h"

namespace minim {

std::span<const Architecture* const> architectures() {
  static constexpr std::array kArchitectures = {&kLlama,  &kQwen2, &kQwen3, &kQwen3Moe,
                                                &kGemma3, &kPhi3,  &kGpt2};
  return kArchitectures;
}

const Architecture& find_architecture(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Architecture* architecture : architectures()) {
    if (name == architecture->name) return *architecture;
    names.push_back(architecture->name);
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("model: architecture '{}' is not one that minim can run ({})", name,
                          fmt::join(names, ", ")));
}

}  // namespace minim
