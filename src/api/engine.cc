#include "api/engine.h"

#include <fmt/core.h>

#include <new>

#include "api/arguments.h"
#include "api/guard.h"
#include "base/cpu.h"
#include "base/machine.h"
#include "base/tuning.h"
#include "kernels/registry.h"

namespace minim::api {
namespace {

constexpr int32_t kThreadsMax = 1024;
constexpr size_t kAlignment = 4096;

int thread_count(int32_t asked) {
  if (asked < 0 || asked > kThreadsMax) {
    refuse(fmt::format("{} threads; at most {}, and 0 for one for each processor", asked,
                       kThreadsMax));
  }
  return asked > 0 ? asked : cpu_count();
}

LogSink log_sink(minim_log_function log, void* user) {
  if (log == nullptr) return {};
  return [log, user](LogLevel level, std::string_view line) {
    log(user, static_cast<int32_t>(level), std::string(line).c_str());
  };
}

MemorySource memory_source(const minim_allocator& allocator) {
  if (allocator.allocate == nullptr && allocator.release == nullptr) return {};
  if (allocator.allocate == nullptr || allocator.release == nullptr) {
    refuse("an allocator needs both 'allocate' and 'release'");
  }
  return [allocator](size_t bytes) {
    auto* memory = static_cast<std::byte*>(allocator.allocate(allocator.user, bytes, kAlignment));
    if (memory == nullptr) throw std::bad_alloc();
    return std::shared_ptr<std::byte>(memory, [allocator, bytes](std::byte* released) {
      allocator.release(allocator.user, released, bytes);
    });
  };
}

std::vector<std::string> find_fallbacks(const kernels::KernelTable& table, bool own_memory,
                                        const Path& system_root) {
  std::vector<std::string> found;
  const InstructionSet best = kernels::select_kernel_table().set;
  if (table.set != best) {
    found.push_back(
        fmt::format("kernels: MINIM_CPU chooses {}, but this machine can do {}; unset "
                    "MINIM_CPU for speed",
                    instruction_set_name(table.set), instruction_set_name(best)));
  } else if (best == InstructionSet::kScalar) {
    found.push_back(
        "kernels: this processor has none of the vector instructions that minim knows; expect "
        "little speed");
  }
  const Machine machine = read_machine(system_root);
  if (machine.emulated) {
    found.push_back("machine: this processor is emulated, and many times slower than a real one");
  }
  if (machine.huge_pages == "never" && !own_memory) {
    found.push_back(
        "memory: weights get small pages, which costs some speed; as root: echo madvise > "
        "/sys/kernel/mm/transparent_hugepage/enabled");
  }
  return found;
}

// Where the program leaves the threads to us, as many of them as `minim tune` found to be best.
void tune_threads(const Context& context, std::vector<std::string>& fallbacks) {
  try {
    if (const auto tuning = read_tuning(tuning_path(), tuning_key(context.kernels.set))) {
      apply_tuning(*tuning, context.threads);
    }
  } catch (const Error& error) {
    fallbacks.emplace_back(error.what());
  }
}

Path root_argument(const char* root) { return root == nullptr ? Path("/") : Path(root); }

}  // namespace

SharedEngine::SharedEngine(const minim_engine_options& options)
    : hooks_(options.thread_hooks),
      system_root_(root_argument(options.system_root)),
      threads_(thread_count(options.threads), thread_hooks("worker")),
      context_{threads_, kernels::select_kernel_table_from_environment(),
               log_sink(options.log, options.log_user), memory_source(options.allocator)},
      fallbacks_(
          find_fallbacks(context_.kernels, static_cast<bool>(context_.memory), system_root_)),
      meter_({.root = system_root_}) {
  if (options.threads == 0) tune_threads(context_, fallbacks_);
  if (options.governor == 0) return;
  governor_ = std::make_unique<Governor>(
      threads_, GovernorOptions{},
      [this](const GovernorEvent& event) { notices_.post(event.text); },
      GovernorWorld{.root = system_root_});
}

void SharedEngine::interrupt_rest() {
  if (governor_ != nullptr) governor_->interrupt();
}

Energy SharedEngine::energy() {
  const std::lock_guard lock(meter_mutex_);
  return meter_.read();
}

ThreadHooks SharedEngine::thread_hooks(const char* purpose) const {
  ThreadHooks result;
  const minim_thread_hooks hooks = hooks_;
  if (hooks.started != nullptr) {
    result.started = [hooks, purpose](int index) { hooks.started(hooks.user, purpose, index); };
  }
  if (hooks.ended != nullptr) {
    result.ended = [hooks, purpose](int index) { hooks.ended(hooks.user, purpose, index); };
  }
  return result;
}

std::unique_ptr<ThreadPool> SharedEngine::make_loading_threads() const {
  return std::make_unique<ThreadPool>(threads_.thread_count(), thread_hooks("loader"));
}

SchedulerThreadHooks SharedEngine::scheduler_hooks() {
  const int index = scheduler_threads_.fetch_add(1);
  const ThreadHooks hooks = thread_hooks("scheduler");
  SchedulerThreadHooks result;
  if (hooks.started) result.started = [hooks, index] { hooks.started(index); };
  if (hooks.ended) result.ended = [hooks, index] { hooks.ended(index); };
  if (governor_ != nullptr) {
    result.after_step = [this](bool first) {
      if (first) governor_->begin_work();
      governor_->pause_before_next();
    };
  }
  return result;
}

}  // namespace minim::api

using minim::api::guard;

minim_status minim_engine_new(const minim_engine_options* options, minim_engine** engine,
                              minim_error* error) noexcept {
  return guard(error, [&] {
    minim_engine*& result = minim::api::required(engine, "engine");
    const minim_engine_options defaults = MINIM_ENGINE_OPTIONS_INIT;
    const auto known = minim::api::read_struct(options, defaults, "options");
    result = new minim_engine{std::make_shared<minim::api::SharedEngine>(known)};
  });
}

void minim_engine_release(minim_engine* engine) noexcept { delete engine; }

const char* minim_engine_kernels(const minim_engine* engine) noexcept {
  if (engine == nullptr) return "";
  return minim::instruction_set_name(engine->shared->context().kernels.set);
}
