#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "tests/api/api_fixture.h"

namespace minim_test {
namespace {

// Counts what is held, and fails the n-th request.
class CountingMemory : public std::pmr::memory_resource {
 public:
  explicit CountingMemory(int64_t fail_at = INT64_MAX) : fail_at_(fail_at) {}
  ~CountingMemory() override { EXPECT_EQ(held_, 0); }

  int64_t requests() const { return requests_; }
  int64_t bytes() const { return bytes_; }

 private:
  void* do_allocate(size_t bytes, size_t alignment) override {
    if (++requests_ >= fail_at_) throw std::bad_alloc();
    ++held_;
    bytes_ += static_cast<int64_t>(bytes);
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  }
  void do_deallocate(void* memory, size_t, size_t) override {
    --held_;
    std::free(memory);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  const int64_t fail_at_;
  std::atomic<int64_t> requests_{0};
  std::atomic<int64_t> held_{0};
  std::atomic<int64_t> bytes_{0};
};

std::vector<int32_t> open_and_generate(std::pmr::memory_resource& memory) {
  const minim::Engine engine({.threads = 1, .memory = &memory});
  const minim::Model model(engine, plain_model());
  minim::Session session(model);
  session.append("Once upon a time");
  return generate(session, 40);
}

TEST(PublicEngine, WeightsCachesAndActivationsComeFromTheAllocator) {
  CountingMemory memory;
  EXPECT_EQ(open_and_generate(memory).size(), 40u);
  const minim::Engine engine = make_engine();
  const minim::Model model(engine, plain_model());
  EXPECT_GT(memory.bytes(), static_cast<int64_t>(model.info().weight_bytes));
}

TEST(PublicEngine, EveryAllocationMayFail) {
  CountingMemory counted;
  const std::vector<int32_t> expected = open_and_generate(counted);
  ASSERT_GT(counted.requests(), 10);
  for (int64_t n = 1; n <= counted.requests(); ++n) {
    CountingMemory memory(n);  // and everything after it
    const auto [status, message] = thrown([&] { open_and_generate(memory); });
    EXPECT_EQ(status, minim::Status::kOutOfMemory) << n << ": " << message;
  }
  CountingMemory enough(counted.requests() + 1);
  EXPECT_EQ(open_and_generate(enough), expected);
}

TEST(PublicEngine, HooksAreCalledInEachThread) {
  std::mutex mutex;
  std::map<std::string, int> started;
  std::map<std::string, int> ended;
  {
    const minim::Engine engine({.threads = 3,
                                .thread_started =
                                    [&](std::string_view purpose, int) {
                                      const std::lock_guard lock(mutex);
                                      ++started[std::string(purpose)];
                                    },
                                .thread_ended =
                                    [&](std::string_view purpose, int) {
                                      const std::lock_guard lock(mutex);
                                      ++ended[std::string(purpose)];
                                    }});
    const minim::Model model(engine, chat_model());
  }
  EXPECT_EQ(started, ended);
  EXPECT_EQ(started["worker"], 2);
  EXPECT_EQ(started["loader"], 2);
  EXPECT_EQ(started["scheduler"], 1);
}

TEST(PublicEngine, FallbacksAreToldOnceInASession) {
  setenv("MINIM_CPU", "scalar", 1);
  const minim::Engine engine = make_engine();
  unsetenv("MINIM_CPU");
  EXPECT_EQ(engine.kernels(), "scalar");
  const minim::Model model(engine, chat_model());
  ASSERT_GE(model.fallbacks().size(), 1u);
  minim::Session session(model);
  session.append("Once");
  for (int i = 0; i < 2; ++i) {
    size_t told = 0;
    for (const minim::Event& event : session.generate(greedy(), {.tokens_max = 2})) {
      if (event.type != minim::EventType::kBackendFallback) continue;
      EXPECT_EQ(event.detail, model.fallbacks()[told++]);
    }
    EXPECT_EQ(told, i == 0 ? model.fallbacks().size() : 0);
  }
  setenv("MINIM_CPU", "abacus", 1);
  EXPECT_STATUS(kInvalidArgument, make_engine());
  unsetenv("MINIM_CPU");
}

// A file of a machine that is not there.
void write_machine(const std::string& name, const std::string& text) {
  const std::filesystem::path path = scratch_path("machine/" + name);
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text << '\n';
}

TEST(PublicEngine, AGovernorSaysWhatItChanges) {
  write_machine("sys/class/thermal/thermal_zone0/type", "cpu-thermal");
  write_machine("sys/class/thermal/thermal_zone0/temp", "99000");
  write_machine("sys/class/powercap/intel-rapl:0/name", "package-0");
  write_machine("sys/class/powercap/intel-rapl:0/energy_uj", "1000000");
  write_machine("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850");
  const minim::Engine engine(
      {.threads = 2, .governor = true, .system_root = scratch_path("machine")});
  const minim::Model model(engine, chat_model());
  minim::Session session(model);
  session.append("Once");
  std::string told;
  for (const minim::Event& event : session.generate(greedy(), {.tokens_max = 5})) {
    if (event.type == minim::EventType::kThermal) told += event.detail;
  }
  EXPECT_NE(told.find("99"), std::string::npos) << told;
  EXPECT_EQ(session.statistics().energy_source, MINIM_ENERGY_RAPL);
  EXPECT_EQ(session.statistics().joules, 0);
}

TEST(PublicEngine, OptionsThatMakeNoSenseAreRefused) {
  EXPECT_STATUS(kInvalidArgument, make_engine(-1));
  EXPECT_STATUS(kInvalidArgument, make_engine(100000));
  minim_engine_options options = MINIM_ENGINE_OPTIONS_INIT;
  options.allocator.release = [](void*, void*, size_t) {};
  minim_engine* engine = nullptr;
  EXPECT_EQ(minim_engine_new(&options, &engine, nullptr), MINIM_INVALID_ARGUMENT);
  EXPECT_EQ(engine, nullptr);
}

}  // namespace
}  // namespace minim_test
