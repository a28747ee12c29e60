#include "serve/openai/batches/batch_input.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "serve/request/fields.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

constexpr size_t kLinesMax = 50'000;
constexpr size_t kErrorsMax = 100;
constexpr size_t kIdMax = 512;

OrderedJson error_json(const std::string& code, const std::string& message,
                       const std::string& param, OrderedJson line) {
  return {{"code", code},
          {"message", message},
          {"param", param.empty() ? OrderedJson(nullptr) : OrderedJson(param)},
          {"line", std::move(line)}};
}

OrderedJson error_list(OrderedJson errors) {
  if (errors.empty()) return nullptr;
  return {{"object", "list"}, {"data", std::move(errors)}};
}

}  // namespace

std::vector<std::string_view> split_lines(std::string_view content) {
  std::vector<std::string_view> lines;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line = content.substr(begin, end - begin);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines.push_back(line);
    begin = end + 1;
  }
  return lines;
}

BatchLine read_batch_line(std::string_view line, const std::string& endpoint) {
  const OrderedJson value = parse_request_json(line);
  Fields fields(value);
  BatchLine read{.custom_id = fields.required_text("custom_id")};
  if (read.custom_id.empty() || read.custom_id.size() > kIdMax) {
    fields.refuse("custom_id", "must have 1 to 512 bytes");
  }
  fields.required("method");
  fields.choice("method", {"POST"});
  if (fields.required_text("url") != endpoint) {
    fields.refuse("url", fmt::format("must be the endpoint of the batch, {}", endpoint));
  }
  const OrderedJson& body = fields.required("body");
  Fields asked(body, "body");
  if (asked.boolean("stream").value_or(false)) {
    asked.refuse("stream", "cannot be true in a batch");
  }
  if (asked.boolean("background").value_or(false)) {
    asked.refuse("background", "cannot be true in a batch");
  }
  fields.finish();
  read.body = json_text(body);
  return read;
}

OrderedJson check_batch_input(const std::vector<std::string_view>& lines,
                              const std::string& endpoint) {
  OrderedJson errors = OrderedJson::array();
  if (lines.empty() || lines.size() > kLinesMax) {
    errors.push_back(error_json(
        lines.empty() ? "empty_file" : "too_many_requests",
        fmt::format("a batch has 1 to {} requests, and the file has {}", kLinesMax, lines.size()),
        "input_file_id", nullptr));
    return error_list(std::move(errors));
  }
  std::unordered_set<std::string> ids;
  for (size_t i = 0; i < lines.size() && errors.size() < kErrorsMax; ++i) {
    try {
      const BatchLine line = read_batch_line(lines[i], endpoint);
      if (!ids.insert(line.custom_id).second) {
        errors.push_back(error_json("duplicate_custom_id",
                                    "the 'custom_id' is that of an earlier line too", "custom_id",
                                    i + 1));
      }
    } catch (const Refusal& refusal) {
      errors.push_back(error_json(refusal.code().empty() ? "invalid_request" : refusal.code(),
                                  refusal.what(), refusal.param(), i + 1));
    }
  }
  return error_list(std::move(errors));
}

}  // namespace minim::serve
