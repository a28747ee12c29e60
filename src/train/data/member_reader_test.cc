#include "train/data/member_reader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "tests/support/test_data.h"

namespace minim::train {
namespace {

using Members = std::vector<std::pair<std::string, std::string>>;

class MemberReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write("a.txt", "one\n");
    write("b.txt", std::string(300000, 'b'));
    write("empty.txt", "");
  }

  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_.path() / name) << content;
  }

  // False where the machine lacks the program.
  bool shell(const std::string& command) const {
    const std::string line = "cd '" + folder_.path().string() + "' && " + command + " 2>/dev/null";
    return std::system(line.c_str()) == 0;
  }

  Members read(const std::string& name) const {
    Members members;
    MemberReader reader(folder_.path() / name);
    while (reader.next()) {
      std::string content;
      char buffer[1000];
      while (const size_t count = reader.read(buffer)) content.append(buffer, count);
      members.emplace_back(reader.name().substr(folder_.path().string().size() + 1), content);
    }
    EXPECT_FALSE(reader.next());
    return members;
  }

  minim::testing::TemporaryFolder folder_;
};

TEST_F(MemberReaderTest, PlainFilesAreOneMember) {
  EXPECT_EQ(read("a.txt"), (Members{{"a.txt", "one\n"}}));
  EXPECT_EQ(read("b.txt"), (Members{{"b.txt", std::string(300000, 'b')}}));
  EXPECT_EQ(read("empty.txt"), (Members{{"empty.txt", ""}}));
}

TEST_F(MemberReaderTest, PackedFilesAreOneMember) {
  for (const std::string packer : {"gzip", "xz", "zstd"}) {
    if (!shell("command -v " + packer + " >/dev/null")) continue;
    ASSERT_TRUE(shell(packer + " -c a.txt > a.packed && " + packer + " -c empty.txt > e.packed"));
    EXPECT_EQ(read("a.packed"), (Members{{"a.packed", "one\n"}})) << packer;
    EXPECT_EQ(read("e.packed"), (Members{{"e.packed", ""}})) << packer;
  }
}

TEST_F(MemberReaderTest, ArchivesHaveAMemberForEachFile) {
  for (const std::string option : {"", "z", "J"}) {
    ASSERT_TRUE(shell("mkdir -p d && cp a.txt empty.txt d && tar -c" + option +
                      "f all.tar --sort=name d b.txt"));
    EXPECT_EQ(read("all.tar"), (Members{{"all.tar: d/a.txt", "one\n"},
                                        {"all.tar: d/empty.txt", ""},
                                        {"all.tar: b.txt", std::string(300000, 'b')}}));
  }
}

TEST_F(MemberReaderTest, DamageIsAnError) {
  ASSERT_TRUE(shell("seq 100000 | xz > n.xz && head -c 5000 n.xz > cut.xz"));
  ASSERT_TRUE(shell("seq 100000 | gzip > n.gz && head -c 5000 n.gz > cut.gz"));
  for (const char* name : {"cut.xz", "cut.gz"}) {
    try {
      read(name);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos);
    }
  }
  try {
    read("missing.txt");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
}

}  // namespace
}  // namespace minim::train
