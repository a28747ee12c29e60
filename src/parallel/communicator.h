// Processes that work on one thing together: what each has is added up, and what the first has is
// given to all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace minim::parallel {

// Every rank makes the same calls in the same order with the same counts; each call but start_sum()
// returns when this rank's part is done. Called from one thread. Throws kIo where the others cannot
// be reached; a process that ends without leaving takes the others with it.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // 0 is the first
  virtual int size() const = 0;  // 1: alone
  virtual std::string name() const = 0;

  // Begins to add up `values` over all ranks, in place; they belong to the communicator until
  // finish_sums(). On every rank the sums are the same bits.
  virtual void start_sum(std::span<float> values) = 0;
  virtual void finish_sums() = 0;
  virtual void sum(std::span<double> values) = 0;
  // Gives every rank the bytes of the first.
  virtual void broadcast(std::span<std::byte> bytes) = 0;

  bool is_first() const { return rank() == 0; }
};

// A process of its own.
Communicator& alone();

// Whether it is so on any rank.
bool any(Communicator& ranks, bool here);
// Returns when all ranks have come this far.
void wait_for_all(Communicator& ranks);
// Throws kInvalidArgument, on every rank, where `value` differs: "train: WHAT differs between the
// ranks".
void require_same(Communicator& ranks, uint64_t value, std::string_view what);

// The share of [0, count) that belongs to this rank: as even as whole numbers allow.
struct Share {
  int64_t begin = 0;
  int64_t end = 0;
};
Share share_of(const Communicator& ranks, int64_t count);

}  // namespace minim::parallel
