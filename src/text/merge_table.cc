#include "text/merge_table.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace minim {
namespace {

// Up to this many symbols, looking for the best pair again each time is faster than a queue.
constexpr size_t kShortWord = 24;
// From this many on the bucket queue pays for its setup (measured with tokenizer_bench).
constexpr size_t kLongWord = 1024;

}  // namespace

MergeTable::MergeTable(size_t count)
    : slots_(std::bit_ceil(count * 2 + 8)), mask_(slots_.size() - 1) {}

void MergeTable::add(int32_t left, int32_t right, int32_t rank, int32_t symbol) {
  if (size_ * 2 >= slots_.size()) grow();
  const uint64_t key = pair_key(left, right);
  size_t at = slot_of(key);
  while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & mask_;
  rank_count_ = std::max(rank_count_, rank + 1);
  if (slots_[at].key == kEmpty) {
    slots_[at] = {key, {rank, symbol}};
    ++size_;
  } else if (rank < slots_[at].merge.rank) {
    slots_[at].merge = {rank, symbol};
  }
}

void MergeTable::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.key == kEmpty) continue;
    size_t at = slot_of(slot.key);
    while (slots_[at].key != kEmpty) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
}

void SymbolMerger::merge(std::span<const int32_t> symbols, std::vector<int32_t>& out) {
  if (symbols.size() <= kShortWord) return merge_short(symbols, out);
  load(symbols);
  if (symbols.size() < kLongWord) {
    merge_heap();
  } else if (!merge_buckets()) {
    load(symbols);
    merge_heap();
  }
  for (int32_t at = 0; at != -1; at = nodes_[static_cast<size_t>(at)].next) {
    out.push_back(nodes_[static_cast<size_t>(at)].symbol);
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
    nodes_[static_cast<size_t>(i)] = {symbols[static_cast<size_t>(i)], i - 1,
                                      i + 1 < count ? i + 1 : -1, MergeTable::kNoRank, -1};
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
// them should have come before or with this one.
bool SymbolMerger::join(int32_t at) {
  Node& node = nodes_[static_cast<size_t>(at)];
  Node& right = nodes_[static_cast<size_t>(node.next)];
  const int32_t rank = node.rank;
  node.symbol = node.joined;
  node.next = right.next;
  right.rank = MergeTable::kNoRank;  // entries that still name it are void
  if (node.next != -1) nodes_[static_cast<size_t>(node.next)].previous = at;
  rate(at);
  bool in_order = node.rank > rank;
  if (node.previous != -1) {
    rate(node.previous);
    in_order &= nodes_[static_cast<size_t>(node.previous)].rank > rank;
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

// Trained merges only ever make pairs of a higher rank, so that all joins of one rank can be done
// in a row: linear time. Returns false, with nodes_ spoiled, when a table breaks that rule.
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
      if (!join(at)) {
        used_ranks_.clear();
        return false;
      }
      enter_bucket(at);
      const int32_t previous = nodes_[static_cast<size_t>(at)].previous;
      if (previous != -1) enter_bucket(previous);
    }
  }
  return true;
}

}  // namespace minim
