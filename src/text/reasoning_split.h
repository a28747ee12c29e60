// Tells a model's reasoning, between <think> and </think>, from its answer while both are written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minim {

// Reasoning stands at the beginning of what a model says; tags later on are text. White space
// around the tags belongs to neither part. However the text is cut, the parts are the same.
class ReasoningSplit {
 public:
  struct Part {
    bool reasoning = false;
    std::string text;
  };

  // `begun`: the prompt ended with <think> already.
  explicit ReasoningSplit(bool begun) : place_(begun ? Place::kReasoningStart : Place::kStart) {}

  std::vector<Part> feed(std::string_view piece);
  std::vector<Part> finish();

 private:
  enum class Place { kStart, kReasoningStart, kReasoning, kAnswerStart, kAnswer };

  std::vector<Part> take(bool final);
  bool step(bool final, std::vector<Part>& parts);
  bool skip_space(bool final, Place next);

  Place place_;
  std::string pending_;
};

}  // namespace minim
