// What was measured, for people and for programs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "bench/serve/engine.h"

namespace minim::bench {

// Of one engine: the values of all rounds by the figure's name, and what went wrong.
struct ServeSamples {
  std::string engine;
  std::map<std::string, std::vector<double>> values;
  std::string problem;
};

struct ServeSetting {
  std::string machine;
  std::string command;
  std::string model;
};

// A table: a row for each figure, a column for each engine, and minim against the best peer (above
// 1: minim is ahead, whether much is good or little). Medians over the rounds.
std::string format_serve_markdown(const std::vector<Figure>& figures,
                                  const std::vector<ServeSamples>& samples,
                                  const ServeSetting& setting);

// Every value of every round.
OrderedJson format_serve_json(const std::vector<Figure>& figures,
                              const std::vector<ServeSamples>& samples,
                              const ServeSetting& setting);

}  // namespace minim::bench
