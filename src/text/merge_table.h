// Byte pair merging: which neighbours join, in which order, in O(n log n) for any text and table.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace minim {

// (left symbol, right symbol) -> the symbol that they join to, and the rank of that join: lower
// ranks go first, equal ranks from left to right.
class MergeTable {
 public:
  static constexpr int32_t kNoRank = INT32_MAX;

  struct Merge {
    int32_t rank = kNoRank;
    int32_t symbol = -1;
  };

  explicit MergeTable(size_t count = 0);

  // Of two merges of one pair the lower rank stays. REQUIRES: symbols and rank are not negative.
  void add(int32_t left, int32_t right, int32_t rank, int32_t symbol);

  Merge find(int32_t left, int32_t right) const {
    const uint64_t key = pair_key(left, right);
    const uint64_t hash = hash_key(key);
    // Most pairs do not merge; a bit for each hash, in a nearer cache, says so.
    if ((filter_[hash >> filter_shift_] >> (hash >> (filter_shift_ - 6) & 63) & 1) == 0) return {};
    for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return slots_[at].merge;
      if (slots_[at].key == kEmpty) return {};
    }
  }

  size_t size() const { return size_; }
  int32_t rank_count() const { return rank_count_; }  // one more than the highest rank

 private:
  static constexpr uint64_t kEmpty = UINT64_MAX;
  struct Slot {
    uint64_t key = kEmpty;
    Merge merge;
  };

  static uint64_t pair_key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  static uint64_t hash_key(uint64_t key) {
    key *= 0x9E3779B97F4A7C15;
    return key ^ key >> 32;
  }
  void resize(size_t slot_count);
  void place(const Slot& slot);

  std::vector<Slot> slots_;
  std::vector<uint64_t> filter_;  // four bits a slot
  size_t mask_ = 0;
  int filter_shift_ = 0;
  size_t size_ = 0;
  int32_t rank_count_ = 0;
};

// Merges symbol sequences. Keeps its working memory between words; one for each thread.
class SymbolMerger {
 public:
  explicit SymbolMerger(const MergeTable& table) : table_(table) {}

  // Joins neighbours until none can be joined, and appends what is left to `out`.
  // REQUIRES: symbols.size() < 2^31.
  void merge(std::span<const int32_t> symbols, std::vector<int32_t>& out);

 private:
  struct Node {
    int32_t symbol;
    int32_t previous, next;  // -1 at the ends
    int32_t rank;            // of joining this symbol with the next
    int32_t joined;          // what that gives
    int32_t width;           // how many of the symbols given it covers
  };
  struct Joined {
    int32_t symbol;
    int32_t width;
  };

  void merge_short(std::span<const int32_t> symbols, std::vector<int32_t>& out);
  bool merge_stitched(std::span<const int32_t> symbols);
  bool stitch(std::span<const int32_t> symbols, size_t middle);
  void merge_window(std::span<const int32_t> symbols, std::vector<Joined>& joined);
  void merge_heap();
  bool merge_buckets();
  void load(std::span<const int32_t> symbols);
  void rate(int32_t at);
  bool join(int32_t at);
  bool join_all(int32_t at);
  void enter_bucket(int32_t at);
  int32_t lowest_bucket() const;

  const MergeTable& table_;
  std::vector<Node> nodes_;
  std::vector<uint64_t> heap_;  // rank << 32 | position
  std::vector<Joined> joined_, chunk_, seam_;

  // A queue with one list of positions for each rank; bitmaps, each with a bit for every word of
  // the one below, find the lowest rank in use.
  struct Entry {
    int32_t position;
    int32_t next;
  };
  std::vector<Entry> entries_;
  std::vector<int32_t> first_entry_, last_entry_;
  std::vector<std::vector<uint64_t>> used_ranks_;
  std::vector<int32_t> batch_;
  bool out_of_order_ = false;  // the table has made a pair that should have come first: heap only
};

}  // namespace minim
