#include "train/data/source_texts.h"

#include <fmt/core.h>

#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "train/data/packing.h"

namespace minim::train {

void count_skipped(const SourceOptions& source, const RawDocument& document, Defect defect,
                   const std::string& problem, SourceReport& report) {
  std::string what = fmt::format("{}: {}", document.origin, defect_name(defect));
  if (!problem.empty()) what += fmt::format(" ({})", problem);
  if (source.bad_documents == BadDocuments::kRefuse && defect != Defect::kEmpty) {
    throw Error(ErrorCode::kFormat,
                fmt::format("data: {}; mend it, or have such documents skipped", what));
  }
  SkippedDocuments& skipped = report.skipped[static_cast<size_t>(defect)];
  if (skipped.count++ == 0) skipped.first = std::move(what);
}

SourceTexts::SourceTexts(const SourceOptions& source, const SourceTextsOptions& options)
    : source_(source), options_(options), reader_(source.files, source.reader) {}

bool SourceTexts::next(std::string& text) {
  RawDocument document;
  while (report_.text_bytes < options_.bytes_max && reader_.next(document)) {
    DocumentText read = read_document_text(document, source_.reader.format, source_.encoder.fields);
    report_.documents_cut = reader_.documents_cut();
    if (read.defect) {
      count_skipped(source_, document, *read.defect, read.problem, report_);
      continue;
    }
    text = source_.encoder.trim ? std::string(trim_text(read.text)) : std::move(read.text);
    const bool is_chat = source_.reader.format == DocumentFormat::kChat;
    if (is_held_out(hash_document_text(is_chat ? document.bytes : text), options_.held_out)) {
      continue;
    }
    ++report_.documents;
    report_.text_bytes += text.size();
    return true;
  }
  return false;
}

}  // namespace minim::train
