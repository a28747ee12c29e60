#include "train/data/token_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace minim::train {

TokenSource::TokenSource(std::string name, std::vector<std::shared_ptr<const TokenShard>> shards,
                         SourceReport report)
    : name_(std::move(name)),
      shards_(std::move(shards)),
      first_documents_{0},
      report_(std::move(report)) {
  MINIM_CHECK(!shards_.empty());
  key_ = shards_.front()->header().key;
  vocabulary_size_ = shards_.front()->header().vocabulary_size;
  for (const auto& shard : shards_) {
    first_documents_.push_back(first_documents_.back() + shard->document_count());
  }
}

TokenSource::Place TokenSource::find(uint64_t document) const {
  MINIM_CHECK(document < document_count());
  const auto after =
      std::upper_bound(first_documents_.begin(), first_documents_.end(), document) - 1;
  const auto shard = static_cast<size_t>(after - first_documents_.begin());
  return {shards_[shard].get(), document - *after};
}

uint64_t TokenSource::length(uint64_t document) const {
  const Place place = find(document);
  return place.shard->end(place.document) - place.shard->begin(place.document);
}

uint64_t TokenSource::text_hash(uint64_t document) const {
  const Place place = find(document);
  return place.shard->text_hash(place.document);
}

void TokenSource::copy_tokens(uint64_t document, uint64_t begin, std::span<int32_t> out) const {
  const Place place = find(document);
  place.shard->copy_tokens(place.shard->begin(place.document) + begin, out);
}

bool TokenSource::learned(uint64_t document, uint64_t token) const {
  const Place place = find(document);
  return place.shard->learned(place.shard->begin(place.document) + token);
}

std::vector<std::string> describe_skipped(const SourceReport& report) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < kDefectCount; ++i) {
    const SkippedDocuments& skipped = report.skipped[i];
    if (skipped.count == 0) continue;
    lines.push_back(skipped.count == 1 ? fmt::format("left out 1 document: {}", skipped.first)
                                       : fmt::format("left out {} documents, the first {}",
                                                     skipped.count, skipped.first));
  }
  if (report.documents_cut > 0) {
    lines.push_back(
        fmt::format("cut {} documents in pieces, for their length", report.documents_cut));
  }
  return lines;
}

}  // namespace minim::train
