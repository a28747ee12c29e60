#include <fmt/core.h>

#include "serve/openai/handlers.h"
#include "serve/request/json_text.h"
#include "text/utf8.h"

namespace minim::serve {
namespace {

OrderedJson adapters_json(const ModelListing& listing) {
  OrderedJson list = OrderedJson::array();
  for (const AdapterSource& each : listing.source.adapters.find(listing.adapter)->second) {
    list.push_back({{"file", each.path.filename().string()}, {"weight", each.weight}});
  }
  return list;
}

OrderedJson model_json(const ModelListing& listing) {
  OrderedJson about = {{"loaded", listing.loaded != nullptr}, {"file_bytes", listing.file_bytes}};
  if (!listing.adapter.empty()) {
    about["base_model"] = listing.source.id;
    about["adapters"] = adapters_json(listing);
  }
  if (listing.loaded != nullptr) {
    about["context_tokens"] = listing.loaded->context_tokens();
    about["has_chat_template"] = listing.loaded->has_chat();
    about["warnings"] = listing.loaded->warnings();
  }
  return {{"id", listing.id},
          {"object", "model"},
          {"created", listing.created},
          {"owned_by", "minim"},
          {"minim", std::move(about)}};
}

}  // namespace

void list_models(const Call& call) {
  OrderedJson data = OrderedJson::array();
  for (const ModelListing& listing : call.parts.models.list()) data.push_back(model_json(listing));
  const OrderedJson body = {{"object", "list"}, {"data", std::move(data)}};
  call.exchange->respond({.body = json_text(body)});
}

void show_model(const Call& call) {
  for (const ModelListing& listing : call.parts.models.list()) {
    if (listing.id != call.argument) continue;
    return call.exchange->respond({.body = json_text(model_json(listing))});
  }
  call.parts.models.find(call.argument);  // refuses it
}

}  // namespace minim::serve
