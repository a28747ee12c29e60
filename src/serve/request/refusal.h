// A request that is not served, in the words of the reply. Each dialect writes it in its own form.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace minim::serve {

class Refusal : public std::runtime_error {
 public:
  // `param` is the path of the field that is to blame: "messages[0].content"; empty: none.
  Refusal(int status, const std::string& message, std::string param = {}, std::string code = {})
      : std::runtime_error(message),
        status_(status),
        param_(std::move(param)),
        code_(std::move(code)) {}

  int status() const { return status_; }
  const std::string& param() const { return param_; }
  const std::string& code() const { return code_; }  // "context_length_exceeded"; may be empty

  // After so many seconds the same request may be served.
  Refusal& retry_after(double seconds) {
    retry_seconds_ = seconds;
    return *this;
  }
  std::optional<double> retry_seconds() const { return retry_seconds_; }

 private:
  int status_;
  std::string param_;
  std::string code_;
  std::optional<double> retry_seconds_;
};

}  // namespace minim::serve
