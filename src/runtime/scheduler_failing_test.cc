// A scheduler where memory runs out, at each allocation of a whole run in turn.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "runtime/testing/failing_new.h"
#include "runtime/testing/scheduler_rig.h"

namespace {

// Of this thread: allocations until the next failure (0: none will fail), how many fail then, and
// how many have.
thread_local int64_t g_countdown = 0;
thread_local int64_t g_to_fail = 0;
thread_local int64_t g_failures = 0;

bool fails_now() {
  if (g_countdown == 0 || --g_countdown > 0) return false;
  ++g_failures;
  if (--g_to_fail > 0) g_countdown = 1;
  return true;
}

void* allocate_or_null(std::size_t bytes, std::size_t alignment) noexcept {
  if (fails_now()) return nullptr;
  const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
}

void* allocate(std::size_t bytes, std::size_t alignment) {
  void* memory = allocate_or_null(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Every form, since those of the sanitizers' libraries do not call each other.
using Alignment = std::align_val_t;
constexpr std::size_t kUsual = alignof(std::max_align_t);

void* operator new(std::size_t bytes) { return allocate(bytes, kUsual); }
void* operator new[](std::size_t bytes) { return allocate(bytes, kUsual); }
void* operator new(std::size_t bytes, Alignment alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, Alignment alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate_or_null(bytes, kUsual);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate_or_null(bytes, kUsual);
}
void* operator new(std::size_t bytes, Alignment alignment, const std::nothrow_t&) noexcept {
  return allocate_or_null(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, Alignment alignment, const std::nothrow_t&) noexcept {
  return allocate_or_null(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, Alignment) noexcept { std::free(memory); }
void operator delete[](void* memory, Alignment) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, Alignment) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, Alignment) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, Alignment, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, Alignment, const std::nothrow_t&) noexcept {
  std::free(memory);
}

namespace minim {
namespace testing {

FailingNew::FailingNew(int64_t n, int64_t more) {
  g_failures = 0;
  g_to_fail = 1 + more;
  g_countdown = n;
}
FailingNew::~FailingNew() { g_countdown = 0; }
int64_t FailingNew::failures() const { return g_failures; }

}  // namespace testing

namespace {

using testing::FailingNew;
using testing::pull;
using testing::request_of;
using testing::run_one;
using testing::Said;
using testing::small_steps;
using testing::some_tokens;

class SchedulerFailing : public testing::SchedulerTest {
 protected:
  JobRequest request(uint64_t seed) const {
    JobRequest request = request_of(some_tokens(30 + 20 * seed, seed), 4, seed);
    request.prompt_progress = true;
    if (seed == 2) request.speculation = {.prompt_lookup = true, .always = true};
    return request;
  }

  // Steps two jobs while allocations fail, then to their ends; whether one failed.
  bool run_while_failing(Scheduler& scheduler, int64_t n, int64_t more) {
    Job first = scheduler.submit(request(1));
    Job second = scheduler.submit(request(2));
    int64_t failures = 0;
    {
      const FailingNew failing(n, more);
      for (int step = 0; step < 40; ++step) scheduler.step();
      failures = failing.failures();
    }
    for (int step = 0; step < 40; ++step) scheduler.step();  // what could not even begin
    for (Job* job : {&first, &second}) {
      Said said;
      pull(*job, said);
      EXPECT_TRUE(job->finished()) << "allocation " << n << ", " << more << " more";
      if (!said.failed) continue;
      EXPECT_EQ(said.error, ErrorCode::kLimit) << said.message;
      EXPECT_NE(said.message.find("memory"), std::string::npos) << said.message;
    }
    return failures > 0;
  }
};

// However memory ends, every job ends with an event, and the scheduler goes on as if nothing had
// been.
TEST_F(SchedulerFailing, EveryAllocationOfAStep) {
  SchedulerOptions options = small_steps();
  options.kv_bytes_max = size_t{200} << 10;
  options.prefix_bytes_max = size_t{50} << 10;
  Scheduler undisturbed = make(options);
  const Said expected = run_one(undisturbed, request(3));
  ASSERT_FALSE(expected.failed);
  for (const int64_t more : {0, 1, 5, 1000}) {
    Scheduler scheduler = make(options);
    int64_t n = 1;
    while (run_while_failing(scheduler, n, more) && !HasFailure()) n += 1;
    EXPECT_GT(n, 20) << "a run allocates that often";
    EXPECT_EQ(run_one(scheduler, request(3)), expected) << more << " more";
    EXPECT_EQ(scheduler.statistics().jobs_running, 0);
    EXPECT_EQ(scheduler.statistics().jobs_waiting, 0);
  }
}

}  // namespace
}  // namespace minim
