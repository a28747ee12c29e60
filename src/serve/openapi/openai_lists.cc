#include "serve/openapi/schema.h"

// Models, files, batches, what is deleted, errors, and how the server is.
namespace minim::serve::schema {
namespace {

OrderedJson time() { return about("Seconds since 1970.", integer(0)); }
OrderedJson time_or_null() { return nullable(integer(0)); }
OrderedJson text_or_null() { return nullable(text()); }

OrderedJson page(const char* of) {
  return reply({{"object", constant("list")},
                {"data", list(ref(of))},
                {"first_id", text_or_null()},
                {"last_id", text_or_null()},
                {"has_more", boolean()}});
}

void add_models(OrderedJson& components) {
  const OrderedJson extension =
      reply({{"loaded", boolean()},
             {"file_bytes", integer(0)},
             {"base_model", text()},
             {"adapters", list(reply({{"file", text()}, {"weight", number()}}))},
             {"context_tokens", integer(1)},
             {"has_chat_template", boolean()},
             {"warnings", list(text())}},
            {"base_model", "adapters", "context_tokens", "has_chat_template", "warnings"});
  components["Model"] = reply({{"id", text()},
                               {"object", constant("model")},
                               {"created", time()},
                               {"owned_by", text()},
                               {"minim", extension}});
  components["ModelList"] = reply({{"object", constant("list")}, {"data", list(ref("Model"))}});
}

void add_files(OrderedJson& components) {
  components["FileUpload"] =
      closed({{"file", text()}, {"purpose", constant("batch")}}, {"file", "purpose"});
  components["File"] = reply({{"id", text()},
                              {"object", constant("file")},
                              {"bytes", integer(0)},
                              {"created_at", time()},
                              {"expires_at", time_or_null()},
                              {"filename", text()},
                              {"purpose", choice({"batch", "batch_output"})},
                              {"status", text()},
                              {"status_details", text_or_null()}});
  components["FileList"] = page("File");
}

void add_batches(OrderedJson& components) {
  const OrderedJson endpoint = choice({"/v1/chat/completions", "/v1/completions", "/v1/embeddings",
                                       "/v1/responses", "/v1/moderations"});
  OrderedJson metadata = map(text());
  metadata["maxProperties"] = 16;
  components["BatchRequest"] =
      with_examples(closed({{"input_file_id", text()},
                            {"endpoint", endpoint},
                            {"completion_window", constant("24h")},
                            {"metadata", metadata}},
                           {"input_file_id", "endpoint", "completion_window"}),
                    {R"({"input_file_id": "file-of-requests", "endpoint": "/v1/chat/completions",
           "completion_window": "24h", "metadata": {"a": "b"}})"});
  const OrderedJson error = reply({{"code", text()},
                                   {"message", text()},
                                   {"param", text_or_null()},
                                   {"line", nullable(integer(1))}});
  const OrderedJson errors = reply({{"object", constant("list")}, {"data", list(error)}});
  components["Batch"] =
      reply({{"id", text()},
             {"object", constant("batch")},
             {"endpoint", endpoint},
             {"errors", nullable(errors)},
             {"input_file_id", text()},
             {"completion_window", text()},
             {"status", choice({"validating", "in_progress", "completed", "failed", "expired",
                                "cancelling", "cancelled"})},
             {"output_file_id", text_or_null()},
             {"error_file_id", text_or_null()},
             {"created_at", time()},
             {"in_progress_at", time_or_null()},
             {"expires_at", time()},
             {"finalizing_at", time_or_null()},
             {"completed_at", time_or_null()},
             {"failed_at", time_or_null()},
             {"expired_at", time_or_null()},
             {"cancelling_at", time_or_null()},
             {"cancelled_at", time_or_null()},
             {"request_counts",
              reply({{"total", integer(0)}, {"completed", integer(0)}, {"failed", integer(0)}})},
             {"metadata", map(text())}});
  components["BatchList"] = page("Batch");
}

}  // namespace

void add_openai_lists(OrderedJson& components) {
  add_models(components);
  add_files(components);
  add_batches(components);
  components["Deleted"] = reply({{"id", text()}, {"object", text()}, {"deleted", constant(true)}});
  components["Error"] = reply({{"error", reply({{"message", text()},
                                                {"type", text()},
                                                {"param", text_or_null()},
                                                {"code", text_or_null()}})}});
  components["Health"] =
      reply({{"status", constant("ok")}, {"texts", integer(0)}, {"texts_max", integer(1)}});
}

}  // namespace minim::serve::schema
