#include "train/data/file_list.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "tests/support/test_data.h"

namespace minim::train {
namespace {

class FileList : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(folder_.path() / "sub");
    for (const char* name : {"b.txt", "a.txt", "c.jsonl", "sub/d.txt"}) {
      std::ofstream(folder_.path() / name) << name;
    }
  }

  std::vector<std::string> find(const std::vector<std::string>& patterns) const {
    std::vector<std::string> names;
    for (const Path& path : find_files(patterns, folder_.path())) {
      names.push_back(std::filesystem::relative(path, folder_.path()).string());
    }
    return names;
  }

  ErrorCode error(const std::vector<std::string>& patterns) const {
    try {
      find(patterns);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kCancelled;
  }

  minim::testing::TemporaryFolder folder_;
};

using Names = std::vector<std::string>;

TEST_F(FileList, PatternsAreSortedAndFilesComeOnce) {
  EXPECT_EQ(find({"*.txt"}), (Names{"a.txt", "b.txt"}));
  EXPECT_EQ(find({"b.txt", "*.txt", "sub/../a.txt"}), (Names{"b.txt", "a.txt"}));
  EXPECT_EQ(find({"*"}), (Names{"a.txt", "b.txt", "c.jsonl"}));
  EXPECT_EQ(find({"*/*.txt", "[c-d].*"}), (Names{"sub/d.txt", "c.jsonl"}));
  EXPECT_EQ(find({(folder_.path() / "a.txt").string()}), (Names{"a.txt"}));
}

TEST_F(FileList, WhatNamesNoFileIsRefused) {
  EXPECT_EQ(error({"*.md"}), ErrorCode::kNotFound);
  EXPECT_EQ(error({"a.txt", "missing.txt"}), ErrorCode::kNotFound);
  EXPECT_EQ(error({"sub"}), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace minim::train
