// What was measured, for people and for programs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "bench/speed/rows.h"

namespace minim::bench {

// How the figures came about.
struct Setting {
  std::string machine;  // processor, kernels, threads
  std::string command;
  std::string date;  // YYYY-MM-DD
  int threads = 1;
  std::vector<std::string> engines;  // names, minim first
};

// A few lines for the terminal.
std::string format_row(const Row& row, const Setting& setting);

// One table for each workload, and the notes below it.
std::string format_markdown(std::span<const Row> rows, const Setting& setting);

// Every value of every round.
OrderedJson format_json(std::span<const Row> rows, const Setting& setting);

}  // namespace minim::bench
