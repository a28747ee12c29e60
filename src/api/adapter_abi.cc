#include "api/adapter.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

#include "api/arguments.h"
#include "api/guard.h"
#include "api/model.h"
#include "api/session.h"

namespace minim::api {
namespace {

std::shared_ptr<const Adapter> open_adapter(OpenModel& model, std::string_view path) {
  SharedEngine& engine = model.engine();
  const Turns::Turn turn(engine.turns());
  return Adapter::load(engine.context(), model.shared_model(), Path(path));
}

// Null for none.
std::shared_ptr<const AdapterSet> make_set(std::span<const minim_adapter* const> adapters,
                                           std::span<const float> weights) {
  if (adapters.empty()) return nullptr;
  std::vector<AdapterSet::Use> uses;
  for (size_t i = 0; i < adapters.size(); ++i) {
    const std::string name = fmt::format("adapters[{}]", i);
    uses.push_back(
        {required(adapters[i], name.c_str()).shared, weights.empty() ? 1.0f : weights[i]});
  }
  return std::make_shared<const AdapterSet>(std::move(uses));
}

}  // namespace
}  // namespace minim::api

using minim::api::guard;
using minim::api::list_argument;
using minim::api::required;
using minim::api::text_argument;
using minim::api::write_struct;

minim_status minim_adapter_open(minim_model* model, const char* path, minim_adapter** adapter,
                                minim_error* error) noexcept {
  return guard(error, [&] {
    minim_adapter*& result = required(adapter, "adapter");
    minim::api::OpenModel& of = *required(model, "model").shared;
    result = new minim_adapter{minim::api::open_adapter(of, text_argument(path, "path"))};
  });
}

void minim_adapter_release(minim_adapter* adapter) noexcept { delete adapter; }

minim_status minim_adapter_get_info(const minim_adapter* adapter, minim_adapter_info* info,
                                    minim_error* error) noexcept {
  return guard(error, [&] {
    const minim::Adapter& shared = *required(adapter, "adapter").shared;
    minim_adapter_info result = MINIM_ADAPTER_INFO_INIT;
    result.rank_max = static_cast<int32_t>(shared.rank_max());
    result.matrices = shared.part_count();
    result.bytes = shared.bytes();
    write_struct(result, info, "info");
  });
}

minim_status minim_session_set_adapters(minim_session* session,
                                        const minim_adapter* const* adapters, const float* weights,
                                        size_t count, minim_error* error) noexcept {
  return guard(error, [&] {
    const auto list = list_argument(adapters, count, "adapters");
    const auto factors = list_argument(weights, weights == nullptr ? 0 : count, "weights");
    required(session, "session").live->set_adapters(minim::api::make_set(list, factors));
  });
}
