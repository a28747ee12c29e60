#include "text/merge_table.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace minim {
namespace {

// Up to this many symbols, looking for the best pair again each time is faster than a queue.
constexpr size_t kShortWord = 24;
// From this many on the bucket queue is faster than the heap (measured with tokenizer_bench).
constexpr size_t kBucketWord = 256;
// Longer words are merged in parts of this size, whose nodes stay in the second-level cache, and
// stitched together.
constexpr size_t kChunk = 2048;
// Symbols on both sides of a seam that may change before the word is merged as a whole.
constexpr size_t kSeamMax = 16 * kChunk;

}  // namespace

MergeTable::MergeTable(size_t count) { resize(std::bit_ceil(count * 2 + 64)); }

void MergeTable::resize(size_t slot_count) {
  std::vector<Slot> old(slot_count);
  old.swap(slots_);
  mask_ = slot_count - 1;
  filter_.assign(slot_count / 16, 0);
  filter_shift_ = 64 - std::countr_zero(slot_count / 16);
  for (const Slot& slot : old) {
    if (slot.key != kEmpty) place(slot);
  }
}

void MergeTable::place(const Slot& slot) {
  const uint64_t hash = hash_key(slot.key);
  size_t at = hash & mask_;
  while (slots_[at].key != kEmpty) at = (at + 1) & mask_;
  slots_[at] = slot;
  filter_[hash >> filter_shift_] |= uint64_t{1} << (hash >> (filter_shift_ - 6) & 63);
}

void MergeTable::add(int32_t left, int32_t right, int32_t rank, int32_t symbol) {
  const uint64_t key = pair_key(left, right);
  rank_count_ = std::max(rank_count_, rank + 1);
  size_t at = hash_key(key) & mask_;
  while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & mask_;
  if (slots_[at].key == key) {
    if (rank < slots_[at].merge.rank) slots_[at].merge = {rank, symbol};
    return;
  }
  if (size_ * 2 >= slots_.size()) resize(slots_.size() * 2);
  place({key, {rank, symbol}});
  ++size_;
}

void SymbolMerger::merge(std::span<const int32_t> symbols, std::vector<int32_t>& out) {
  if (symbols.size() <= kShortWord) return merge_short(symbols, out);
  joined_.clear();
  if (symbols.size() <= 2 * kChunk || !merge_stitched(symbols)) {
    joined_.clear();
    merge_window(symbols, joined_);
  }
  for (const Joined& token : joined_) out.push_back(token.symbol);
}

// A sequence is what merging gives if and only if merging leaves each pair of its neighbours as it
// is: until a first join across two of them, every token grows as it would alone, so that join
// would happen in the pair too. Parts may thus be merged apart where the tokens on both sides of
// the seam are merged anew, as far out as they change. Returns false where that is too far.
bool SymbolMerger::merge_stitched(std::span<const int32_t> symbols) {
  for (size_t begin = 0; begin < symbols.size(); begin += kChunk) {
    chunk_.clear();
    merge_window(symbols.subspan(begin, std::min(kChunk, symbols.size() - begin)), chunk_);
    if (!stitch(symbols, begin)) return false;
  }
  return true;
}

// Appends chunk_, whose first symbol is at `middle`, to joined_.
bool SymbolMerger::stitch(std::span<const int32_t> symbols, size_t middle) {
  size_t before = 0, after = 0;         // tokens on each side of the seam
  size_t begin = middle, end = middle;  // the symbols that they cover
  size_t want_before = 4, want_after = 4;
  while (!joined_.empty()) {
    for (; before < std::min(want_before, joined_.size()); ++before) {
      begin -= static_cast<size_t>(joined_[joined_.size() - 1 - before].width);
    }
    for (; after < std::min(want_after, chunk_.size()); ++after) {
      end += static_cast<size_t>(chunk_[after].width);
    }
    if (middle - begin > kSeamMax) return false;
    seam_.clear();
    merge_window(symbols.subspan(begin, end - begin), seam_);
    const auto same = [](const Joined& a, const Joined& b) {
      return a.symbol == b.symbol && a.width == b.width;
    };
    const bool begin_kept =
        before == joined_.size() || same(seam_.front(), joined_[joined_.size() - before]);
    const bool end_kept = after == chunk_.size() || same(seam_.back(), chunk_[after - 1]);
    if (begin_kept && end_kept) {
      joined_.resize(joined_.size() - before);
      joined_.insert(joined_.end(), seam_.begin(), seam_.end());
      break;
    }
    if (!begin_kept) want_before *= 4;
    if (!end_kept) want_after *= 4;
  }
  joined_.insert(joined_.end(), chunk_.begin() + static_cast<std::ptrdiff_t>(after), chunk_.end());
  return true;
}

void SymbolMerger::merge_window(std::span<const int32_t> symbols, std::vector<Joined>& joined) {
  load(symbols);
  if (symbols.size() < kBucketWord || out_of_order_) {
    merge_heap();
  } else if (!merge_buckets()) {
    out_of_order_ = true;
    load(symbols);
    merge_heap();
  }
  for (int32_t at = 0; at != -1; at = nodes_[static_cast<size_t>(at)].next) {
    const Node& node = nodes_[static_cast<size_t>(at)];
    joined.push_back({node.symbol, node.width});
  }
}

void SymbolMerger::merge_short(std::span<const int32_t> symbols, std::vector<int32_t>& out) {
  int32_t word[kShortWord];
  MergeTable::Merge pairs[kShortWord];
  size_t count = symbols.size();
  std::copy(symbols.begin(), symbols.end(), word);
  for (size_t i = 0; i + 1 < count; ++i) pairs[i] = table_.find(word[i], word[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == MergeTable::kNoRank) break;
    word[best] = pairs[best].symbol;
    std::copy(word + best + 2, word + count, word + best + 1);
    std::copy(pairs + best + 1, pairs + count - 1, pairs + best);
    --count;
    if (best > 0) pairs[best - 1] = table_.find(word[best - 1], word[best]);
    if (best + 1 < count) pairs[best] = table_.find(word[best], word[best + 1]);
  }
  out.insert(out.end(), word, word + count);
}

void SymbolMerger::load(std::span<const int32_t> symbols) {
  const int32_t count = static_cast<int32_t>(symbols.size());
  nodes_.resize(symbols.size());
  for (int32_t i = 0; i < count; ++i) {
    nodes_[static_cast<size_t>(i)] = {symbols[static_cast<size_t>(i)],
                                      i - 1,
                                      i + 1 < count ? i + 1 : -1,
                                      MergeTable::kNoRank,
                                      -1,
                                      1};
  }
  for (int32_t i = 0; i < count; ++i) rate(i);
}

// Looks up what the symbol at `at` and its right neighbour join to.
void SymbolMerger::rate(int32_t at) {
  Node& node = nodes_[static_cast<size_t>(at)];
  if (node.next == -1) {
    node.rank = MergeTable::kNoRank;
    return;
  }
  const auto merge = table_.find(node.symbol, nodes_[static_cast<size_t>(node.next)].symbol);
  node.rank = merge.rank;
  node.joined = merge.symbol;
}

// Joins `at` with its right neighbour and rates the new pairs on both sides. False where one of
// them should have come before this one.
bool SymbolMerger::join(int32_t at) {
  Node& node = nodes_[static_cast<size_t>(at)];
  Node& right = nodes_[static_cast<size_t>(node.next)];
  const int32_t rank = node.rank;
  node.symbol = node.joined;
  node.next = right.next;
  node.width += right.width;
  right.rank = MergeTable::kNoRank;  // entries that still name it are void
  if (node.next != -1) nodes_[static_cast<size_t>(node.next)].previous = at;
  rate(at);
  bool in_order = node.rank >= rank;
  if (node.previous != -1) {
    rate(node.previous);
    in_order &= nodes_[static_cast<size_t>(node.previous)].rank >= rank;
  }
  return in_order;
}

void SymbolMerger::merge_heap() {
  heap_.clear();
  const auto push = [this](int32_t at) {
    const int32_t rank = nodes_[static_cast<size_t>(at)].rank;
    if (rank == MergeTable::kNoRank) return false;
    heap_.push_back(uint64_t{static_cast<uint32_t>(rank)} << 32 | static_cast<uint32_t>(at));
    return true;
  };
  for (size_t i = 0; i < nodes_.size(); ++i) push(static_cast<int32_t>(i));
  const auto later = std::greater<uint64_t>();
  std::make_heap(heap_.begin(), heap_.end(), later);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const uint64_t top = heap_.back();
    heap_.pop_back();
    const int32_t at = static_cast<int32_t>(top & 0xFFFFFFFF);
    const Node& node = nodes_[static_cast<size_t>(at)];
    if (node.rank != static_cast<int32_t>(top >> 32)) continue;
    join(at);
    if (push(at)) std::push_heap(heap_.begin(), heap_.end(), later);
    if (node.previous != -1 && push(node.previous)) {
      std::push_heap(heap_.begin(), heap_.end(), later);
    }
  }
}

void SymbolMerger::enter_bucket(int32_t at) {
  const int32_t rank = nodes_[static_cast<size_t>(at)].rank;
  if (rank == MergeTable::kNoRank) return;
  const size_t bucket = static_cast<size_t>(rank);
  const int32_t entry = static_cast<int32_t>(entries_.size());
  entries_.push_back({at, -1});
  if (first_entry_[bucket] == -1) {
    first_entry_[bucket] = entry;
    size_t bit = bucket;
    for (std::vector<uint64_t>& level : used_ranks_) {
      level[bit / 64] |= uint64_t{1} << bit % 64;
      bit /= 64;
    }
  } else {
    entries_[static_cast<size_t>(last_entry_[bucket])].next = entry;
  }
  last_entry_[bucket] = entry;
}

int32_t SymbolMerger::lowest_bucket() const {
  size_t bit = 0;
  for (size_t level = used_ranks_.size(); level-- > 0;) {
    const uint64_t word = used_ranks_[level][bit];
    if (word == 0) return -1;  // only at the top
    bit = bit * 64 + static_cast<size_t>(std::countr_zero(word));
  }
  return static_cast<int32_t>(bit);
}

// Joins at `at`, then wherever that made a pair of the same rank: those come before all pairs of
// this rank that wait further right, the left one first. False as in join().
bool SymbolMerger::join_all(int32_t at) {
  const int32_t rank = nodes_[static_cast<size_t>(at)].rank;
  int32_t previous = -1;
  while (nodes_[static_cast<size_t>(at)].rank == rank) {
    if (!join(at)) return false;
    previous = nodes_[static_cast<size_t>(at)].previous;
    if (previous != -1 && nodes_[static_cast<size_t>(previous)].rank == rank) at = previous;
  }
  enter_bucket(at);
  if (previous != -1) enter_bucket(previous);
  return true;
}

// Trained merges never make pairs of a lower rank, so that all joins of one rank can be done in a
// row: linear time. Returns false, with nodes_ spoiled, when a table breaks that rule.
bool SymbolMerger::merge_buckets() {
  const size_t ranks = static_cast<size_t>(table_.rank_count());
  if (ranks == 0) return true;
  if (used_ranks_.empty()) {  // a run that ends well leaves every bucket empty for the next
    first_entry_.assign(ranks, -1);
    last_entry_.resize(ranks);
    for (size_t words = ranks; used_ranks_.empty() || words > 1;) {
      words = (words + 63) / 64;
      used_ranks_.emplace_back(words);
    }
  }
  entries_.clear();
  for (size_t i = 0; i < nodes_.size(); ++i) enter_bucket(static_cast<int32_t>(i));

  for (int32_t rank = lowest_bucket(); rank != -1; rank = lowest_bucket()) {
    const size_t bucket = static_cast<size_t>(rank);
    batch_.clear();
    for (int32_t entry = first_entry_[bucket]; entry != -1;
         entry = entries_[static_cast<size_t>(entry)].next) {
      batch_.push_back(entries_[static_cast<size_t>(entry)].position);
    }
    first_entry_[bucket] = -1;
    size_t bit = bucket;
    for (std::vector<uint64_t>& level : used_ranks_) {
      level[bit / 64] &= ~(uint64_t{1} << bit % 64);
      if (level[bit / 64] != 0) break;
      bit /= 64;
    }
    if (!std::is_sorted(batch_.begin(), batch_.end())) std::sort(batch_.begin(), batch_.end());
    for (const int32_t at : batch_) {
      if (nodes_[static_cast<size_t>(at)].rank != rank) continue;
      if (!join_all(at)) {
        used_ranks_.clear();
        return false;
      }
    }
  }
  return true;
}

}  // namespace minim
