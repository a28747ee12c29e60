// The models that a server offers, loaded when they are asked for: under a budget of memory, the
// one that was not needed for longest goes first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "runtime/turns.h"
#include "serve/engine/served_model.h"

namespace minim::serve {

struct ModelRegistryOptions {
  ServedModelOptions model;
  // Of weights, all loaded models together; 0: no bound.
  uint64_t weight_bytes_max = 0;
};

struct ModelListing {
  std::string id;       // "nano:topic" with adapters
  std::string adapter;  // the name of these; empty: none
  ModelSource source;
  int64_t created = 0;                  // when its file was written: seconds since 1970
  uint64_t file_bytes = 0;              // of the adapters alone where there are some
  std::shared_ptr<ServedModel> loaded;  // null: it is not
};

// Safe to share between threads.
class ModelRegistry {
 public:
  // The first of them is the one that is meant where a request names none. Throws kInvalidArgument
  // for none at all, for an id that stands twice, those of adapters included, and for adapters
  // whose file is not there. The context must outlive it.
  ModelRegistry(const Context& context, std::vector<ModelSource> sources,
                const ModelRegistryOptions& options = {});

  const std::string& default_id() const { return entries_.front().source.id; }
  // Each model, and behind it what it is with adapters.
  std::vector<ModelListing> list() const;

  // The model if it is loaded, else null. Throws Refusal(404) for an id that is not offered. Empty:
  // the default one.
  std::shared_ptr<ServedModel> find(std::string_view id);
  // Loads it if need be, which takes its time. Throws what find() and ServedModel throw, and
  // Refusal(503) where models that are in use leave no room for it.
  std::shared_ptr<ServedModel> load(std::string_view id, const ProgressSink& progress = {});
  // Lets it go as soon as no request needs it; whether it was loaded.
  bool unload(std::string_view id);

 private:
  struct Entry {
    ModelSource source;
    std::shared_ptr<ServedModel> model;
    uint64_t last_use = 0;
  };

  struct Found {
    Entry& entry;
    std::string_view adapter;  // a name, or empty
  };
  Found entry(std::string_view id);
  std::shared_ptr<ServedModel> use(const Found& found);
  void make_room(const Entry& wanted);

  const Context& context_;
  const ModelRegistryOptions options_;
  Turns turns_;

  std::mutex loading_;        // held while one is loaded
  mutable std::mutex mutex_;  // guards what follows; never held while a model is loaded or goes
  std::vector<Entry> entries_;
  uint64_t uses_ = 0;
};

}  // namespace minim::serve
