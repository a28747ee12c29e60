// What every job needs and nothing owns globally: threads, the kernel table, the log.
#pragma once

#include <functional>
#include <string_view>

#include "base/log.h"
#include "base/thread_pool.h"

namespace minim {

namespace kernels {
struct KernelTable;
}

struct Context {
  ThreadPool& threads;
  const kernels::KernelTable& kernels;
  LogSink log;  // may be empty

  void warn(std::string_view message) const {
    if (log) log(LogLevel::kWarning, message);
  }
};

}  // namespace minim
