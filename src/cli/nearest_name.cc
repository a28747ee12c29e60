#include "cli/nearest_name.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace minim::cli {
namespace {

constexpr size_t kEditsMax = 2;

// Edits (insert, delete, replace) between two words.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::optional<std::string_view> nearest_name(std::string_view word,
                                             std::span<const std::string_view> names) {
  std::optional<std::string_view> nearest;
  size_t fewest = kEditsMax + 1;
  for (const std::string_view name : names) {
    const size_t edits = edit_distance(word, name);
    if (edits < fewest) nearest = name;
    fewest = std::min(fewest, edits);
  }
  return nearest;
}

}  // namespace minim::cli
