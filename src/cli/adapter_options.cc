#include "cli/adapter_options.h"

#include <charconv>
#include <filesystem>

namespace minim::cli {

// What follows the last colon is a weight where it is a number, and the whole names no file.
AdapterChoice parse_adapter_choice(const std::string& text) {
  std::error_code ignored;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || std::filesystem::exists(text, ignored)) return {text};
  AdapterChoice choice = {text.substr(0, colon)};
  const char* const begin = text.data() + colon + 1;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(begin, end, choice.weight);
  return read.ec == std::errc() && read.ptr == end && begin != end ? choice : AdapterChoice{text};
}

void add_adapter_options(CLI::App& app, AdapterOptions& options) {
  app.add_option("--lora", options.files,
                 "A LoRA or DoRA adapter (GGUF, or a folder of PEFT); the weight multiplies what "
                 "it changes; may be given again")
      ->type_name("FILE[:WEIGHT]")
      ->allow_extra_args(false);
}

Adapters::Adapters(const v1::Model& model, const AdapterOptions& options) {
  for (const std::string& text : options.files) {
    const AdapterChoice choice = parse_adapter_choice(text);
    adapters_.emplace_back(model, choice.path);
    weights_.push_back(choice.weight);
  }
}

void Adapters::give(v1::Session& session) const {
  if (!adapters_.empty()) session.set_adapters(adapters_, weights_);
}

}  // namespace minim::cli
