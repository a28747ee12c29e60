// Any bytes as a row of a table: what it is cut into spells the row again.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "train/data/table_rows.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string row(reinterpret_cast<const char*>(data), size);
  for (const std::string delimiter : {",", ";", "\t", "->"}) {
    const auto fields = minim::train::split_row(row, delimiter);
    if (!fields) {
      MINIM_CHECK(minim::train::has_quotes(delimiter));
      continue;
    }
    std::string plain, quoted;
    for (const std::string& field : fields.value()) {
      plain += (plain.empty() && quoted.empty() ? "" : delimiter) + field;
      if (!quoted.empty()) quoted += delimiter;
      quoted += '"';
      for (const char c : field) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
      quoted += '"';
    }
    if (minim::train::has_quotes(delimiter)) {
      const auto again = minim::train::split_row(quoted, delimiter);
      MINIM_CHECK(again && again.value() == fields.value());
    } else {
      MINIM_CHECK(plain == row);
    }
    static_cast<void>(minim::train::read_column_names(row, delimiter));
  }
  return 0;
}
