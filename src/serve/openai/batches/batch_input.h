// The input file of a batch: a request a line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace minim::serve {

struct BatchLine {
  std::string custom_id;
  std::string body;  // JSON
};

// Lines that are not blank, in order; views of the content.
std::vector<std::string_view> split_lines(std::string_view content);

// Throws Refusal with what is wrong: what is no {"custom_id", "method": "POST", "url", "body"}, an
// url that is not the endpoint, and bodies that ask for a stream or for an answer in the
// background.
BatchLine read_batch_line(std::string_view line, const std::string& endpoint);

// What is wrong with all of them, as the field "errors" of a batch has it: null where nothing is.
OrderedJson check_batch_input(const std::vector<std::string_view>& lines,
                              const std::string& endpoint);

}  // namespace minim::serve
