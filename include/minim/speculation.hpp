// The fifth part of minim.hpp, which includes it: draft models.
#pragma once

#include "minim/minim.hpp"

namespace minim {
#if !defined(MINIM_BUILDING)
inline
#endif
    namespace v1 {

// A smaller model of the same vocabulary, which guesses what its model says next:
// GenerateOptions::draft.
class Draft {
 public:
  Draft(const Model& model, const std::string& path) {
    minim_draft* draft = nullptr;
    detail::call([&](minim_error* error) {
      return minim_draft_open(model.get(), path.c_str(), &draft, error);
    });
    handle_ = {draft, nullptr};
  }

  minim_draft* get() const { return handle_.get(); }

 private:
  detail::Handle<minim_draft, minim_draft_release> handle_;
};

}  // namespace v1
}  // namespace minim
