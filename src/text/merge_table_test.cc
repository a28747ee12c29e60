#include "text/merge_table.h"

#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"

namespace minim {
namespace {

// The definition: join the pair of the lowest rank, the leftmost of equals, until none is left.
std::vector<int32_t> merge_slowly(const MergeTable& table, std::vector<int32_t> symbols) {
  while (true) {
    size_t best = 0;
    MergeTable::Merge merge;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto pair = table.find(symbols[i], symbols[i + 1]);
      if (pair.rank < merge.rank) {
        merge = pair;
        best = i;
      }
    }
    if (merge.rank == MergeTable::kNoRank) return symbols;
    symbols[best] = merge.symbol;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// Trained: each merge makes a new symbol from earlier ones, as BPE training does. Shared: so too,
// but three in a row have one rank. Any: arbitrary, many of them equal.
enum class Ranks { kTrained, kShared, kAny };
constexpr Ranks kRanks[] = {Ranks::kTrained, Ranks::kShared, Ranks::kAny};

// A table over `letters` letters.
MergeTable random_table(Rng& rng, int letters, int merges, Ranks ranks) {
  MergeTable table;
  for (int i = 0; i < merges; ++i) {
    const auto symbol = static_cast<uint64_t>(letters + i);
    const auto left = static_cast<int32_t>(rng.below(symbol));
    const auto right = static_cast<int32_t>(rng.below(symbol));
    const auto any = static_cast<int32_t>(rng.below(5));
    const int32_t rank = ranks == Ranks::kTrained ? i : ranks == Ranks::kShared ? i / 3 : any;
    table.add(left, right, rank, static_cast<int32_t>(symbol));
  }
  return table;
}

std::vector<int32_t> random_word(Rng& rng, int letters, size_t length) {
  std::vector<int32_t> word(length);
  for (int32_t& symbol : word) symbol = static_cast<int32_t>(rng.below(uint64_t(letters)));
  return word;
}

TEST(SymbolMerger, AgreesWithItsDefinitionOnRandomTablesAndWords) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const int letters = 1 + static_cast<int>(rng.below(4));
    const MergeTable table =
        random_table(rng, letters, 1 + static_cast<int>(rng.below(40)), kRanks[seed % 3]);
    SymbolMerger merger(table);
    for (const size_t length : {0, 1, 2, 24, 25, 300, 1000}) {
      const auto word = random_word(rng, letters, length);
      std::vector<int32_t> merged;
      merger.merge(word, merged);
      EXPECT_EQ(merged, merge_slowly(table, word)) << "length " << length;
    }
  }
}

TEST(SymbolMerger, StitchesLongWords) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const int letters = 1 + static_cast<int>(rng.below(3));
    const MergeTable table = random_table(rng, letters, 30, kRanks[seed % 3]);
    SymbolMerger merger(table);
    const auto word = random_word(rng, letters, 4097 + rng.below(3000));
    std::vector<int32_t> merged;
    merger.merge(word, merged);
    EXPECT_EQ(merged, merge_slowly(table, word));
  }
}

// The end decides: (0, 1) joins before (1, 0) only where a 2 follows, and so on to the left.
TEST(SymbolMerger, FollowsChangesAcrossManyParts) {
  MergeTable table;
  constexpr int32_t kChain = 6000;
  for (int32_t i = 0; i + 1 < kChain; ++i) table.add(i, i + 1, kChain - i, kChain + i);
  std::vector<int32_t> word(kChain);
  for (int32_t i = 0; i < kChain; ++i) word[static_cast<size_t>(i)] = i;
  SymbolMerger merger(table);
  for (const size_t length : {size_t{5000}, size_t{5001}, size_t{6000}}) {
    const std::vector<int32_t> part(word.begin(),
                                    word.begin() + static_cast<std::ptrdiff_t>(length));
    std::vector<int32_t> merged;
    merger.merge(part, merged);
    EXPECT_EQ(merged, merge_slowly(table, part)) << length;
  }
}

// As Llama's runs of spaces: a token for each length up to 16, all of one rank.
TEST(SymbolMerger, JoinsEqualRanksFromTheLeft) {
  MergeTable table;
  for (int32_t left = 1; left < 16; ++left) {
    for (int32_t right = 1; left + right <= 16; ++right) table.add(left, right, 7, left + right);
  }
  SymbolMerger merger(table);
  for (const size_t length : {size_t{255}, size_t{256}, size_t{4000}, size_t{20'005}}) {
    std::vector<int32_t> merged, expected(length / 16, 16);
    merger.merge(std::vector<int32_t>(length, 1), merged);
    if (length % 16 > 0) expected.push_back(static_cast<int32_t>(length % 16));
    EXPECT_EQ(merged, expected) << length;
  }
}

TEST(SymbolMerger, AppendsAndMayBeUsedAgain) {
  MergeTable table;
  table.add(0, 0, 0, 1);
  table.add(1, 1, 1, 2);
  SymbolMerger merger(table);
  std::vector<int32_t> merged = {9};
  merger.merge(std::vector<int32_t>(5, 0), merged);
  merger.merge(std::vector<int32_t>(10'000, 0), merged);
  std::vector<int32_t> expected = {9, 2, 0};
  expected.resize(expected.size() + 2500, 2);
  EXPECT_EQ(merged, expected);
}

TEST(MergeTable, KeepsTheLowerRankOfOnePair) {
  MergeTable table;
  table.add(1, 2, 7, 10);
  table.add(1, 2, 3, 11);
  table.add(1, 2, 5, 12);
  EXPECT_EQ(table.find(1, 2).rank, 3);
  EXPECT_EQ(table.find(1, 2).symbol, 11);
  EXPECT_EQ(table.find(2, 1).rank, MergeTable::kNoRank);
  EXPECT_EQ(table.size(), 1u);
  for (int32_t i = 0; i < 10'000; ++i) table.add(i, i + 3, i, i);
  for (int32_t i = 0; i < 10'000; ++i) ASSERT_EQ(table.find(i, i + 3).rank, i);
  EXPECT_EQ(table.rank_count(), 10'000);
}

}  // namespace
}  // namespace minim
