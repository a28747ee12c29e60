#include "serve/engine/model_registry.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "formats/builtin/builtin_models.h"
#include "model/memory.h"
#include "serve/request/refusal.h"
#include "text/utf8.h"

namespace minim::serve {
namespace {

uint64_t folder_bytes(const Path& path) {
  if (const BuiltinModel* model = find_builtin(path)) return model->bytes.size();
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) return std::filesystem::file_size(path, error);
  uint64_t bytes = 0;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_regular_file(ignored)) bytes += entry->file_size(ignored);
  }
  return bytes;
}

// Of a model that is built in, that of the program.
int64_t written_at(const Path& path) {
  const Path file = find_builtin(path) != nullptr ? Path("/proc/self/exe") : path;
  struct stat status {};
  return ::stat(file.c_str(), &status) == 0 ? status.st_mtim.tv_sec : 0;
}

void check_adapters(const ModelSource& source, std::set<std::string>& ids) {
  for (const auto& [name, adapters] : source.adapters) {
    const std::string id = source.id + ":" + name;
    if (name.empty() || adapters.empty() || !ids.insert(id).second) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("serve: adapters cannot be called '{}': it is empty, or the id of "
                              "another model",
                              id));
    }
    for (const AdapterSource& each : adapters) {
      std::error_code error;
      if (std::filesystem::exists(each.path, error)) continue;
      throw Error(ErrorCode::kNotFound, fmt::format("serve: the adapter '{}' of '{}' is not there",
                                                    each.path.string(), id));
    }
  }
}

}  // namespace

ModelRegistry::ModelRegistry(const Context& context, std::vector<ModelSource> sources,
                             const ModelRegistryOptions& options)
    : context_(context), options_(options) {
  if (sources.empty()) throw Error(ErrorCode::kInvalidArgument, "serve: no model was given");
  std::set<std::string> ids;
  for (ModelSource& source : sources) {
    if (source.id.empty() || !ids.insert(source.id).second) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("serve: two models would have the id '{}'; give ID=PATH", source.id));
    }
    entries_.push_back({std::move(source), nullptr, 0});
  }
  for (const Entry& entry : entries_) check_adapters(entry.source, ids);
}

std::vector<ModelListing> ModelRegistry::list() const {
  std::vector<ModelListing> listings;
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) {
      listings.push_back({.id = entry.source.id, .source = entry.source, .loaded = entry.model});
      for (const auto& [name, adapters] : entry.source.adapters) {
        listings.push_back({.id = entry.source.id + ":" + name,
                            .adapter = name,
                            .source = entry.source,
                            .loaded = entry.model});
      }
    }
  }
  for (ModelListing& listing : listings) {
    if (listing.adapter.empty()) {
      listing.created = written_at(listing.source.path);
      listing.file_bytes = folder_bytes(listing.source.path);
      continue;
    }
    for (const AdapterSource& each : listing.source.adapters.find(listing.adapter)->second) {
      listing.created = std::max(listing.created, written_at(each.path));
      listing.file_bytes += folder_bytes(each.path);
    }
  }
  return listings;
}

ModelRegistry::Found ModelRegistry::entry(std::string_view id) {
  if (id.empty()) return {entries_.front(), {}};
  for (Entry& entry : entries_) {
    const ModelSource& source = entry.source;
    if (source.id == id) return {entry, {}};
    const size_t colon = source.id.size();
    if (!id.starts_with(source.id) || id.substr(colon, 1) != ":") continue;
    const auto adapter = source.adapters.find(id.substr(colon + 1));
    if (adapter != source.adapters.end()) return {entry, adapter->first};
  }
  throw Refusal(404,
                fmt::format("the model '{}' does not exist; /v1/models lists those that do",
                            replace_invalid_utf8(id.substr(0, 100))),
                "model", "model_not_found");
}

std::shared_ptr<ServedModel> ModelRegistry::use(const Found& found) {
  found.entry.last_use = ++uses_;
  const std::shared_ptr<ServedModel>& model = found.entry.model;
  if (model == nullptr || found.adapter.empty()) return model;
  return {model, model->with_adapters(found.adapter)};  // whoever has the one keeps the other
}

std::shared_ptr<ServedModel> ModelRegistry::find(std::string_view id) {
  const std::lock_guard lock(mutex_);
  return use(entry(id));
}

// REQUIRES: loading_ is held.
void ModelRegistry::make_room(const Entry& wanted) {
  if (options_.weight_bytes_max == 0) return;
  const auto file = open_model_file(wanted.source.path, {.tokenizer = wanted.source.tokenizer});
  const uint64_t needed = estimate_memory(*file).weight_bytes;
  std::vector<std::shared_ptr<ServedModel>> unloaded;  // go when the lock is gone
  const std::lock_guard lock(mutex_);
  for (;;) {
    uint64_t used = 0;
    Entry* oldest = nullptr;
    for (Entry& entry : entries_) {
      if (entry.model == nullptr) continue;
      used += entry.model->model().weight_bytes();
      // One share is the registry's own.
      if (entry.model.use_count() > 1) continue;
      if (oldest == nullptr || entry.last_use < oldest->last_use) oldest = &entry;
    }
    if (used + needed <= options_.weight_bytes_max) return;
    if (oldest == nullptr && used == 0) {
      throw Refusal(503,
                    fmt::format("the model '{}' takes {} bytes, more than all models may; give the "
                                "server more memory",
                                wanted.source.id, needed),
                    "model", "model_too_large");
    }
    if (oldest == nullptr) {
      throw Refusal(503,
                    fmt::format("there is no room for the model '{}' while others are in use; try "
                                "again later",
                                wanted.source.id),
                    "model", "overloaded");
    }
    unloaded.push_back(std::exchange(oldest->model, nullptr));
  }
}

std::shared_ptr<ServedModel> ModelRegistry::load(std::string_view id,
                                                 const ProgressSink& progress) {
  if (auto model = find(id)) return model;
  const std::lock_guard loading(loading_);
  if (auto model = find(id)) return model;
  const Found wanted = entry(id);  // entries themselves never go
  make_room(wanted.entry);
  auto model = std::make_shared<ServedModel>(context_, turns_, wanted.entry.source, options_.model,
                                             progress);
  const std::lock_guard lock(mutex_);
  wanted.entry.model = std::move(model);
  return use(wanted);
}

bool ModelRegistry::unload(std::string_view id) {
  std::shared_ptr<ServedModel> model;
  const std::lock_guard loading(loading_);
  {
    const std::lock_guard lock(mutex_);
    model = std::exchange(entry(id).entry.model, nullptr);
  }
  return model != nullptr;
}

}  // namespace minim::serve
