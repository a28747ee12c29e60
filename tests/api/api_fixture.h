// What most tests of the public API begin with.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "minim/minim.hpp"
#include "tests/api/test_models.h"

namespace minim_test {

inline minim::Engine make_engine(int threads = 2) {
  return minim::Engine(minim::EngineOptions{.threads = threads});
}

// The same tokens every time, and no end of the text.
inline minim::Sampling greedy() {
  minim::Sampling sampling({.temperature = 0});
  sampling.set("ignore-end", 1);
  return sampling;
}

// The tokens of a generation.
inline std::vector<int32_t> generate(minim::Session& session, int64_t tokens_max,
                                     const minim::Sampling& sampling = greedy()) {
  std::vector<int32_t> tokens;
  for (const minim::Event& event : session.generate(sampling, {.tokens_max = tokens_max})) {
    if (event.type == minim::EventType::kToken) tokens.push_back(event.token);
  }
  return tokens;
}

// What `function` throws: its status and message; kOk where it throws nothing.
inline std::pair<minim::Status, std::string> thrown(const std::function<void()>& function) {
  try {
    function();
  } catch (const minim::Error& error) {
    return {error.status(), error.what()};
  }
  return {minim::Status::kOk, ""};
}

}  // namespace minim_test

#define EXPECT_STATUS(expected, expression)                                           \
  do {                                                                                \
    const auto result = ::minim_test::thrown([&] { static_cast<void>(expression); }); \
    EXPECT_EQ(result.first, minim::Status::expected) << result.second;                \
  } while (false)
