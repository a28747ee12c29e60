// The texts of a source one after the other, for learning a vocabulary from them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "train/data/document_reader.h"
#include "train/data/token_source.h"

namespace minim::train {

struct SourceTextsOptions {
  uint64_t bytes_max = UINT64_MAX;  // of text, after which the source ends
  double held_out = 0;              // documents that are held out are left out here as well
};

class SourceTexts {
 public:
  SourceTexts(const SourceOptions& source, const SourceTextsOptions& options);

  // The next text; false: there are no more. Throws what DocumentReader throws, and kFormat for a
  // bad document where those are refused.
  bool next(std::string& text);
  // Of what was read so far: documents, bytes, and what was passed over. Tokens are 0.
  const SourceReport& report() const { return report_; }
  // How much there is to read, on disk.
  uint64_t bytes_total() const { return reader_.bytes_total(); }

 private:
  // `hash`: what decides whether the text is held out.
  DocumentText read(const RawDocument& document, uint64_t& hash) const;

  SourceOptions source_;
  SourceTextsOptions options_;
  DocumentReader reader_;
  std::optional<ExampleTemplate> examples_;
  SourceReport report_;
};

// Counts a document that is left out. Throws kFormat where the source refuses such.
void count_skipped(const SourceOptions& source, const RawDocument& document, Defect defect,
                   const std::string& problem, SourceReport& report);

}  // namespace minim::train
