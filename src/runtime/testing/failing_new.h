// Makes operator new fail (scheduler_failing_test.cc replaces it for the whole test program).
#pragma once

#include <cstdint>

namespace minim::testing {

// While one lives, the n-th allocation of this thread (1 is the next one) throws std::bad_alloc,
// and so do `more` after it; others' go on.
class FailingNew {
 public:
  explicit FailingNew(int64_t n, int64_t more = 0);
  ~FailingNew();
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;

  // How many have failed.
  int64_t failures() const;
};

}  // namespace minim::testing
