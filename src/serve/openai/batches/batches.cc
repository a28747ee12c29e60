#include <fmt/core.h>

#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "serve/data/data_store.h"
#include "serve/openai/batches/batch_runner.h"
#include "serve/openai/batches/handlers.h"
#include "serve/openai/list_page.h"
#include "serve/openai/metadata.h"
#include "serve/request/fields.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

constexpr int64_t kWindowSeconds = 24 * 3600;
constexpr const char* kEndpoints[] = {"/v1/chat/completions", "/v1/completions", "/v1/embeddings",
                                      "/v1/responses", "/v1/moderations"};

bool is_under_way(const StoredBatch& batch) {
  return batch.status == "in_progress" || batch.status == "cancelling";
}

// As it is now: while it is under way, with what is known of its requests.
OrderedJson batch_json(DataStore& data, const StoredBatch& batch) {
  OrderedJson shown = batch.document;
  shown["status"] = batch.status;
  if (!is_under_way(batch)) return shown;
  const BatchCounts counts = data.counts(batch.id);
  // The end of a batch takes its results away: the counts are right if it has not come since.
  const auto now = data.find_batch(batch.holder, batch.id);
  if (now && !is_under_way(*now)) return batch_json(data, *now);
  shown["request_counts"]["completed"] = counts.completed;
  shown["request_counts"]["failed"] = counts.failed;
  return shown;
}

StoredBatch new_batch(const Call& call, Fields& fields) {
  StoredBatch batch{.id = make_data_id("batch_"), .holder = call.holder(), .status = "validating"};
  const std::string file = fields.required_text("input_file_id");
  fields.required("endpoint");
  const size_t endpoint = *fields.choice(
      "endpoint", {kEndpoints[0], kEndpoints[1], kEndpoints[2], kEndpoints[3], kEndpoints[4]});
  fields.required("completion_window");
  fields.choice("completion_window", {"24h"});
  const OrderedJson metadata = read_metadata(fields);
  fields.unsupported({"output_expires_after"});
  fields.finish();
  const int64_t now = std::time(nullptr);
  batch.document = {{"id", batch.id},
                    {"object", "batch"},
                    {"endpoint", kEndpoints[endpoint]},
                    {"errors", nullptr},
                    {"input_file_id", file},
                    {"completion_window", "24h"},
                    {"status", batch.status},
                    {"output_file_id", nullptr},
                    {"error_file_id", nullptr},
                    {"created_at", now},
                    {"in_progress_at", nullptr},
                    {"expires_at", now + kWindowSeconds},
                    {"finalizing_at", nullptr},
                    {"completed_at", nullptr},
                    {"failed_at", nullptr},
                    {"expired_at", nullptr},
                    {"cancelling_at", nullptr},
                    {"cancelled_at", nullptr},
                    {"request_counts", {{"total", 0}, {"completed", 0}, {"failed", 0}}},
                    {"metadata", metadata}};
  return batch;
}

StoredBatch find_batch(const Call& call, DataStore& data) {
  auto batch = data.find_batch(call.holder(), call.argument);
  if (batch) return *std::move(batch);
  throw Refusal(404, fmt::format("the batch '{}' is not known here", call.argument.substr(0, 100)),
                "batch_id", "not_found");
}

}  // namespace

void create_batch(const Call& call) {
  DataStore& data = data_of(call);
  respond_later(call, [call, &data] {
    const OrderedJson body = parse_request_json(call.request().body);
    Fields fields(body);
    const StoredBatch batch = new_batch(call, fields);
    const auto file = data.find_file(call.holder(), batch.document["input_file_id"]);
    if (!file) fields.refuse("input_file_id", "is the id of no file that is kept here");
    if (file->purpose != "batch") fields.refuse("input_file_id", "is no file for batches");
    if (!data.has_room_for(1)) {
      throw Refusal(413, "the server keeps as many bytes as it may; delete files", "input_file_id",
                    "storage_full");
    }
    data.add_batch(batch);
    call.parts.batches->wake();
    return HttpResponse{.body = json_text(batch.document)};
  });
}

void list_batches(const Call& call) {
  DataStore& data = data_of(call);
  respond_later(call, [call, &data] {
    OrderedJson list = OrderedJson::array();
    for (const StoredBatch& batch : data.batches(call.holder())) {
      list.push_back(batch_json(data, batch));
    }
    return HttpResponse{.body = json_text(list_page(call.request(), list))};
  });
}

void show_batch(const Call& call) {
  DataStore& data = data_of(call);
  respond_later(call, [call, &data] {
    return HttpResponse{.body = json_text(batch_json(data, find_batch(call, data)))};
  });
}

void cancel_batch(const Call& call) {
  DataStore& data = data_of(call);
  respond_later(call, [call, &data] {
    // It may change state meanwhile.
    for (;;) {
      StoredBatch batch = find_batch(call, data);
      const std::string before = batch.status;
      if (before == "cancelling" || before == "cancelled") {
        return HttpResponse{.body = json_text(batch_json(data, batch))};
      }
      if (before != "validating" && before != "in_progress") {
        throw Refusal(409, fmt::format("the batch is {} and cannot be cancelled any more", before),
                      "batch_id", "invalid_state");
      }
      batch.status = "cancelling";
      batch.document["cancelling_at"] = std::time(nullptr);
      if (!data.change_batch(batch, before)) continue;
      // The answer is how it stood then: the runner may be done with it at once.
      HttpResponse response{.body = json_text(batch_json(data, batch))};
      call.parts.batches->wake();
      return response;
    }
  });
}

}  // namespace minim::serve
