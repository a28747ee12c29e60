#include "cli/model_catalog.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <tuple>

#include "base/error.h"
#include "formats/builtin/builtin_models.h"
#include "formats/byte_reader.h"
#include "formats/llama2c/llama2c_reader.h"

namespace minim::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kLevelsMax = 3;  // of folders below one that is listed
constexpr size_t kHeaderBytes = 256;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// An older checkpoint of llama2.c begins with plausible numbers, a newer one with a magic word;
// everything else that ends in .bin (PyTorch's files, tokenizers) is no model for minim.
bool is_checkpoint(const Path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, kHeaderBytes> header = {};
  file.read(header.data(), header.size());
  const auto count = static_cast<size_t>(file.gcount());
  return is_llama2c(std::as_bytes(std::span(header.data(), count)));
}

bool is_model_file(const Path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".gguf" || extension == ".GGUF") return true;
  std::error_code error;
  return extension == ".bin" && fs::is_regular_file(path, error) && is_checkpoint(path);
}

std::string name_of(const Path& path, const Path& folder) {
  Path name = path.lexically_relative(folder);
  const std::string extension = name.extension().string();
  if (extension == ".gguf" || extension == ".GGUF" || extension == ".bin") {
    name.replace_extension();
  }
  return name.string();
}

// Folders that cannot be read are as good as empty.
void find_models(const Path& folder, const Path& root, int levels,
                 std::vector<CatalogEntry>& entries) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const Path& path = entry->path();
    if (path.filename().string().starts_with('.')) continue;
    std::error_code status_error;
    const bool is_link = entry->is_symlink(status_error);
    const fs::file_status status = entry->status(status_error);
    if (fs::is_directory(status)) {
      if (fs::exists(path / "config.json", status_error)) {
        entries.push_back({name_of(path, root), path, root});
      } else if (!is_link && levels > 0) {
        find_models(path, root, levels - 1, entries);
      }
    } else if ((fs::is_regular_file(status) || !fs::exists(status)) && is_model_file(path)) {
      CatalogEntry found = {name_of(path, root), path, root};
      if (!fs::exists(status)) found.problem = "a link that leads nowhere";
      entries.push_back(std::move(found));
    }
  }
}

bool has_name(const CatalogEntry& entry, const std::string& name) {
  return entry.name == name || entry.path.filename() == name ||
         entry.path.lexically_relative(entry.folder) == Path(name) ||
         Path(entry.name).filename() == name;
}

}  // namespace

std::vector<Path> model_folders() {
  std::vector<Path> folders;
  if (const std::string list = variable("MINIM_MODELS"); !list.empty()) {
    for (size_t begin = 0; begin <= list.size();) {
      const size_t end = std::min(list.find(':', begin), list.size());
      if (end > begin) folders.emplace_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
    return folders;
  }
  const std::string data = variable("XDG_DATA_HOME");
  const std::string home = variable("HOME");
  if (!data.empty()) {
    folders.push_back(Path(data) / "minim/models");
  } else if (!home.empty()) {
    folders.push_back(Path(home) / ".local/share/minim/models");
  }
  folders.emplace_back("models");
  return folders;
}

std::vector<CatalogEntry> list_models() {
  std::vector<CatalogEntry> entries;
  for (const Path& folder : model_folders()) find_models(folder, folder, kLevelsMax, entries);
  if (const Path path = variable("MINIM_MODEL"); !path.empty()) {
    std::error_code error;
    bool known = false;
    for (CatalogEntry& entry : entries) {
      if (!fs::equivalent(entry.path, path, error)) continue;
      entry.is_default = known = true;
    }
    if (!known) {
      CatalogEntry entry = {name_of(path, path.parent_path()), path, {}, true};
      if (!fs::exists(path, error)) entry.problem = "$MINIM_MODEL names a file that is not there";
      entries.push_back(std::move(entry));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const CatalogEntry& a, const CatalogEntry& b) {
    return std::tie(a.name, a.path) < std::tie(b.name, b.path);
  });
  for (const BuiltinModel& model : builtin_models()) {
    entries.push_back(
        {.name = std::string(model.name), .path = builtin_path(model), .is_builtin = true});
  }
  return entries;
}

std::string default_model() {
  if (std::string given = variable("MINIM_MODEL"); !given.empty()) return given;
  if (!builtin_models().empty()) return builtin_path(builtin_models().front()).string();
  throw Error(ErrorCode::kInvalidArgument,
              "models: none is named, and none is built in; name a file, or set $MINIM_MODEL");
}

Path resolve_model(const std::string& model) {
  std::error_code error;
  if (model.empty() || fs::exists(fs::symlink_status(model, error))) return model;
  std::vector<Path> found;
  for (const CatalogEntry& entry : list_models()) {
    if (!has_name(entry, model) || (entry.is_builtin && !found.empty())) continue;
    const bool again = std::any_of(found.begin(), found.end(), [&](const Path& other) {
      return fs::equivalent(other, entry.path, error);
    });
    if (!again) found.push_back(entry.path);
  }
  if (found.empty()) return model;
  if (found.size() == 1) return found.front();
  std::string paths;
  for (const Path& path : found) {
    paths += fmt::format("{}'{}'", paths.empty() ? "" : " and ", printable(path.string(), 1000));
  }
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("models: '{}' is the name of {}; give the path", printable(model), paths));
}

}  // namespace minim::cli
