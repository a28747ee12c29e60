#include "serve/openai/list_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

namespace minim::serve {
namespace {

int64_t read_limit(const HttpRequest& request, const ListPageOptions& options) {
  const auto text = request.parameter("limit");
  if (!text) return options.limit;
  int64_t limit = 0;
  const char* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, limit);
  if (read.ec != std::errc() || read.ptr != end || limit < 1 || limit > options.limit_max) {
    throw Refusal(400,
                  fmt::format("'limit' must be a whole number from 1 to {}", options.limit_max),
                  "limit", "invalid_value");
  }
  return limit;
}

// Where the object of that id stands.
size_t find_id(const std::vector<const OrderedJson*>& list, const std::string& id,
               const char* param) {
  for (size_t i = 0; i < list.size(); ++i) {
    if ((*list[i])["id"] == id) return i;
  }
  throw Refusal(400, fmt::format("'{}' is the id of nothing in this list", param), param,
                "invalid_value");
}

}  // namespace

OrderedJson list_page(const HttpRequest& request, const OrderedJson& oldest_first,
                      const ListPageOptions& options) {
  const auto limit = static_cast<size_t>(read_limit(request, options));
  const std::string order =
      request.parameter("order").value_or(options.newest_first ? "desc" : "asc");
  if (order != "asc" && order != "desc") {
    throw Refusal(400, "'order' must be 'asc' or 'desc'", "order", "invalid_value");
  }
  std::vector<const OrderedJson*> list;
  for (const OrderedJson& each : oldest_first) list.push_back(&each);
  if (order == "desc") std::reverse(list.begin(), list.end());
  size_t begin = 0;
  size_t end = list.size();
  if (const auto after = request.parameter("after")) begin = find_id(list, *after, "after") + 1;
  if (const auto before = request.parameter("before")) end = find_id(list, *before, "before");
  OrderedJson data = OrderedJson::array();
  for (size_t i = begin; i < end && data.size() < limit; ++i) data.push_back(*list[i]);
  const bool has_more = begin + data.size() < end;
  const OrderedJson first = data.empty() ? OrderedJson(nullptr) : data.front()["id"];
  const OrderedJson last = data.empty() ? OrderedJson(nullptr) : data.back()["id"];
  return {{"object", "list"},
          {"data", std::move(data)},
          {"first_id", first},
          {"last_id", last},
          {"has_more", has_more}};
}

}  // namespace minim::serve
