#include "cli/model_card.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <system_error>

#include "formats/builtin/builtin_models.h"
#include "formats/byte_reader.h"

namespace minim::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCardBytesMax = size_t{64} << 10;
constexpr size_t kLineBytesMax = size_t{16} << 10;
constexpr int64_t kBaseModelsMax = 16;

// GGUF's general keys of origin, in the order of a card.
constexpr std::array<std::pair<const char*, const char*>, 20> kFacts = {{
    {"description", "description"},
    {"author", "author"},
    {"organization", "organization"},
    {"version", "version"},
    {"finetune", "finetune"},
    {"basename", "basename"},
    {"size_label", "size label"},
    {"license", "licence"},
    {"license.name", "licence name"},
    {"license.link", "licence text"},
    {"url", "url"},
    {"doi", "doi"},
    {"repo_url", "repository"},
    {"source.url", "source"},
    {"source.repo_url", "source repository"},
    {"source.doi", "source doi"},
    {"source.huggingface.repository", "source repository"},
    {"quantized_by", "quantized by"},
    {"tags", "tags"},
    {"languages", "languages"},
}};

// A text, or the texts of a list with commas between them; empty for anything else.
std::string text_of(const Metadata& metadata, const std::string& key) {
  const MetadataValue* value = metadata.find(key);
  if (value == nullptr) return "";
  if (const auto* text = std::get_if<std::string>(&value->value)) return *text;
  const auto* array = std::get_if<MetadataArray>(&value->value);
  const auto* texts =
      array == nullptr ? nullptr : std::get_if<std::vector<std::string>>(&array->values);
  std::string joined;
  for (size_t i = 0; texts != nullptr && i < texts->size(); ++i) {
    joined += (i > 0 ? ", " : "") + (*texts)[i];
  }
  return joined;
}

void add_base_models(const Metadata& metadata, ModelCard& card) {
  const MetadataValue* count = metadata.find("general.base_model.count");
  const auto* stated = count == nullptr ? nullptr : std::get_if<uint64_t>(&count->value);
  const int64_t most =
      stated == nullptr
          ? 0
          : static_cast<int64_t>(std::min<uint64_t>(*stated, uint64_t{kBaseModelsMax}));
  for (int64_t i = 0; i < most; ++i) {
    std::string text;
    for (const char* part : {"organization", "name", "version", "repo_url", "url"}) {
      const std::string value = text_of(metadata, fmt::format("general.base_model.{}.{}", i, part));
      if (!value.empty()) text += (text.empty() ? "" : " ") + value;
    }
    if (!text.empty()) card.facts.emplace_back("base model", text);
  }
}

bool is_only_model(const Path& model) {
  std::error_code error;
  int count = 0;
  const Path folder = model.has_parent_path() ? model.parent_path() : Path(".");
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string extension = entry->path().extension().string();
    if (extension == ".gguf" || extension == ".GGUF" || extension == ".bin") ++count;
  }
  return count == 1;
}

}  // namespace

ModelCard read_model_card(const ModelFile& file) {
  const Metadata& metadata = file.metadata();
  ModelCard card;
  card.title = text_of(metadata, "general.name");
  for (const auto& [key, label] : kFacts) {
    const std::string text = text_of(metadata, std::string("general.") + key);
    if (!text.empty()) card.facts.emplace_back(label, text);
  }
  add_base_models(metadata, card);
  card.license = text_of(metadata, "general.license");
  if (card.license.empty()) card.license = text_of(metadata, "general.license.name");
  for (const char* key :
       {"general.source.url", "general.source.huggingface.repository", "general.source.repo_url",
        "general.repo_url", "general.url", "general.base_model.0.repo_url"}) {
    if (card.source.empty()) card.source = text_of(metadata, key);
  }
  return card;
}

std::optional<CardText> find_card_text(const Path& model) {
  if (is_builtin_path(model)) return std::nullopt;
  std::error_code error;
  std::vector<Path> candidates;
  if (fs::is_directory(model, error)) {
    candidates = {model / "README.md", model / "MODEL_CARD.md"};
  } else {
    Path named = model;
    candidates = {named.replace_extension(".md"), Path(model.string() + ".md")};
    if (is_only_model(model)) candidates.push_back(model.parent_path() / "README.md");
  }
  for (const Path& path : candidates) {
    if (!fs::is_regular_file(path, error)) continue;
    std::ifstream file(path, std::ios::binary);
    std::string text(kCardBytesMax + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(file.gcount()));
    if (text.empty()) continue;
    const bool is_cut = text.size() > kCardBytesMax;
    text.resize(std::min(text.size(), kCardBytesMax));
    return CardText{path, std::move(text), is_cut};
  }
  return std::nullopt;
}

void add_license_of_text(const Path& model, ModelCard& card) {
  const auto found = find_card_text(model);
  if (!found || !found->text.starts_with("---")) return;
  constexpr std::string_view kKey = "\nlicense:";
  const std::string head = found->text.substr(0, found->text.find("\n---"));
  const size_t key = head.find(kKey);
  if (key == std::string::npos) return;
  const size_t begin = head.find_first_not_of(" \t", key + kKey.size());
  if (begin == std::string::npos) return;
  const size_t end = std::min(head.find_first_of("\r\n", begin), head.size());
  card.license = head.substr(begin, end - begin);
  if (!card.license.empty()) card.facts.emplace_back("licence", card.license);
}

std::string printable_lines(const std::string& text) {
  std::string shown;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    std::string expanded;
    for (const char c : line) expanded += c == '\t' ? std::string("    ") : std::string(1, c);
    shown += printable(expanded, kLineBytesMax) + "\n";
    begin = end + 1;
  }
  return shown;
}

}  // namespace minim::cli
