// Sets how many threads work and how long they rest, by what the machine says of its heat, power
// and load, and tells what it changes and why.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/energy_meter.h"
#include "base/file.h"
#include "base/sensors.h"
#include "base/thread_pool.h"
#include "runtime/governor_options.h"
#include "runtime/step_control.h"

namespace minim {

// How fast to work.
struct GovernorPace {
  int threads = 1;
  double duty = 1;  // share of the time in which they work; below 1 with one thread only

  bool operator==(const GovernorPace&) const = default;
};
// "4 threads", "1 thread at 50 %"
std::string pace_text(const GovernorPace& pace);

// What the pace is due to.
enum class GovernorReason { kNone, kTemperature, kWatts, kBattery, kQuiet, kShare, kQuota, kLoad };
// "nothing", "temperature", "watts", "battery", "quiet", "share", "quota", "load"
const char* governor_reason_name(GovernorReason reason);

struct GovernorEvent {
  enum class Kind {
    kPace,     // the pace has changed from `before` to `after`
    kWarning,  // a sensor is not believed; once for each
    kNotice,   // the system itself slows the processor down, or no longer does
  };
  Kind kind = Kind::kPace;
  GovernorReason reason = GovernorReason::kNone;
  GovernorPace before;
  GovernorPace after;
  // "72.5 C in zone 'cpu-thermal' is over 70.0 C: 4 threads -> 2"
  std::string text;
};
enum class GovernedWork { kPromptBatch, kToken };

// Called by whoever calls the governor.
using GovernorSink = std::function<void(const GovernorEvent&)>;

// What a governor has of the world; tests give it another one.
struct GovernorWorld {
  Path root = "/";                                  // where /proc and /sys are
  std::function<std::chrono::nanoseconds()> clock;  // empty: the steady clock
  // Waits, or returns early where interrupt() is called; empty: a real wait.
  std::function<void(std::chrono::nanoseconds)> wait;
  std::function<Energy()> energy;  // since some beginning; empty: an EnergyMeter
};

// One loop at a time calls it; interrupt() may come from any thread.
class Governor {
 public:
  // Governs `threads`, which must outlive it, and lets all of them work again in the end. Throws
  // kInvalidArgument for options that make no sense, naming them.
  Governor(ThreadPool& threads, const GovernorOptions& options, GovernorSink sink = {},
           GovernorWorld world = {});
  ~Governor();
  Governor(const Governor&) = delete;
  Governor& operator=(const Governor&) = delete;

  // When a loop begins: looks at the sensors, and forgets interrupts and work of before.
  void begin_work();

  // For the loop that generates, after each batch of a prompt and before each token (of all
  // sequences together): looks at the sensors where it is time to, sets the threads, and rests as
  // long as the pace and, between tokens, the cap on the rate ask. Returns false, at once, where
  // interrupt() was called since the last call.
  bool pause_before_next(GovernedWork work = GovernedWork::kToken);

  // Looks at the sensors where it is time to, and sets the threads; does not rest.
  void update();

  // From any thread, also before the rest begins: the rest ends, or the next one does not begin.
  void interrupt();

  const GovernorPace& pace() const { return pace_; }
  GovernorReason reason() const { return reason_; }
  // What the sensors said at the last look.
  const Sensors& sensors() const { return sensors_; }

 private:
  // The slowest of several wishes, and why.
  struct Wish {
    int rung = 0;
    GovernorReason reason = GovernorReason::kNone;
    std::string text;
  };

  std::chrono::nanoseconds now() const { return world_.clock(); }
  void look();
  void report_problems();
  void report_frequency();
  Wish heat_wish(std::chrono::nanoseconds now);
  Wish watts_wish(std::chrono::nanoseconds now);
  Wish load_wish(std::chrono::nanoseconds now);
  Wish battery_wish(std::chrono::nanoseconds now);
  std::vector<Wish> standing_wishes(std::chrono::nanoseconds now);
  void choose(std::chrono::nanoseconds now);
  void move_to(int rung, GovernorReason reason, const std::string& text,
               std::chrono::nanoseconds now);
  int rung_of_threads(double threads) const;
  std::chrono::nanoseconds rest_wanted(std::chrono::nanoseconds now, GovernedWork work) const;
  void rest(std::chrono::nanoseconds duration);
  void send(GovernorEvent event) const;

  ThreadPool& threads_;
  GovernorOptions options_;
  GovernorSink sink_;
  GovernorWorld world_;
  std::vector<GovernorPace> ladder_;  // fastest first
  EnergyMeter meter_;

  Sensors sensors_;
  std::set<std::string> distrusted_;  // sensors that were warned of
  bool frequency_limited_ = false;
  StepControl heat_;
  StepControl watts_;
  StepControl load_;
  std::string heat_text_;
  std::string watts_text_;
  std::string load_text_;
  std::optional<double> last_celsius_;
  bool saving_battery_ = false;
  std::chrono::nanoseconds discharged_{};  // when the battery last gave power

  GovernorPace pace_;
  GovernorReason reason_ = GovernorReason::kNone;
  int rung_ = 0;
  std::optional<std::chrono::nanoseconds> looked_;
  std::optional<std::chrono::nanoseconds> changed_;
  std::optional<std::chrono::nanoseconds> work_began_;
  Energy energy_;
  std::optional<std::chrono::nanoseconds> energy_time_;

  std::mutex mutex_;
  std::condition_variable woken_;
  bool interrupted_ = false;  // guarded by mutex_
};

}  // namespace minim
