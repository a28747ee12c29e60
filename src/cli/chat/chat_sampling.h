// How answers are chosen, in words: what the command line gave, changed by /set.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/public_api.h"

namespace minim::cli {

class ChatSampling {
 public:
  // `given`: the values on the command line by name, as text, which `sampling` holds already.
  ChatSampling(v1::Sampling sampling, std::map<std::string, std::string> given);

  // Throws v1::Error and changes nothing where the name or the value is none, or has no effect.
  void set(const std::string& name, const std::string& value);
  // "top-p = 0.9 (0.95)": the value, and the default where it is another. Throws
  // Error(kInvalidArgument) for an unknown name.
  std::string show(const std::string& name) const;
  // One line for each option: all of them.
  std::string show_all() const;
  std::vector<std::string> names() const;

  // For the n-th answer to the same message: the first one has number 0.
  v1::Sampling for_attempt(uint64_t number) const;

 private:
  const v1::OptionInfo& find(const std::string& name) const;
  std::string line(const v1::OptionInfo& option) const;

  v1::Sampling sampling_;
  std::map<std::string, std::string> given_;
  std::vector<v1::OptionInfo> options_;
};

}  // namespace minim::cli
