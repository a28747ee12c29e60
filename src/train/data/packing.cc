#include "train/data/packing.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "base/xxhash64.h"
#include "train/data/permutation.h"

namespace minim::train {
namespace {

// Keeps the choice of held-out documents apart from other uses of their hash.
constexpr uint64_t kHeldOutSalt = 0x8e1d0a7c55b9f3a1;

void check_options(const PackingOptions& options) {
  if (options.row_tokens < 2 || options.row_tokens > (int64_t{1} << 24)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("data: rows of {} tokens; they have 2 to 2^24", options.row_tokens));
  }
  if (!(options.held_out >= 0 && options.held_out <= 0.5)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("data: {} of the documents cannot be held out; take 0 to 0.5",
                            options.held_out));
  }
}

}  // namespace

bool is_held_out(uint64_t text_hash, double held_out) {
  const auto place = static_cast<double>(mix_bits(text_hash ^ kHeldOutSalt) >> 11) * 0x1p-53;
  return place < held_out;
}

PackedRows::PackedRows(std::shared_ptr<const TokenSource> source, const PackingOptions& options)
    : source_(std::move(source)), options_(options) {
  check_options(options);
  const std::vector<uint64_t> documents = choose_documents();
  document_count_ = documents.size();
  if (options_.packing == Packing::kStream) {
    pack_stream(documents);
  } else {
    pack_whole(documents);
  }
  XxHash64 hash;
  hash.update_value(source_->key());
  hash.update_value(options_.row_tokens);
  hash.update_value(static_cast<uint32_t>(options_.packing));
  hash.update_value(static_cast<uint32_t>(options_.part));
  hash.update_value(options_.held_out);
  hash.update_value(static_cast<uint32_t>(options_.drop_copies));
  hash.update_value(options_.seed);
  hash.update_value(options_.loss_weight);
  fingerprint_ = hash.digest();
}

// In the order in which they are packed.
std::vector<uint64_t> PackedRows::choose_documents() {
  std::vector<uint64_t> documents;
  const uint64_t count = source_->document_count();
  std::unordered_set<uint64_t> seen;
  std::vector<bool> is_copy(options_.drop_copies ? count : 0);
  for (uint64_t i = 0; i < is_copy.size(); ++i) {
    is_copy[i] = !seen.insert(source_->text_hash(i)).second;
  }
  if (count == 0) return documents;
  const Permutation order(count, options_.seed);
  for (uint64_t place = 0; place < count; ++place) {
    const uint64_t document = order.at(place);
    const bool held_out = is_held_out(source_->text_hash(document), options_.held_out);
    if (held_out != (options_.part == Part::kHeldOut)) continue;
    const uint64_t length = source_->length(document);
    if (length < 2) continue;
    if (length > UINT32_MAX) {
      throw Error(ErrorCode::kLimit, "data: a document of 2^32 tokens or more; cut it");
    }
    if (options_.drop_copies && is_copy[document]) {
      ++copies_dropped_;
      continue;
    }
    documents.push_back(document);
    positions_ += length - 1;
  }
  return documents;
}

void PackedRows::pack_stream(const std::vector<uint64_t>& documents) {
  auto room = static_cast<uint64_t>(options_.row_tokens);
  for (const uint64_t document : documents) {
    const uint64_t positions = source_->length(document) - 1;
    for (uint64_t begin = 0; begin < positions;) {
      const uint64_t length = std::min(room, positions - begin);
      pieces_.push_back({document, static_cast<uint32_t>(begin), static_cast<uint32_t>(length)});
      begin += length;
      room -= length;
      if (room > 0) continue;
      rows_.push_back(pieces_.size());
      room = static_cast<uint64_t>(options_.row_tokens);
    }
  }
  if (rows_.back() != pieces_.size()) rows_.push_back(pieces_.size());
}

void PackedRows::pack_whole(const std::vector<uint64_t>& documents) {
  const auto row_tokens = static_cast<uint32_t>(options_.row_tokens);
  std::vector<std::vector<Piece>> rows;
  std::vector<Piece> rests;
  for (const uint64_t document : documents) {
    const auto positions = static_cast<uint32_t>(source_->length(document) - 1);
    uint32_t begin = 0;
    for (; positions - begin >= row_tokens; begin += row_tokens) {
      rows.push_back({{document, begin, row_tokens}});
    }
    if (begin < positions) rests.push_back({document, begin, positions - begin});
  }
  std::stable_sort(rests.begin(), rests.end(),
                   [](const Piece& a, const Piece& b) { return a.length > b.length; });
  std::map<uint32_t, std::vector<size_t>> with_room;  // rows by the room that they have left
  for (const Piece& piece : rests) {
    const auto best = with_room.lower_bound(piece.length);
    size_t row = rows.size();
    uint32_t room = row_tokens;
    if (best == with_room.end()) {
      rows.emplace_back();
    } else {
      room = best->first;
      row = best->second.back();
      best->second.pop_back();
      if (best->second.empty()) with_room.erase(best);
    }
    rows[row].push_back(piece);
    if (room > piece.length) with_room[room - piece.length].push_back(row);
  }
  for (const std::vector<Piece>& row : rows) {
    pieces_.insert(pieces_.end(), row.begin(), row.end());
    rows_.push_back(pieces_.size());
  }
}

std::span<const PackedRows::Piece> PackedRows::pieces(uint64_t row) const {
  return std::span(pieces_).subspan(rows_[row], rows_[row + 1] - rows_[row]);
}

void PackedRows::fill(uint64_t index, Batch& batch, int64_t to) const {
  MINIM_CHECK(index < row_count() && batch.row_tokens == options_.row_tokens);
  const auto row = static_cast<size_t>(to * batch.row_tokens);
  size_t at = 0;
  std::vector<int32_t> tokens;
  for (const Piece& piece : pieces(index)) {
    const size_t length = piece.length;
    tokens.resize(length + 1);
    source_->copy_tokens(piece.document, piece.begin, tokens);
    std::copy_n(tokens.begin(), length, batch.inputs.begin() + static_cast<int64_t>(row + at));
    std::copy_n(tokens.begin() + 1, length, batch.targets.begin() + static_cast<int64_t>(row + at));
    for (size_t i = 0; i < length; ++i) {
      const bool learned = source_->learned(piece.document, piece.begin + i + 1);
      batch.weights[row + at + i] = learned ? options_.loss_weight : 0.0f;
      batch.document_starts[row + at + i] = static_cast<int32_t>(at);
    }
    at += length;
  }
  batch.used[static_cast<size_t>(to)] = static_cast<int32_t>(at);
  for (size_t i = at; i < static_cast<size_t>(batch.row_tokens); ++i) {
    batch.document_starts[row + i] = static_cast<int32_t>(at);
  }
}

}  // namespace minim::train
