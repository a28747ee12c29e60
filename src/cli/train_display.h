// What a person sees of a training run: a bar that is redrawn on a terminal, plain lines in a log.
#pragma once

#include <chrono>

#include "train/trainer.h"

namespace minim::cli {

class TrainDisplay {
 public:
  // peak: operations a second that there are at best.
  TrainDisplay(bool quiet, double peak) : quiet_(quiet), peak_(peak) {}
  ~TrainDisplay() { clear_line(); }
  TrainDisplay(const TrainDisplay&) = delete;
  TrainDisplay& operator=(const TrainDisplay&) = delete;

  // Several times a second on a terminal, every ten seconds otherwise; the last step always.
  void show(const train::StepStatistics& step);
  void show(const train::HeldOutLoss& look);

 private:
  using Clock = std::chrono::steady_clock;
  void show_trouble(const train::StepStatistics& step);
  void clear_line();

  bool quiet_;
  double peak_;
  double usual_speed_ = 0;  // tokens a second
  bool drawn_ = false;
  Clock::time_point last_;
};

}  // namespace minim::cli
