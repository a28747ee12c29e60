#include "train/data/document_text.h"

#include <fmt/core.h>

#include <array>
#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "text/utf8.h"
#include "train/data/chat_document.h"

namespace minim::train {
namespace {

// What makes `bytes` no text, if anything does.
std::optional<Defect> text_defect(std::string_view bytes) {
  if (bytes.find('\0') != std::string_view::npos) return Defect::kBinary;
  if (!is_valid_utf8(bytes)) return Defect::kNotUtf8;
  return std::nullopt;
}

void append_part(const std::string& part, std::string& text) {
  if (!text.empty()) text += "\n\n";
  text += part;
}

DocumentText text_of_fields(const OrderedJson& object, std::span<const std::string> fields) {
  if (!object.is_object()) return {{}, Defect::kNoText, "it is no JSON object"};
  DocumentText result;
  bool found = false;
  for (const std::string& field : fields) {
    const auto value = object.find(field);
    if (value == object.end() || value->is_null()) continue;
    if (!value->is_string()) return {{}, Defect::kNoText, fmt::format("'{}' is no text", field)};
    append_part(value->get_ref<const std::string&>(), result.text);
    found = true;
  }
  if (!found) return {{}, Defect::kNoText, fmt::format("it has no '{}'", fields.front())};
  return result;
}

}  // namespace

const char* defect_name(Defect defect) {
  static constexpr std::array<const char*, kDefectCount> kNames = {
      "empty",    "binary",       "not UTF-8",       "too long",
      "not JSON", "without text", "no conversation", "a bad row"};
  return kNames[static_cast<size_t>(defect)];
}

uint64_t hash_document_text(std::string_view text) {
  XxHash64 hash;
  hash.update(text);
  return hash.digest();
}

std::string_view trim_text(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

DocumentObject read_document_object(const RawDocument& document, DocumentFormat format) {
  if (document.too_long) return {{}, Defect::kTooLong, {}};
  if (!document.problem.empty()) return {{}, Defect::kBadRow, document.problem};
  if (const auto defect = text_defect(document.bytes)) return {{}, defect, {}};
  OrderedJson object;
  try {
    object = parse_ordered_json(document.bytes, document.origin);
  } catch (const Error& error) {
    return {{}, Defect::kNotJson, error.what()};
  }
  if (format != DocumentFormat::kChat) return {std::move(object), {}, {}};
  Result<OrderedJson> chat = parse_chat(object);
  if (!chat) return {{}, Defect::kNoChat, chat.error().what()};
  return {std::move(chat).value(), {}, {}, hash_document_text(document.bytes)};
}

DocumentText text_of_chat(const OrderedJson& chat) {
  DocumentText result;
  for (const OrderedJson& message : chat.at("messages")) {
    append_part(message.at("content").get_ref<const std::string&>(), result.text);
  }
  return result;
}

DocumentObject read_record(const RawDocument& document, DocumentFormat format,
                           const std::string& hash_field) {
  DocumentObject record;
  if (format == DocumentFormat::kText) {
    record.defect = text_defect(document.bytes);
    if (trim_text(document.bytes).empty()) record.defect = Defect::kEmpty;
    if (!record.defect) record.object = {{"text", document.bytes}};
  } else {
    record = read_document_object(document, format);
    if (!record.defect && !record.object.is_object()) {
      return {{}, Defect::kNoText, "it is no JSON object; name its elements with 'columns'"};
    }
  }
  record.text_hash = hash_document_text(document.bytes);
  if (record.defect || hash_field.empty()) return record;
  const auto field = record.object.find(hash_field);
  if (field == record.object.end()) {
    return {{}, Defect::kNoText, fmt::format("it has no '{}'", hash_field)};
  }
  record.text_hash =
      hash_document_text(field->is_string() ? field->get_ref<const std::string&>() : field->dump());
  return record;
}

DocumentObject read_example(const RawDocument& document, DocumentFormat format,
                            const ExampleTemplate& examples, const std::string& hash_field) {
  DocumentObject record = read_record(document, format, hash_field);
  if (record.defect) return record;
  try {
    Example example = examples.render(record.object, record.text_hash);
    if (example.prompt.empty() || example.answer.empty()) return {{}, Defect::kEmpty, {}};
    OrderedJson messages = OrderedJson::array();
    messages.push_back({{"role", "user"}, {"content", std::move(example.prompt)}});
    messages.push_back({{"role", "assistant"}, {"content", std::move(example.answer)}});
    return {{{"messages", std::move(messages)}}, {}, {}, record.text_hash};
  } catch (const Error& error) {
    // A template that cannot be used at all is no fault of the document.
    if (error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kFormat) throw;
    return {{}, Defect::kNoText, error.what()};
  }
}

DocumentText read_document_text(const RawDocument& document, DocumentFormat format,
                                std::span<const std::string> fields) {
  DocumentText result;
  if (format == DocumentFormat::kText) {
    result.text = document.bytes;
  } else {
    const DocumentObject read = read_document_object(document, format);
    if (read.defect) return {{}, read.defect, read.problem};
    result = format == DocumentFormat::kChat ? text_of_chat(read.object)
                                             : text_of_fields(read.object, fields);
    if (result.defect) return result;
  }
  // "\u0000" is well-formed JSON.
  result.defect = text_defect(result.text);
  if (!result.defect && trim_text(result.text).empty()) result.defect = Defect::kEmpty;
  return result;
}

}  // namespace minim::train
