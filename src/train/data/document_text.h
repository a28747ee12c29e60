// The text of a document as it was cut from a file, or what is wrong with it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/example_template.h"
#include "train/data/document_reader.h"

namespace minim::train {

// What may be wrong with a document.
enum class Defect { kEmpty, kBinary, kNotUtf8, kTooLong, kNotJson, kNoText, kNoChat, kBadRow };
constexpr size_t kDefectCount = 8;
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
  uint64_t text_hash = 0;  // of the document, or of the field that stands for it
};
DocumentObject read_document_object(const RawDocument& document, DocumentFormat format);

// The conversation of one question and answer that `examples` makes of a document: of the fields of
// an object or a row, or of a text as the field "text". Empty where one of the two is.
// `hash_field`: the field whose text is hashed; empty: the document.
DocumentObject read_example(const RawDocument& document, DocumentFormat format,
                            const ExampleTemplate& examples, const std::string& hash_field);

// The same without a question: the fields.
DocumentObject read_record(const RawDocument& document, DocumentFormat format,
                           const std::string& hash_field);

// What was said in a conversation, a blank line between.
DocumentText text_of_chat(const OrderedJson& chat);

// What chooses held-out documents and finds copies.
uint64_t hash_document_text(std::string_view text);

// Without the white space around it.
std::string_view trim_text(std::string_view text);

}  // namespace minim::train
