// The text of a document as it was cut from a file, or what is wrong with it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "train/data/document_reader.h"

namespace minim::train {

// What may be wrong with a document.
enum class Defect { kEmpty, kBinary, kNotUtf8, kTooLong, kNotJson, kNoText, kNoChat };
constexpr size_t kDefectCount = 7;
// "not UTF-8", ...
const char* defect_name(Defect defect);

struct DocumentText {
  std::string text;
  std::optional<Defect> defect;
  std::string problem;  // in words, where there is more to say than the defect's name
};

// Text, or the fields of a JSON object that there are, a blank line between; of a conversation, the
// same with what was said. REQUIRES: fields, for JSON objects.
DocumentText read_document_text(const RawDocument& document, DocumentFormat format,
                                std::span<const std::string> fields);

// The object of a document: the result of parse_chat() for a conversation.
struct DocumentObject {
  OrderedJson object;
  std::optional<Defect> defect;
  std::string problem;
};
DocumentObject read_document_object(const RawDocument& document, DocumentFormat format);

// What chooses held-out documents and finds copies.
uint64_t hash_document_text(std::string_view text);

// Without the white space around it.
std::string_view trim_text(std::string_view text);

}  // namespace minim::train
