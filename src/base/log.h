// Log lines go to whoever embeds minim; the library itself never prints.
#pragma once

#include <functional>
#include <string_view>

namespace minim {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Called from any thread that works for this context; must be thread safe.
using LogSink = std::function<void(LogLevel, std::string_view)>;

}  // namespace minim
