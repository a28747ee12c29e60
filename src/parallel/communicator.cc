#include "parallel/communicator.h"

#include <fmt/core.h>

#include <array>

#include "base/error.h"

namespace minim::parallel {
namespace {

class Alone final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string name() const override { return "one process"; }
  void start_sum(std::span<float>) override {}
  void finish_sums() override {}
  void sum(std::span<double>) override {}
  void broadcast(std::span<std::byte>) override {}
};

}  // namespace

Communicator& alone() {
  static Alone communicator;
  return communicator;
}

bool any(Communicator& ranks, bool here) {
  std::array<double, 1> count = {here ? 1.0 : 0.0};
  ranks.sum(count);
  return count[0] > 0;
}

void wait_for_all(Communicator& ranks) { any(ranks, false); }

void require_same(Communicator& ranks, uint64_t value, std::string_view what) {
  uint64_t first = value;
  ranks.broadcast(std::as_writable_bytes(std::span(&first, 1)));
  if (any(ranks, first != value)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("train: {} differs between the ranks", what));
  }
}

Share share_of(const Communicator& ranks, int64_t count) {
  return {count * ranks.rank() / ranks.size(), count * (ranks.rank() + 1) / ranks.size()};
}

}  // namespace minim::parallel
