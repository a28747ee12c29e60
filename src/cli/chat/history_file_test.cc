#include "cli/chat/history_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/support/test_data.h"

namespace minim::cli {
namespace {

class HistoryFileTest : public ::testing::Test {
 protected:
  mode_t mode() const {
    struct stat status = {};
    EXPECT_EQ(::stat(path_.c_str(), &status), 0);
    return status.st_mode & 0777;
  }

  minim::testing::TemporaryFolder folder_;
  Path path_ = folder_.path() / "state" / "minim" / "history";
};

using Entries = std::vector<std::string>;

TEST_F(HistoryFileTest, KeepsWhatWasTyped) {
  const Entries entries = {"one", "two\nlines", "a \\n b\\", "ünï \"q\""};
  HistoryFile file(path_);
  EXPECT_TRUE(file.load().empty());
  for (const std::string& entry : entries) {
    file.append(entry);
    file.append(entry);
  }
  EXPECT_EQ(HistoryFile(path_).load(), entries);
  EXPECT_EQ(file.problem(), "");
}

TEST_F(HistoryFileTest, IsForItsOwnerOnly) {
  HistoryFile(path_).append("secret");
  EXPECT_EQ(mode(), 0600u);
  ::chmod(path_.c_str(), 0644);
  HistoryFile(path_).append("more");
  EXPECT_EQ(mode(), 0600u);
}

TEST_F(HistoryFileTest, TwoProgramsAddToOneFile) {
  HistoryFile a(path_);
  HistoryFile b(path_);
  a.append("from a");
  b.append("from b");
  a.append("a again");
  EXPECT_EQ(HistoryFile(path_).load(), (Entries{"from a", "from b", "a again"}));
}

TEST_F(HistoryFileTest, IsBounded) {
  const HistoryLimits limits = {.entries_max = 10, .bytes_max = 200, .entry_bytes_max = 50};
  HistoryFile file(path_, limits);
  for (int i = 0; i < 12; ++i) file.append(std::to_string(i));
  EXPECT_EQ(file.load(), (Entries{"7", "8", "9", "10", "11"}));
  EXPECT_EQ(file.load().size(), 5u);
  EXPECT_EQ(mode(), 0600u);
  file.append(std::string(51, 'x'));
  EXPECT_EQ(file.load().size(), 5u);
  for (int i = 0; i < 6; ++i) file.append(std::string(45, static_cast<char>('a' + i)));
  const Entries last = file.load();
  ASSERT_EQ(last.size(), 4u);  // the whole lines of the last 200 bytes
  EXPECT_EQ(last.back(), std::string(45, 'f'));
  EXPECT_LE(std::filesystem::file_size(path_), 200u);
}

TEST_F(HistoryFileTest, WhatCannotBeKeptIsNoReasonToStop) {
  std::ofstream(folder_.path() / "file") << "x";
  HistoryFile file(folder_.path() / "file" / "history");
  file.append("lost");
  EXPECT_NE(file.problem().find("cannot write"), std::string::npos);
  EXPECT_TRUE(file.load().empty());
  HistoryFile nowhere{Path()};
  nowhere.append("lost");
  EXPECT_EQ(nowhere.problem(), "");
}

TEST_F(HistoryFileTest, DamageIsReadAsText) {
  std::filesystem::create_directories(path_.parent_path());
  std::ofstream(path_) << "good\n\n\xff\nends\\";
  EXPECT_EQ(HistoryFile(path_).load(), (Entries{"good", "\xef\xbf\xbd", "ends\\"}));
}

}  // namespace
}  // namespace minim::cli
