// What minim_engine stands for: the threads, kernels and hooks that its models share.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/notices.h"
#include "api/scheduler_thread.h"
#include "base/context.h"
#include "base/energy_meter.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "minim/minim.h"
#include "runtime/governor.h"
#include "runtime/turns.h"

namespace minim::api {

class SharedEngine {
 public:
  // Throws kInvalidArgument for options that make no sense.
  explicit SharedEngine(const minim_engine_options& options);
  SharedEngine(const SharedEngine&) = delete;
  SharedEngine& operator=(const SharedEngine&) = delete;

  // Whoever computes with it has a turn.
  const Context& context() const { return context_; }
  Turns& turns() { return turns_; }
  const Path& system_root() const { return system_root_; }

  // What the governor says goes there.
  NoticeBoard& notices() { return notices_; }
  // A rest that the governor takes ends: there is something to stop.
  void interrupt_rest();

  // Since the engine was made. From any thread.
  Energy energy();

  // Threads of their own for work that must not hold up what is being generated.
  std::unique_ptr<ThreadPool> make_loading_threads() const;
  // For one more thread that steps a scheduler.
  SchedulerThreadHooks scheduler_hooks();
  // What of this machine goes unused, each in a sentence.
  const std::vector<std::string>& fallbacks() const { return fallbacks_; }

 private:
  ThreadHooks thread_hooks(const char* purpose) const;

  minim_thread_hooks hooks_;
  Path system_root_;
  ThreadPool threads_;
  Context context_;
  Turns turns_;
  std::vector<std::string> fallbacks_;
  std::atomic<int32_t> scheduler_threads_{0};
  NoticeBoard notices_;
  std::unique_ptr<Governor> governor_;  // null: there is none; who calls it has a turn
  std::mutex meter_mutex_;
  EnergyMeter meter_;  // guarded by meter_mutex_
};

}  // namespace minim::api

struct minim_engine {
  std::shared_ptr<minim::api::SharedEngine> shared;
};
