// What every job needs and nothing owns globally: threads, the kernel table, the log,
// memory.
#pragma once

#include <functional>
#include <string_view>

#include "base/log.h"
#include "base/memory_source.h"
#include "base/thread_pool.h"

namespace minim {

namespace kernels {
struct KernelTable;
}

struct Context {
  ThreadPool& threads;
  const kernels::KernelTable& kernels;
  LogSink log;          // may be empty
  MemorySource memory;  // of what is large and stays; empty: huge pages of the system

  void warn(std::string_view message) const {
    if (log) log(LogLevel::kWarning, message);
  }
};

}  // namespace minim
