// Who may ask for what: keys that are kept as hashes only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/file.h"
#include "serve/limits/rate_limits.h"

namespace minim::serve {

enum class Scope : uint8_t {
  kNone = 0,       // asks for nothing: anybody may
  kInference = 1,  // models, generation, embeddings
  kMetrics = 2,
  kAdmin = 4,  // loading and unloading models
};

struct ApiKey {
  std::string name;  // for logs
  uint8_t scopes = 0;
  RateLimit limit;

  bool allows(Scope scope) const {
    return (scopes & static_cast<uint8_t>(scope)) == static_cast<uint8_t>(scope);
  }
};

// A file of lines "NAME SHA256 SCOPE,SCOPE", behind which may stand "requests=N" and "tokens=N" a
// minute: the scopes are inference, metrics, admin. Lines that begin with # are comments. A key has
// 256 random bits, so that its hash needs no salt.
class ApiKeys {
 public:
  ApiKeys() = default;  // none: everything is allowed
  // Throws kNotFound, kIo, or kFormat with the number of the line.
  explicit ApiKeys(const Path& file);

  bool empty() const { return keys_.empty(); }
  void add(std::string_view key, ApiKey about);  // from elsewhere
  // Null for a key that is not known. Takes no longer for one that almost is.
  std::shared_ptr<const ApiKey> find(std::string_view key) const;
  // One of its keys, for what is done in its name; null where there is none.
  std::shared_ptr<const ApiKey> find_name(std::string_view name) const;

 private:
  std::unordered_map<std::string, std::shared_ptr<const ApiKey>> keys_;  // by the hash
};

// "mk-" and 64 hexadecimal digits.
std::string make_api_key();
// Appends a line for it to the file, which only its owner can then read. Throws kIo, and
// kInvalidArgument for names and scopes that make no sense.
void append_api_key(const Path& file, std::string_view key, std::string_view name,
                    std::string_view scopes, const RateLimit& limit = {});

}  // namespace minim::serve
