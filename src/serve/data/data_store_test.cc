#include "serve/data/data_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "base/error.h"
#include "tests/support/test_data.h"

namespace minim::serve {
namespace {

class DataStoreTest : public ::testing::Test {
 protected:
  Path folder() const { return scratch_.path() / "data"; }
  static StoredFile file(const std::string& id, const std::string& holder = "ann") {
    return {.id = id, .holder = holder, .name = "n", .purpose = "batch", .created = 7};
  }
  static StoredBatch batch(const std::string& id, const std::string& status) {
    return {id, "ann", status, {{"id", id}, {"input_file_id", "f"}}};
  }

  minim::testing::TemporaryFolder scratch_;
};

TEST_F(DataStoreTest, KeepsWhatItWasGiven) {
  const std::string bytes("a\0b\xff", 4);
  {
    DataStore store(folder());
    store.add_file(file("f"), bytes);
    store.add_batch(batch("b", "in_progress"));
    store.add_results("b", {{.line = 2, .failed = true, .text = "x"}, {.line = 0, .text = "y"}});
  }
  DataStore store(folder());
  EXPECT_EQ(store.content("ann", "f"), bytes);
  EXPECT_EQ(store.find_file("ann", "f")->bytes, 4);
  const auto results = store.results("b");
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].text, "y");
  EXPECT_TRUE(results[1].failed);
  EXPECT_EQ(store.counts("b").completed, 1);
  EXPECT_EQ(store.counts("b").failed, 1);
  EXPECT_EQ(store.next_batch()->id, "b");
  struct stat status {};
  ASSERT_EQ(::stat((folder() / "minim.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(DataStoreTest, HoldersFindTheirOwn) {
  DataStore store(folder());
  store.add_file(file("f"), "1");
  store.add_file(file("g", "ben' OR 1=1 --"), "2");
  EXPECT_EQ(store.files("ann", "").size(), 1u);
  EXPECT_EQ(store.files("ann", "batch_output").size(), 0u);
  EXPECT_EQ(store.files("ben' OR 1=1 --", "batch")[0].id, "g");
  EXPECT_FALSE(store.find_file("ann", "g"));
  EXPECT_FALSE(store.content("ann", "g"));
  EXPECT_FALSE(store.remove_file("ann", "g"));
  EXPECT_TRUE(store.remove_file("ann", "f"));
  EXPECT_FALSE(store.find_batch("ben", "b"));
}

TEST_F(DataStoreTest, BatchesChangeFromTheStateThatTheyHave) {
  DataStore store(folder());
  store.add_file(file("f"), "1");
  store.add_batch(batch("b", "validating"));
  EXPECT_TRUE(store.is_read("f"));
  EXPECT_FALSE(store.is_read("g"));
  EXPECT_FALSE(store.change_batch(batch("b", "cancelling"), "in_progress"));
  EXPECT_TRUE(store.change_batch(batch("b", "in_progress"), "validating"));
  store.add_results("b", {{.line = 0, .text = "y"}});
  // All or nothing: a file that cannot be added leaves the batch as it was.
  EXPECT_THROW(store.finish_batch(batch("b", "completed"), {{file("f"), "2"}}), Error);
  EXPECT_EQ(store.find_batch("ann", "b")->status, "in_progress");
  EXPECT_EQ(store.results("b").size(), 1u);
  store.finish_batch(batch("b", "completed"), {{file("o"), "2"}});
  EXPECT_FALSE(store.is_read("f"));
  EXPECT_FALSE(store.next_batch());
  EXPECT_TRUE(store.results("b").empty());
}

TEST_F(DataStoreTest, HasItsFolderToItselfAndBounds) {
  DataStore store(folder(), {.bytes_max = 100'000});
  EXPECT_THROW(DataStore{folder()}, Error);
  EXPECT_THROW(store.add_file(file("f"), std::string(100'000, 'a')), Error);
  store.add_file(file("f"), "small");
  EXPECT_THROW(DataStore{scratch_.path() / "a" / "b"}, Error);
  FileWriter broken(scratch_.path() / "minim.db");
  broken.write(std::string(4096, 'x'));
  broken.commit();
  EXPECT_THROW(DataStore{scratch_.path()}, Error);
}

}  // namespace
}  // namespace minim::serve
