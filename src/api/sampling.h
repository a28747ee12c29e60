// What minim_sampling stands for: the options of a sampler by name, and where the text ends.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "minim/minim.h"
#include "runtime/sampler.h"

namespace minim::api {

class NamedSampling {
 public:
  // Throw kNotFound for an unknown name, kInvalidArgument, naming the option, for a value out of
  // its bounds or of another kind.
  void set_number(std::string_view name, double value);
  void set_text(std::string_view name, std::string_view value);
  void add_stop(std::string_view text);
  void add_stop_token(TokenId token);
  void set_bias(TokenId token, float bias);
  // Throws kInvalidArgument, with the names of options in backquotes, for one that was set and has
  // no effect.
  void check() const;

  const SamplerOptions& sampler() const { return sampler_; }
  const std::vector<std::string>& stop_strings() const { return stop_strings_; }
  const std::vector<TokenId>& stop_tokens() const { return stop_tokens_; }

 private:
  SamplerOptions sampler_;
  std::vector<std::string> stop_strings_;
  std::vector<TokenId> stop_tokens_;
  std::set<std::string, std::less<>> given_;
};

}  // namespace minim::api

struct minim_sampling {
  minim::api::NamedSampling options;
};
