#include "api/guard.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "text/utf8.h"

namespace minim::api {

void set_error(minim_error* error, minim_status status, const char* message) noexcept {
  if (error == nullptr) return;
  constexpr size_t kMost = sizeof(error->message) - 1;
  const std::string_view cut = std::string_view(message).substr(0, kMost);
  const size_t size = cut.size() < kMost ? cut.size() : complete_utf8_prefix(cut);
  error->status = status;
  std::memcpy(error->message, cut.data(), size);
  error->message[size] = '\0';
}

minim_status report_exception(minim_error* error) noexcept {
  const auto report = [&](minim_status status, const char* message) {
    set_error(error, status, message);
    return status;
  };
  try {
    throw;
  } catch (const Failure& failure) {
    return report(failure.status(), failure.what());
  } catch (const Error& failure) {
    return report(static_cast<minim_status>(failure.code()), failure.what());
  } catch (const std::bad_alloc&) {
    return report(MINIM_OUT_OF_MEMORY,
                  "api: out of memory; release what is not needed, or ask for less");
  } catch (const std::length_error& failure) {
    return report(MINIM_LIMIT, failure.what());
  } catch (const std::system_error& failure) {
    // Threads are what the system is asked for outside of files.
    const bool exhausted = failure.code() == std::errc::resource_unavailable_try_again;
    return report(exhausted ? MINIM_LIMIT : MINIM_IO, failure.what());
  } catch (const std::exception& failure) {
    return report(MINIM_INTERNAL, failure.what());
  } catch (...) {
    return report(MINIM_INTERNAL, "api: something was thrown that is no exception");
  }
}

}  // namespace minim::api

const char* minim_status_name(int32_t status) noexcept {
  switch (status) {
    case MINIM_OK: return "ok";
    case MINIM_BUSY: return "busy";
    case MINIM_OUT_OF_MEMORY: return "out of memory";
    case MINIM_INTERNAL: return "internal";
    default: return minim::error_code_name(static_cast<minim::ErrorCode>(status));
  }
}
