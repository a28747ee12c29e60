#include "formats/model_file.h"

#include <fmt/core.h>

#include <utility>

#include "base/error.h"

namespace minim {

ModelFile::ModelFile(Path path, std::string format, Metadata metadata,
                     std::vector<TensorEntry> tensors)
    : path_(std::move(path)),
      format_(std::move(format)),
      metadata_(std::move(metadata)),
      tensors_(std::move(tensors)) {
  index_.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (!index_.emplace(tensors_[i].name, i).second) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("{}: the tensor '{}' stands twice", format_, tensors_[i].name));
    }
  }
}

const TensorEntry* ModelFile::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const TensorEntry& ModelFile::require(std::string_view name) const {
  const TensorEntry* entry = find(name);
  if (entry == nullptr) {
    throw Error(ErrorCode::kFormat, fmt::format("{}: '{}' has no tensor '{}', which its "
                                                "architecture needs",
                                                format_, path_.string(), name));
  }
  return *entry;
}

}  // namespace minim
