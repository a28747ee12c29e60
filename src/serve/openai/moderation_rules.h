// Rules that tell what kind of harm a text may be about: words near each other, and nothing of what
// a text means. How often they are right has not been measured.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <string_view>

namespace minim::serve {

// As OpenAI's API names them, in its order.
inline constexpr std::array<const char*, 13> kModerationCategories = {
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
};
using ModerationFlags = std::bitset<kModerationCategories.size()>;

// In time linear in the length of the text.
ModerationFlags moderate(std::string_view text);

}  // namespace minim::serve
