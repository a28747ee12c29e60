// Ranks that are threads of one process.
#pragma once

#include <algorithm>
#include <barrier>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "parallel/communicator.h"

namespace minim::parallel::testing {

// What threads need to talk to each other: where each has put what it gives.
struct ThreadMeeting {
  explicit ThreadMeeting(int count) : floats(count), doubles(count), bytes(count), barrier(count) {}
  std::vector<std::vector<std::span<float>>> floats;
  std::vector<std::span<double>> doubles;
  std::vector<std::span<std::byte>> bytes;
  std::barrier<> barrier;
};

// The sum of part(all[0]), part(all[1]), ..., always in this order, so that everybody has the same
// bits.
template <typename T, typename Part>
auto add_parts(const std::vector<T>& all, Part part) {
  const auto first = part(all[0]);
  std::vector<typename decltype(first)::value_type> sum(first.begin(), first.end());
  for (size_t i = 1; i < all.size(); ++i) {
    const auto more = part(all[i]);
    for (size_t at = 0; at < sum.size(); ++at) sum[at] += more[at];
  }
  return sum;
}

class ThreadRank final : public Communicator {
 public:
  ThreadRank(ThreadMeeting& meeting, int rank, int size)
      : meeting_(meeting), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name() const override { return "threads"; }

  void start_sum(std::span<float> values) override { mine(meeting_.floats).push_back(values); }
  void finish_sums() override {
    meeting_.barrier.arrive_and_wait();
    std::vector<std::vector<float>> sums;
    for (size_t i = 0; i < mine(meeting_.floats).size(); ++i) {
      sums.push_back(add_parts(meeting_.floats, [i](const auto& each) { return each[i]; }));
    }
    meeting_.barrier.arrive_and_wait();
    for (size_t i = 0; i < sums.size(); ++i) {
      std::copy(sums[i].begin(), sums[i].end(), mine(meeting_.floats)[i].begin());
    }
    mine(meeting_.floats).clear();
    meeting_.barrier.arrive_and_wait();
  }
  void sum(std::span<double> values) override {
    mine(meeting_.doubles) = values;
    meeting_.barrier.arrive_and_wait();
    const std::vector<double> total =
        add_parts(meeting_.doubles, [](const auto& each) { return each; });
    meeting_.barrier.arrive_and_wait();
    std::copy(total.begin(), total.end(), values.begin());
    meeting_.barrier.arrive_and_wait();
  }
  void broadcast(std::span<std::byte> bytes) override {
    mine(meeting_.bytes) = bytes;
    meeting_.barrier.arrive_and_wait();
    if (rank_ > 0) std::copy_n(meeting_.bytes[0].begin(), bytes.size(), bytes.begin());
    meeting_.barrier.arrive_and_wait();
  }

 private:
  template <typename T>
  T& mine(std::vector<T>& all) {
    return all[static_cast<size_t>(rank_)];
  }
  ThreadMeeting& meeting_;
  int rank_;
  int size_;
};

// Runs `body` once as each of `count` ranks and returns when all have.
inline void run_as_ranks(int count, const std::function<void(Communicator&)>& body) {
  ThreadMeeting meeting(count);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < count; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadRank communicator(meeting, rank, count);
      body(communicator);
    });
  }
}

}  // namespace minim::parallel::testing
