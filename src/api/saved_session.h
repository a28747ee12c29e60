// A session of the API as bytes: that of runtime/session_file.h, and after it, where there are any,
// the tokens that are still to be read (docs/formats/session.md).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/file.h"
#include "runtime/session_state.h"
#include "text/tokenizer.h"

namespace minim::api {

void save_session(const SessionState& state, std::span<const TokenId> pending, const Path& path);
std::vector<std::byte> save_session(const SessionState& state, std::span<const TokenId> pending);

// Restores `state` and returns the tokens to be read. Throws what SessionState::restore() throws,
// with `state` as it was.
std::vector<TokenId> load_session(std::span<const std::byte> bytes, SessionState& state);

}  // namespace minim::api
