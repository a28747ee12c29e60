#include "cli/model_summary.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "cli/terminal.h"
#include "formats/byte_reader.h"

namespace minim::cli {
namespace {

constexpr size_t kArchitectureShown = 40;

// A value of another type than expected is as good as none: this is about what to show.
std::string text_of(const Metadata& metadata, const std::string& key) {
  const MetadataValue* value = metadata.find(key);
  if (value == nullptr) return "";
  const auto* text = std::get_if<std::string>(&value->value);
  return text == nullptr ? "" : *text;
}

int64_t integer_of(const Metadata& metadata, const std::string& key) {
  try {
    return metadata.integer(key).value_or(0);
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace

double ModelSummary::bits_per_weight() const {
  return parameters == 0 ? 0 : static_cast<double>(bytes) * 8 / static_cast<double>(parameters);
}

std::string ModelSummary::class_name() const {
  return fmt::format("{} {} {}", architecture, format_count(static_cast<double>(parameters)), type);
}

ModelSummary summarize(const ModelFile& file) {
  ModelSummary summary;
  std::map<DataType, uint64_t> bytes_of;
  for (const TensorEntry& tensor : file.tensors()) {
    summary.parameters += static_cast<uint64_t>(tensor.value_count());
    summary.bytes += tensor.byte_count();
    bytes_of[tensor.type] += tensor.byte_count();
  }
  const auto most =
      std::max_element(bytes_of.begin(), bytes_of.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  summary.type = most == bytes_of.end() ? "none" : data_type_info(most->first).name;
  const std::string architecture = text_of(file.metadata(), "general.architecture");
  summary.architecture =
      architecture.empty() ? "unknown" : printable(architecture, kArchitectureShown);
  summary.context_tokens = integer_of(file.metadata(), architecture + ".context_length");
  summary.has_chat_template = !text_of(file.metadata(), "tokenizer.chat_template").empty();
  return summary;
}

}  // namespace minim::cli
