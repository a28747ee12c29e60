#include <fmt/core.h>

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "serve/data/data_store.h"
#include "serve/http/multipart.h"
#include "serve/openai/batches/handlers.h"
#include "serve/openai/list_page.h"
#include "serve/request/json_text.h"
#include "text/utf8.h"

namespace minim::serve {
namespace {

constexpr size_t kNameMax = 255;

OrderedJson file_json(const StoredFile& file) {
  return {{"id", file.id},
          {"object", "file"},
          {"bytes", file.bytes},
          {"created_at", file.created},
          {"expires_at", nullptr},
          {"filename", file.name},
          {"purpose", file.purpose},
          {"status", "processed"},
          {"status_details", nullptr}};
}

Refusal unknown_file(const std::string& id) {
  return {404, fmt::format("the file '{}' is not kept here", id.substr(0, 100)), "file_id",
          "not_found"};
}

struct Upload {
  StoredFile file;
  std::string_view content;
};

Upload read_upload(const Call& call) {
  const HttpRequest& request = call.request();
  Upload upload;
  bool has_file = false;
  for (const FormPart& part :
       parse_form(request.header("content-type").value_or(""), request.body)) {
    if (part.name == "file") {
      if (std::exchange(has_file, true)) throw Refusal(400, "there is more than one file", "file");
      upload.file.name = replace_invalid_utf8(part.file_name.value_or("file")).substr(0, kNameMax);
      upload.file.name = replace_invalid_utf8(upload.file.name);
      upload.content = part.content;
    } else if (part.name == "purpose") {
      upload.file.purpose = part.content;
    } else {
      throw Refusal(400, fmt::format("'{}' is not supported", replace_invalid_utf8(part.name)),
                    replace_invalid_utf8(part.name), "unsupported_parameter");
    }
  }
  if (!has_file) throw Refusal(400, "'file' is missing", "file", "missing_required_parameter");
  if (upload.file.purpose != "batch") {
    throw Refusal(400, "'purpose' must be 'batch': files have no other use here", "purpose",
                  "unsupported_value");
  }
  upload.file.id = make_data_id("file-");
  upload.file.holder = call.holder();
  upload.file.bytes = static_cast<int64_t>(upload.content.size());
  upload.file.created = std::time(nullptr);
  return upload;
}

}  // namespace

DataStore& data_of(const Call& call) {
  if (call.parts.data != nullptr) return *call.parts.data;
  throw Refusal(404,
                "this server keeps no files and no batches; it does where it is started with "
                "--data DIR",
                {}, "data_not_enabled");
}

void upload_file(const Call& call) {
  DataStore& data = data_of(call);
  respond_later(call, [call, &data] {
    const Upload upload = read_upload(call);
    try {
      data.add_file(upload.file, upload.content);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kLimit) throw;
      throw Refusal(413, error.what(), "file", "storage_full");
    }
    return HttpResponse{.body = json_text(file_json(upload.file))};
  });
}

void list_files(const Call& call) {
  DataStore& data = data_of(call);
  respond_later(call, [call, &data] {
    OrderedJson list = OrderedJson::array();
    const std::string purpose = call.request().parameter("purpose").value_or("");
    for (const StoredFile& file : data.files(call.holder(), purpose)) {
      list.push_back(file_json(file));
    }
    return HttpResponse{
        .body = json_text(list_page(call.request(), list, {.limit = 10'000, .limit_max = 10'000}))};
  });
}

void show_file(const Call& call) {
  DataStore& data = data_of(call);
  respond_later(call, [call, &data] {
    const auto file = data.find_file(call.holder(), call.argument);
    if (!file) throw unknown_file(call.argument);
    return HttpResponse{.body = json_text(file_json(*file))};
  });
}

void file_content(const Call& call) {
  DataStore& data = data_of(call);
  respond_later(call, [call, &data] {
    auto content = data.content(call.holder(), call.argument);
    if (!content) throw unknown_file(call.argument);
    return HttpResponse{.content_type = "application/octet-stream", .body = *std::move(content)};
  });
}

void delete_file(const Call& call) {
  DataStore& data = data_of(call);
  respond_later(call, [call, &data] {
    if (!data.find_file(call.holder(), call.argument)) throw unknown_file(call.argument);
    if (data.is_read(call.argument)) {
      throw Refusal(409, "a batch that is not done reads the file; cancel it first", "file_id",
                    "file_in_use");
    }
    data.remove_file(call.holder(), call.argument);
    const OrderedJson body = {{"id", call.argument}, {"object", "file"}, {"deleted", true}};
    return HttpResponse{.body = json_text(body)};
  });
}

}  // namespace minim::serve
