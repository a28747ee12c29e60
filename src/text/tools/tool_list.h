// The tools that a model may call, as OpenAI's API lists them:
//
//   [{"type": "function", "function": {"name": ..., "description": ..., "parameters": {...}}}]
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace minim {

struct Tool {
  std::string name;
  std::string description;
  OrderedJson parameters;  // a JSON schema of an object
};

struct ToolList {
  static constexpr size_t kToolsMax = 128;
  static constexpr size_t kNameBytesMax = 64;

  std::vector<Tool> tools;

  // Null where there is none.
  const Tool* find(std::string_view name) const;
  // As a chat template gets them.
  OrderedJson json() const;
};

// Functions without the wrapping of "type" are read too. Throws kFormat for text that is no list of
// tools, saying which tool and which key, kUnsupported for other types of tools, and kLimit.
ToolList parse_tools(std::string_view text);
ToolList read_tools(const OrderedJson& list);

}  // namespace minim
