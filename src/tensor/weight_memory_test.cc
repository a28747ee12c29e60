#include "tensor/weight_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

namespace minim {
namespace {

TEST(WeightMemory, PiecesAreAlignedApartAndOutliveTheirSource) {
  struct Piece {
    std::shared_ptr<std::byte> memory;
    size_t bytes;
  };
  std::vector<Piece> pieces;
  {
    WeightMemory memory;
    const size_t sizes[] = {1, 0, 63, 64, 65, size_t{70} << 20, 1000, size_t{63} << 20, 4096};
    for (const size_t bytes : sizes) pieces.push_back({memory.allocate(bytes), bytes});
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces[i].memory.get()) % 64, 0u);
    if (pieces[i].bytes < 100000) {
      std::memset(pieces[i].memory.get(), static_cast<int>(i), pieces[i].bytes);
    } else {
      pieces[i].memory.get()[pieces[i].bytes - 1] = static_cast<std::byte>(i);
    }
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].bytes == 0) continue;
    EXPECT_EQ(pieces[i].memory.get()[pieces[i].bytes - 1], static_cast<std::byte>(i));
  }
}

TEST(WeightMemory, ASourceIsAskedForEachPiece) {
  std::vector<size_t> asked;
  WeightMemory memory([&](size_t bytes) {
    asked.push_back(bytes);
    if (asked.size() == 3) throw std::bad_alloc();
    return std::shared_ptr<std::byte>(new std::byte[bytes], std::default_delete<std::byte[]>());
  });
  const auto first = memory.allocate(100);
  EXPECT_NE(memory.allocate(0), nullptr);
  EXPECT_THROW(memory.allocate(64), std::bad_alloc);
  EXPECT_EQ(asked, (std::vector<size_t>{128, 64, 64}));
}

TEST(WeightMemory, WhatCannotBeHadIsAnError) {
  WeightMemory memory;
  EXPECT_THROW(memory.allocate(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW(memory.allocate(SIZE_MAX / 2), std::bad_alloc);
  EXPECT_NE(memory.allocate(10), nullptr);
}

}  // namespace
}  // namespace minim
