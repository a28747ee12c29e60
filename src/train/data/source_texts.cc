#include "train/data/source_texts.h"

#include <fmt/core.h>

#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "train/data/packing.h"

namespace minim::train {

void count_skipped(const SourceOptions& source, const RawDocument& document, Defect defect,
                   const std::string& problem, SourceReport& report) {
  const std::string why =
      problem.empty() ? defect_name(defect) : fmt::format("{} ({})", defect_name(defect), problem);
  if (source.bad_documents == BadDocuments::kRefuse && defect != Defect::kEmpty) {
    throw Error(
        ErrorCode::kFormat,
        fmt::format("data: {}: {}; mend it, or have such documents skipped", document.origin, why));
  }
  SkippedDocuments& skipped = report.skipped[static_cast<size_t>(defect)];
  if (skipped.count++ == 0) skipped.first = fmt::format("{}, which is {}", document.origin, why);
}

SourceTexts::SourceTexts(const SourceOptions& source, const SourceTextsOptions& options)
    : source_(source), options_(options), reader_(source.files, source.reader) {
  const DocumentEncoderOptions& encoder = source.encoder;
  if (!encoder.prompts.empty()) examples_.emplace(encoder.prompts, encoder.answer);
}

DocumentText SourceTexts::read(const RawDocument& document, uint64_t& hash) const {
  const DocumentFormat format = source_.reader.format;
  const DocumentEncoderOptions& encoder = source_.encoder;
  DocumentText text;
  if (examples_) {
    const DocumentObject example = read_example(document, format, *examples_, encoder.held_out_by);
    if (example.defect) return {{}, example.defect, example.problem};
    text = text_of_chat(example.object);
    hash = example.text_hash;
  } else {
    text = read_document_text(document, format, encoder.fields);
    if (encoder.trim) text.text = std::string(trim_text(text.text));
    const bool is_chat = format == DocumentFormat::kChat;
    hash = hash_document_text(is_chat ? document.bytes : text.text);
  }
  return text;
}

bool SourceTexts::next(std::string& text) {
  RawDocument document;
  while (report_.text_bytes < options_.bytes_max && reader_.next(document)) {
    uint64_t hash = 0;
    DocumentText read = this->read(document, hash);
    report_.documents_cut = reader_.documents_cut();
    if (read.defect) {
      count_skipped(source_, document, *read.defect, read.problem, report_);
      continue;
    }
    if (is_held_out(hash, options_.held_out)) continue;
    text = std::move(read.text);
    ++report_.documents;
    report_.text_bytes += text.size();
    return true;
  }
  return false;
}

}  // namespace minim::train
