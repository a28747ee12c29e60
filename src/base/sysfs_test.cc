#include "base/sysfs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/testing/sysfs_tree.h"

namespace minim {
namespace {

using testing::SysfsTree;

TEST(Sysfs, ReadsNumbers) {
  const SysfsTree tree;
  tree.write("value", "42\n");
  tree.write("negative", "-7\n");
  EXPECT_EQ(read_sysfs_number(tree.path() / "value").optional(), 42);
  EXPECT_EQ(read_sysfs_number(tree.path() / "negative").optional(), -7);
}

TEST(Sysfs, TellsWhyThereIsNone) {
  const SysfsTree tree;
  for (const char* garbage :
       {"", "\n", "abc\n", "12 monkeys\n", "99999999999999999999\n", "0x10"}) {
    tree.write("value", garbage);
    EXPECT_EQ(read_sysfs_number(tree.path() / "value").status, SysfsStatus::kGarbage) << garbage;
  }
  EXPECT_EQ(read_sysfs_number(tree.path() / "nothing").status, SysfsStatus::kAbsent);
  EXPECT_EQ(read_sysfs_number(tree.path() / "value/below").status, SysfsStatus::kAbsent);
  // A folder opens and then cannot be read, as sensors do that are switched off.
  EXPECT_EQ(read_sysfs_number(tree.path()).status, SysfsStatus::kUnreadable);
}

TEST(Sysfs, WhatIsClosedToTheUserIsNotAbsent) {
  const SysfsTree tree;
  tree.write("secret", "1\n");
  const testing::ClosedFile closed(tree.path() / "secret");
  EXPECT_EQ(read_sysfs_number(tree.path() / "secret").status, SysfsStatus::kDenied);
}

TEST(Sysfs, LongTextsAreCut) {
  const SysfsTree tree;
  tree.write("long", std::string(100000, 'x'));
  EXPECT_EQ(read_sysfs_text(tree.path() / "long").text.size(), 4096u);
}

TEST(Sysfs, LeadingNumbers) {
  EXPECT_EQ(parse_leading_number(" 12.5 3"), 12.5);
  EXPECT_EQ(parse_leading_number("-1"), -1.0);
  for (const char* none : {"", "max 100000", "nan", "inf", "."}) {
    EXPECT_EQ(parse_leading_number(none), std::nullopt) << none;
  }
}

TEST(Sysfs, EntriesComeInTheOrderOfTheirNumbers) {
  const SysfsTree tree;
  for (const char* name : {"temp10_input", "temp2_input", "temp_input", "other1"}) {
    tree.write(name, "1");
  }
  const auto entries = numbered_entries(tree.path(), "temp");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].filename(), "temp2_input");
  EXPECT_EQ(entries[1].filename(), "temp10_input");
  EXPECT_TRUE(numbered_entries(tree.path() / "nowhere", "temp").empty());
}

}  // namespace
}  // namespace minim
