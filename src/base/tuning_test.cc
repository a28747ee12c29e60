#include "base/tuning.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using minim::testing::TemporaryFolder;

// Sets a variable of the environment and puts back what it was.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(TuningTest, TheFileIsWhereTheEnvironmentSays) {
  const Variable home("HOME", "/home/x"), cache("XDG_CACHE_HOME", "/cache");
  {
    const Variable own("MINIM_TUNING", "/a/b.json");
    EXPECT_EQ(tuning_path(), "/a/b.json");
  }
  {
    const Variable none("MINIM_TUNING", "");
    EXPECT_TRUE(tuning_path().empty());
  }
  const Variable unset("MINIM_TUNING", nullptr);
  EXPECT_EQ(tuning_path(), "/cache/minim/tuning.json");
  const Variable relative("XDG_CACHE_HOME", "cache");
  EXPECT_EQ(tuning_path(), "/home/x/.cache/minim/tuning.json");
  const Variable homeless("HOME", "");
  EXPECT_TRUE(tuning_path().empty());
}

TEST(TuningTest, KeepsWhatOtherProcessorsHave) {
  const TemporaryFolder folder;
  const Path file = folder.path() / "new/tuning.json";
  EXPECT_FALSE(read_tuning(file, "a"));
  EXPECT_FALSE(read_tuning({}, "a"));
  const Tuning a = {.generation_threads = 3, .prompt_threads = 8, .batch_tokens = 256};
  const Tuning b = {.generation_threads = 1};
  write_tuning(file, "a", a);
  write_tuning(file, "b", a);
  write_tuning(file, "b", b);
  EXPECT_EQ(read_tuning(file, "a"), a);
  EXPECT_EQ(read_tuning(file, "b"), b);
  EXPECT_FALSE(read_tuning(file, "c"));
  EXPECT_TRUE(tuning_key(InstructionSet::kScalar).ends_with("scalar"));
}

TEST(TuningTest, RefusesWhatIsNoTuning) {
  const TemporaryFolder folder;
  const Path file = folder.path() / "t.json";
  for (const char* text :
       {"", "{", "[]", "{\"a\": 1}", "{\"a\": {\"prompt_threads\": -1}}",
        "{\"a\": {\"prompt_threads\": 1.5}}", "{\"a\": {\"batch_tokens\": 18446744073709551615}}",
        "{\"a\": {\"generation_threads\": \"2\"}}"}) {
    std::ofstream(file) << text;
    try {
      read_tuning(file, "a");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      EXPECT_NE(std::string(error.what()).find("run `minim tune`"), std::string::npos);
    }
  }
}

TEST(TuningTest, ThePoolTakesIt) {
  ThreadPool threads(4);
  apply_tuning({.generation_threads = 2, .prompt_threads = 3}, threads);
  EXPECT_EQ(threads.active_count(), 3);
  threads.begin_work(ThreadWork::kMemory);
  EXPECT_EQ(threads.active_count(), 2);
  apply_tuning({}, threads);
  EXPECT_EQ(threads.active_count(), 4);
}

}  // namespace
}  // namespace minim
