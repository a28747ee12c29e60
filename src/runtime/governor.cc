#include "runtime/governor.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace minim {
namespace {

using std::chrono::nanoseconds;
using Reason = GovernorReason;

constexpr double kQuietCelsius = 15;         // less than otherwise
constexpr double kPassiveMarginCelsius = 2;  // before the system itself slows down
constexpr double kBatteryResumePercent = 5;  // above where saving began
constexpr double kBatteryLastPercent = 10;   // one thread
constexpr double kPressureResume = 0.5;      // of the bound
constexpr double kWattsResume = 0.9;         // of the cap, after the step up
constexpr double kFrequencyLimited = 0.95;   // of what the processor can
constexpr double kDwellUpGrowth = 24;        // the longest wait before a step up, in dwells
constexpr nanoseconds kRestMax = std::chrono::seconds(2);

nanoseconds from_seconds(double seconds) {
  return std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(seconds));
}

double to_seconds(nanoseconds time) { return std::chrono::duration<double>(time).count(); }

std::vector<GovernorPace> make_ladder(int threads) {
  std::vector<GovernorPace> ladder;
  for (int count = threads; count >= 1; --count) ladder.push_back({count, 1});
  ladder.push_back({1, 0.5});
  ladder.push_back({1, 0.25});
  return ladder;
}

// Half the threads, then half the time.
int half_the_pace(int rung, int last) {
  const int threads = last - 1 - rung;  // of the rung; the last two have one
  return threads >= 2 ? rung + threads / 2 : rung + 1;
}

// One thread fewer; sharing with others is no reason to rest.
int one_thread_fewer(int rung, int last) { return std::min(rung + 1, last); }

StepControlOptions dwells(const GovernorOptions& options) {
  const nanoseconds up = from_seconds(options.dwell_up_seconds);
  return {from_seconds(options.dwell_down_seconds), up,
          from_seconds(options.dwell_up_seconds * kDwellUpGrowth)};
}

const GovernorOptions& checked(const GovernorOptions& options) {
  check_governor_options(options);
  return options;
}

nanoseconds steady_now() { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace

std::string pace_text(const GovernorPace& pace) {
  std::string text = fmt::format("{} thread{}", pace.threads, pace.threads == 1 ? "" : "s");
  if (pace.duty < 1) text += fmt::format(" at {:.0f} %", pace.duty * 100);
  return text;
}

const char* governor_reason_name(GovernorReason reason) {
  switch (reason) {
    case Reason::kNone: return "nothing";
    case Reason::kTemperature: return "temperature";
    case Reason::kWatts: return "watts";
    case Reason::kBattery: return "battery";
    case Reason::kQuiet: return "quiet";
    case Reason::kShare: return "share";
    case Reason::kQuota: return "quota";
    case Reason::kLoad: return "load";
  }
  return "nothing";
}

Governor::Governor(ThreadPool& threads, const GovernorOptions& options, GovernorSink sink,
                   GovernorWorld world)
    : threads_(threads),
      options_(checked(options)),
      sink_(std::move(sink)),
      world_(std::move(world)),
      ladder_(make_ladder(threads.thread_count())),
      meter_(EnergyOptions{.root = world_.root}),
      heat_(static_cast<int>(ladder_.size()) - 1, dwells(options)),
      watts_(static_cast<int>(ladder_.size()) - 1, dwells(options)),
      load_(threads.thread_count() - 1, dwells(options)),
      pace_(ladder_.front()) {
  if (!world_.clock) world_.clock = steady_now;
  if (!world_.energy) world_.energy = [this] { return meter_.read(); };
  threads_.set_active_count(pace_.threads);
}

Governor::~Governor() { threads_.set_active_count(threads_.thread_count()); }

void Governor::send(GovernorEvent event) const {
  if (sink_) sink_(event);
}

// The fastest rung with no more than so many threads; one at least.
int Governor::rung_of_threads(double threads) const {
  const int most = ladder_.front().threads;
  // A quota of 1.97 processors is one of 2 that somebody rounded.
  const int allowed = std::clamp(static_cast<int>(std::floor(threads + 0.05)), 1, most);
  return most - allowed;
}

void Governor::report_problems() {
  for (const SensorProblem& problem : sensors_.problems) {
    if (!distrusted_.insert(problem.sensor).second) continue;
    send({.kind = GovernorEvent::Kind::kWarning,
          .before = pace_,
          .after = pace_,
          .text = fmt::format("{} {}; it is ignored", problem.sensor, problem.text)});
  }
}

void Governor::report_frequency() {
  const ProcessorLoad& load = sensors_.load;
  if (!load.frequency_hz || !load.frequency_hz_max) return;
  const double share = *load.frequency_hz / *load.frequency_hz_max;
  const bool limited = share < kFrequencyLimited;
  if (limited == frequency_limited_) return;
  frequency_limited_ = limited;
  send({.kind = GovernorEvent::Kind::kNotice,
        .before = pace_,
        .after = pace_,
        .text = fmt::format("the system allows the processor {:.2f} of {:.2f} GHz {}",
                            *load.frequency_hz * 1e-9, *load.frequency_hz_max * 1e-9,
                            limited ? "only" : "again")});
}

Governor::Wish Governor::heat_wish(nanoseconds now) {
  const TemperatureSensor* sensor = hottest(sensors_.temperatures);
  Demand demand = Demand::kHold;  // sensors that have gone do not say that it is cool
  if (sensor != nullptr) {
    double limit = options_.temperature_max - (options_.quiet ? kQuietCelsius : 0);
    const double width = options_.temperature_max - options_.temperature_resume;
    if (sensor->passive_celsius) {
      limit = std::min(limit, *sensor->passive_celsius - kPassiveMarginCelsius);
    }
    const double celsius = sensor->celsius;
    // What cools down already needs no further step.
    const bool falls = last_celsius_ && celsius < *last_celsius_;
    std::string text;
    if (celsius > std::max(options_.temperature_critical, limit)) {
      demand = Demand::kFloor;
      text = fmt::format("{:.1f} C in {} is over the critical {:.1f} C", celsius, sensor->name,
                         options_.temperature_critical);
    } else if (celsius > limit) {
      demand = falls ? Demand::kHold : Demand::kLess;
      text = fmt::format("{:.1f} C in {} is over {:.1f} C", celsius, sensor->name, limit);
    } else if (celsius < limit - width) {
      demand = Demand::kMore;
      text = fmt::format("{:.1f} C in {} is under {:.1f} C", celsius, sensor->name, limit - width);
    }
    last_celsius_ = celsius;
    if (heat_.update(now, demand, half_the_pace)) heat_text_ = text;
  }
  return {heat_.rung(), Reason::kTemperature, heat_text_};
}

Governor::Wish Governor::watts_wish(nanoseconds now) {
  if (options_.watts_max <= 0) return {};
  const Energy energy = world_.energy();
  const auto before = energy_time_;
  const double joules = energy.joules - energy_.joules;
  const bool same_source = energy.source == energy_.source;
  energy_ = energy;
  energy_time_ = now;
  if (!is_measured(energy.source)) {
    if (distrusted_.insert("watts-max").second) {
      send({.kind = GovernorEvent::Kind::kWarning,
            .reason = Reason::kWatts,
            .before = pace_,
            .after = pace_,
            .text = fmt::format("power is not measured here, so the cap of {:.1f} W does nothing: "
                                "{}",
                                options_.watts_max, meter_.reason())});
    }
    return {};
  }
  if (!before || !same_source || now <= *before) return {watts_.rung(), Reason::kWatts, ""};
  const double watts = joules / to_seconds(now - *before);
  // What the next faster pace would take, if power grew with it.
  const auto speed = [&](int rung) {
    const GovernorPace& pace = ladder_[static_cast<size_t>(rung)];
    return pace.threads * pace.duty;
  };
  const int rung = watts_.rung();
  const double after = rung > 0 ? watts * speed(rung - 1) / speed(rung) : watts;
  Demand demand = Demand::kHold;
  std::string text = fmt::format("{:.1f} W are over {:.1f} W", watts, options_.watts_max);
  if (watts > options_.watts_max) {
    demand = Demand::kLess;
  } else if (after < kWattsResume * options_.watts_max) {
    demand = Demand::kMore;
    text = fmt::format("{:.1f} W are under {:.1f} W", watts, options_.watts_max);
  }
  if (watts_.update(now, demand, half_the_pace)) watts_text_ = text;
  return {watts_.rung(), Reason::kWatts, watts_text_};
}

// Tasks that wait for processors: ours too, where they have less than they have threads.
Governor::Wish Governor::load_wish(nanoseconds now) {
  const auto& pressure = sensors_.load.pressure_percent;
  if (options_.pressure_max <= 0 || !pressure) return {};
  Demand demand = Demand::kHold;
  if (*pressure > options_.pressure_max) demand = Demand::kLess;
  if (*pressure < options_.pressure_max * kPressureResume) demand = Demand::kMore;
  if (load_.update(now, demand, one_thread_fewer)) {
    load_text_ = fmt::format(
        "tasks wait for processors {:.0f} % of the time, {} {:.0f} %", *pressure,
        demand == Demand::kLess ? "over" : "under",
        demand == Demand::kLess ? options_.pressure_max : options_.pressure_max * kPressureResume);
  }
  return {load_.rung(), Reason::kLoad, load_text_};
}

// A plug that is in for a moment only changes nothing.
Governor::Wish Governor::battery_wish(nanoseconds now) {
  const PowerSupply& supply = sensors_.supply;
  const double percent = supply.percent();
  const double begins = options_.battery_saver;
  const bool discharges = supply.on_battery();
  if (discharges) discharged_ = now;
  if (begins <= 0) return {};
  if (!saving_battery_) {
    saving_battery_ = discharges && percent < begins;
  } else if (discharges) {
    saving_battery_ = percent < begins + kBatteryResumePercent;
  } else {
    saving_battery_ = now - discharged_ < from_seconds(options_.dwell_up_seconds);
  }
  if (!saving_battery_) return {};
  const int most = ladder_.front().threads;
  if (percent < std::min(begins, kBatteryLastPercent)) {
    return {rung_of_threads(1), Reason::kBattery,
            fmt::format("the battery has {:.0f} %, under {:.0f} %", percent,
                        std::min(begins, kBatteryLastPercent))};
  }
  return {rung_of_threads(std::ceil(most / 2.0)), Reason::kBattery,
          fmt::format("the battery has {:.0f} %, under {:.0f} %", percent, begins)};
}

std::vector<Governor::Wish> Governor::standing_wishes(nanoseconds now) {
  const int most = ladder_.front().threads;
  std::vector<Wish> wishes = {battery_wish(now)};
  if (options_.quiet) {
    wishes.push_back({rung_of_threads(std::ceil(most / 2.0)), Reason::kQuiet, "quiet mode"});
  }
  if (options_.share_left > 0) {
    wishes.push_back(
        {rung_of_threads(most * (1 - options_.share_left)), Reason::kShare,
         fmt::format("{:.0f} % of the processors are left to others", options_.share_left * 100)});
  }
  if (sensors_.load.quota) {
    wishes.push_back({rung_of_threads(std::ceil(*sensors_.load.quota - 0.05)), Reason::kQuota,
                      fmt::format("the quota is {:.2f} processors", *sensors_.load.quota)});
  }
  return wishes;
}

void Governor::move_to(int rung, GovernorReason reason, const std::string& text, nanoseconds now) {
  GovernorEvent event = {.reason = reason, .before = pace_};
  rung_ = rung;
  pace_ = ladder_[static_cast<size_t>(rung)];
  changed_ = now;
  threads_.set_active_count(pace_.threads);
  event.after = pace_;
  event.text =
      fmt::format("{}: {} -> {}", text, pace_text(event.before),
                  std::min(event.before.duty, pace_.duty) < 1 ? pace_text(pace_)
                                                              : fmt::format("{}", pace_.threads));
  send(std::move(event));
}

// Down at once, because each wish has waited as long as it must; up by one rung after a while, so
// that a loose plug or a quota that swings moves nothing to and fro.
void Governor::choose(nanoseconds now) {
  std::vector<Wish> wishes = standing_wishes(now);
  wishes.push_back(heat_wish(now));
  wishes.push_back(watts_wish(now));
  wishes.push_back(load_wish(now));
  const auto slowest = std::max_element(
      wishes.begin(), wishes.end(), [](const Wish& a, const Wish& b) { return a.rung < b.rung; });
  const Wish& wish = *slowest;
  const bool may_rise = !changed_ || now - *changed_ >= from_seconds(options_.dwell_up_seconds);
  if (wish.rung > rung_) {
    reason_ = wish.reason;
    move_to(wish.rung, wish.reason, wish.text, now);
  } else if (wish.rung < rung_ && may_rise) {
    // Why it may: what made it slow has changed its mind, or is gone.
    const Reason was = reason_;
    const auto same = std::find_if(wishes.begin(), wishes.end(),
                                   [&](const Wish& one) { return one.reason == was; });
    const bool told = same != wishes.end() && !same->text.empty();
    move_to(rung_ - 1, was,
            told ? same->text : fmt::format("{} asks for less no more", governor_reason_name(was)),
            now);
    if (rung_ == wish.rung) reason_ = rung_ == 0 ? Reason::kNone : wish.reason;
  }
}

void Governor::look() {
  const nanoseconds time = now();
  looked_ = time;
  sensors_ = read_sensors(world_.root);
  report_problems();
  report_frequency();
  choose(time);
}

void Governor::update() {
  if (!looked_ || now() - *looked_ >= from_seconds(options_.look_seconds)) look();
}

nanoseconds Governor::rest_wanted(nanoseconds now, GovernedWork work) const {
  if (!work_began_) return nanoseconds{0};
  const double worked = to_seconds(now - *work_began_);
  double rest = worked * (1 / pace_.duty - 1);
  if (options_.tokens_per_second_max > 0 && work == GovernedWork::kToken) {
    rest = std::max(rest, 1 / options_.tokens_per_second_max - worked);
  }
  return from_seconds(std::clamp(rest, 0.0, to_seconds(kRestMax)));
}

void Governor::rest(nanoseconds duration) {
  if (world_.wait) {
    world_.wait(duration);
    return;
  }
  std::unique_lock lock(mutex_);
  woken_.wait_for(lock, duration, [this] { return interrupted_; });
}

void Governor::begin_work() {
  update();
  work_began_ = now();
  const std::lock_guard lock(mutex_);
  interrupted_ = false;
}

bool Governor::pause_before_next(GovernedWork work) {
  update();
  {
    const std::lock_guard lock(mutex_);
    if (interrupted_) {
      interrupted_ = false;
      return false;
    }
  }
  const nanoseconds duration = rest_wanted(now(), work);
  if (duration > nanoseconds{0}) rest(duration);
  work_began_ = now();
  const std::lock_guard lock(mutex_);
  return !std::exchange(interrupted_, false);
}

void Governor::interrupt() {
  {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
  }
  woken_.notify_all();
}

}  // namespace minim
