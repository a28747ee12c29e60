// Whole reads, mappings, and writes that replace their target or leave it alone.
#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>

#include "base/error.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

class FileTest : public ::testing::Test {
 protected:
  Path path(const char* name) const { return folder_.path() / name; }

  void put(const Path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
  }

  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_.path()),
                                             std::filesystem::directory_iterator()));
  }

  minim::testing::TemporaryFolder folder_;
};

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

template <typename Body>
ErrorCode code_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_STRNE(error.what(), "");
    return error.code();
  }
  ADD_FAILURE() << "no error was thrown";
  return ErrorCode::kCancelled;
}

TEST_F(FileTest, ReadsWholeFiles) {
  std::string content(200'000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31);
  put(path("data"), content);
  EXPECT_EQ(read_file(path("data")), content);
  put(path("empty"), "");
  EXPECT_EQ(read_file(path("empty")), "");
}

TEST_F(FileTest, ReadsUpToTheLimitAndNotPastIt) {
  put(path("data"), std::string(1000, 'x'));
  EXPECT_EQ(read_file(path("data"), 1000).size(), 1000u);
  EXPECT_EQ(code_of([&] { read_file(path("data"), 999); }), ErrorCode::kLimit);
  EXPECT_EQ(code_of([&] { read_file(path("data"), 0); }), ErrorCode::kLimit);
}

TEST_F(FileTest, ReadsFilesThatReportNoSize) {
  EXPECT_FALSE(read_file("/proc/self/status").empty());
  EXPECT_EQ(code_of([] { read_file("/dev/zero", 1 << 20); }), ErrorCode::kLimit);
}

TEST_F(FileTest, SaysWhatIsWrongWithAPath) {
  EXPECT_EQ(code_of([&] { read_file(path("absent")); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { MappedFile::open(path("absent")); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { read_file(folder_.path()); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { MappedFile::open(folder_.path()); }), ErrorCode::kInvalidArgument);
  put(path("data"), "x");
  EXPECT_EQ(code_of([&] { read_file(path("data") / "below"); }), ErrorCode::kIo);
}

TEST_F(FileTest, MapsFiles) {
  put(path("data"), "mapped bytes");
  const auto file = MappedFile::open(path("data"));
  const auto bytes = file->bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "mapped bytes");
  EXPECT_EQ(file->path(), path("data"));
}

TEST_F(FileTest, ReleasedPagesComeBack) {
  std::string text(3 * 65536, 'a');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 % 251);
  put(path("data"), text);
  const auto file = MappedFile::open(path("data"));
  const auto same = [&] {
    return std::memcmp(file->bytes().data(), text.data(), text.size()) == 0;
  };
  EXPECT_TRUE(same());
  file->release(file->bytes());
  EXPECT_TRUE(same());
  file->release(file->bytes().subspan(100, 70000));
  file->release(file->bytes().subspan(5, 3));
  EXPECT_TRUE(same());
}

TEST_F(FileTest, MapsEmptyFilesToNothing) {
  put(path("empty"), "");
  EXPECT_TRUE(MappedFile::open(path("empty"))->bytes().empty());
}

TEST_F(FileTest, AMappingOutlivesTheRemovedFile) {
  put(path("data"), "still here");
  const auto file = MappedFile::open(path("data"));
  std::filesystem::remove(path("data"));
  EXPECT_EQ(file->bytes()[0], std::byte{'s'});
}

TEST_F(FileTest, NothingIsAtTheTargetBeforeCommit) {
  put(path("target"), "old");
  {
    FileWriter writer(path("target"));
    writer.write("new content");
    EXPECT_EQ(read_file(path("target")), "old");
    writer.commit();
  }
  EXPECT_EQ(read_file(path("target")), "new content");
  EXPECT_EQ(entries(), 1u) << "nothing is left beside the target";
}

TEST_F(FileTest, WithoutCommitTheOldFileStays) {
  put(path("target"), "old");
  {
    FileWriter writer(path("target"));
    writer.write(std::string(3 << 20, 'n'));
  }
  EXPECT_EQ(read_file(path("target")), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, AnExceptionIsNoCommit) {
  const auto interrupted = [&] {
    FileWriter writer(path("target"));
    writer.write("half of");
    throw Error(ErrorCode::kCancelled, "stopped");
  };
  EXPECT_THROW(interrupted(), Error);
  EXPECT_EQ(entries(), 0u);
}

TEST_F(FileTest, WritesOfAllSizesFollowEachOther) {
  std::string expected;
  FileWriter writer(path("target"));
  // Around the writer's buffer of one mebibyte, in both orders.
  for (const size_t size : {size_t{1}, size_t{1} << 20, size_t{0}, (size_t{1} << 20) - 1, size_t{7},
                            (size_t{3} << 20) + 5, size_t{100}}) {
    const std::string part(size, static_cast<char>('a' + expected.size() % 23));
    writer.write(part);
    expected += part;
    ASSERT_EQ(writer.position(), expected.size());
  }
  writer.write_zeros(10'000);
  expected.append(10'000, '\0');
  EXPECT_EQ(writer.position(), expected.size());
  writer.commit();
  EXPECT_EQ(read_file(path("target")), expected);
}

TEST_F(FileTest, OverwritesWhatWasWritten) {
  FileWriter writer(path("target"));
  writer.write("0123456789");
  const std::string patch = "ab";
  writer.write_at(0, bytes_of(patch));
  writer.write_at(8, bytes_of(patch));
  writer.write("tail");
  writer.commit();
  EXPECT_EQ(read_file(path("target")), "ab234567abtail");
}

TEST_F(FileTest, OverwritingPastTheEndIsOurBug) {
  FileWriter writer(path("target"));
  writer.write("0123");
  const std::string patch = "ab";
  EXPECT_DEATH(writer.write_at(3, bytes_of(patch)), "internal error");
}

TEST_F(FileTest, TwoWritersOfOneTargetDoNotMeet) {
  const Path path = folder_.path() / "target";
  FileWriter first(path);
  FileWriter second(path);
  first.write("first");
  second.write("second");
  first.commit();
  EXPECT_EQ(read_file(path), "first");
  second.commit();
  EXPECT_EQ(read_file(path), "second");
}

TEST_F(FileTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_EQ(code_of([&] { FileWriter writer(path("absent") / "target"); }), ErrorCode::kNotFound);
}

TEST_F(FileTest, ATargetThatIsAFolderIsAnErrorAndLeavesNothing) {
  std::filesystem::create_directory(path("target"));
  put(path("target") / "inside", "kept");
  {
    FileWriter writer(path("target"));
    writer.write("x");
    EXPECT_EQ(code_of([&] { writer.commit(); }), ErrorCode::kIo);
  }
  EXPECT_EQ(read_file(path("target") / "inside"), "kept");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, AFullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  // The writer's own file stands beside the target, so it is replaced by a link to a full disk.
  FileWriter writer(path("target"));
  const auto entry = std::filesystem::directory_iterator(folder_.path())->path();
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  int descriptor = -1;
  for (const auto& link : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    if (std::filesystem::read_symlink(link.path(), ignored) == entry) {
      descriptor = std::stoi(link.path().filename().string());
    }
  }
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(::dup2(full, descriptor), descriptor);
  ::close(full);
  writer.write("x");
  EXPECT_EQ(code_of([&] { writer.commit(); }), ErrorCode::kIo);
  EXPECT_FALSE(std::filesystem::exists(path("target")));
}

}  // namespace
}  // namespace minim
