// What the parameters of tools may be, for notations that do not tell text from other values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/tools/tool_list.h"

namespace minim {

class ToolParameters {
 public:
  ToolParameters() = default;
  explicit ToolParameters(const ToolList& list);

  // What is written as `text`: itself where the parameter may only be text; otherwise the JSON
  // that it is, as far as the parameter may be that. Where nothing is known of the parameter,
  // whatever is JSON is no text.
  OrderedJson read(const std::string& tool, const std::string& parameter,
                   std::string_view text) const;

 private:
  std::map<std::string, std::map<std::string, uint8_t>> kinds_;  // ValueKinds
};

}  // namespace minim
