// Forms of any bytes: a content type up to the first zero byte, then a body.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/http/multipart.h"
#include "serve/request/refusal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const std::string_view type = input.substr(0, zero);
  const std::string_view body =
      zero == std::string_view::npos ? std::string_view() : input.substr(zero + 1);
  try {
    for (const auto& part : minim::serve::parse_form(type, body)) {
      const bool within = part.content.empty() ||
                          (part.content.data() >= body.data() &&
                           part.content.data() + part.content.size() <= body.data() + body.size());
      if (!within) std::abort();
    }
  } catch (const minim::serve::Refusal&) {
    // It is no form.
  }
  return 0;
}
