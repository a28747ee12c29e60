// The fourth part of minim.hpp, which includes it: adapters.
#pragma once

#include "minim/minim.hpp"

namespace minim {
#if !defined(MINIM_BUILDING)
inline
#endif
    namespace v1 {

using AdapterInfo = minim_adapter_info;

// A LoRA or DoRA for sessions of its model: Session::set_adapters().
class Adapter {
 public:
  Adapter(const Model& model, const std::string& path) {
    minim_adapter* adapter = nullptr;
    detail::call([&](minim_error* error) {
      return minim_adapter_open(model.get(), path.c_str(), &adapter, error);
    });
    handle_ = {adapter, nullptr};
  }

  AdapterInfo info() const {
    auto info = detail::sized<minim_adapter_info>();
    detail::call([&](minim_error* error) { return minim_adapter_get_info(get(), &info, error); });
    return info;
  }
  minim_adapter* get() const { return handle_.get(); }

 private:
  detail::Handle<minim_adapter, minim_adapter_release> handle_;
};

}  // namespace v1
}  // namespace minim
