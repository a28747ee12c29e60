#include "train/data/token_source.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "kernels/registry.h"
#include "tests/support/test_data.h"
#include "text/tokenizer_test_support.h"

namespace minim::train {
namespace {

class TokenSourceTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_.path() / name, std::ios::binary) << content;
  }

  SourceOptions source(const std::vector<std::string>& names) const {
    SourceOptions options;
    options.name = "stories";
    for (const std::string& name : names) options.files.push_back(folder_.path() / name);
    return options;
  }

  std::shared_ptr<const TokenSource> make(const SourceOptions& options, int thread_count = 2,
                                          uint64_t shard_tokens = 1 << 20) {
    ThreadPool threads(thread_count);
    const Context context{threads, kernels::select_kernel_table(), {}};
    return make_source(context, options, tokenizer_,
                       {.cache = folder_.path() / "cache", .shard_tokens = shard_tokens});
  }

  std::string text(const TokenSource& made, uint64_t document) const {
    std::vector<int32_t> tokens(made.length(document));
    made.copy_tokens(document, 0, tokens);
    return tokenizer_->decode(tokens);
  }

  std::string refusal(const SourceOptions& options) {
    try {
      make(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  minim::testing::TemporaryFolder folder_;
  std::shared_ptr<const Tokenizer> tokenizer_ =
      Tokenizer::make(minim::testing::byte_bpe_vocabulary());
};

TEST_F(TokenSourceTest, DocumentsAreThoseOfTheFiles) {
  write("a.txt", "one<|endoftext|> <|endoftext|>two<|endoftext|>\n");
  write("b.txt", "three");
  const auto made = make(source({"a.txt", "b.txt"}));
  EXPECT_TRUE(made->report().made);
  ASSERT_EQ(made->document_count(), 3u);
  EXPECT_EQ(text(*made, 0), "one<|end|>");
  EXPECT_EQ(text(*made, 1), "two<|end|>");
  EXPECT_EQ(text(*made, 2), "three<|end|>");
  EXPECT_EQ(made->report().tokens, 13u);
  EXPECT_EQ(made->report().text_bytes, 11u);
  const auto skipped = describe_skipped(made->report());
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_TRUE(skipped[0].starts_with("left out 1 document: ")) << skipped[0];
  EXPECT_TRUE(skipped[0].ends_with("a.txt:1, which is empty")) << skipped[0];
}

TEST_F(TokenSourceTest, ManyShardsReadLikeOne) {
  std::string content;
  for (int i = 0; i < 300; ++i) content += "document " + std::to_string(i) + "<|endoftext|>";
  write("a.txt", content);
  SourceOptions options = source({"a.txt"});
  const auto one = make(options, 3);
  std::filesystem::remove_all(folder_.path() / "cache");
  const auto many = make(options, 1, 100);
  EXPECT_EQ(many->key(), one->key());
  ASSERT_EQ(many->document_count(), one->document_count());
  for (uint64_t i = 0; i < one->document_count(); ++i) {
    ASSERT_EQ(text(*many, i), text(*one, i));
    ASSERT_EQ(many->text_hash(i), one->text_hash(i));
  }
  EXPECT_EQ(many->report().tokens, one->report().tokens);
}

TEST_F(TokenSourceTest, MadeOnceAndAgainWhenSomethingChanges) {
  write("a.txt", "one");
  SourceOptions options = source({"a.txt"});
  EXPECT_TRUE(make(options)->report().made);
  const auto found = make(options);
  EXPECT_FALSE(found->report().made);
  EXPECT_EQ(text(*found, 0), "one<|end|>");
  EXPECT_EQ(found->report().documents, 1u);
  write("a.txt", "two");
  const auto changed = make(options);
  EXPECT_TRUE(changed->report().made);
  EXPECT_EQ(text(*changed, 0), "two<|end|>");
  options.encoder.end = false;
  EXPECT_TRUE(make(options)->report().made);
  Vocabulary other = minim::testing::byte_bpe_vocabulary();
  other.merges.pop_back();
  tokenizer_ = Tokenizer::make(other);
  EXPECT_TRUE(make(options)->report().made);
}

TEST_F(TokenSourceTest, DamagedShardsAreRefused) {
  write("a.txt", "one");
  const SourceOptions options = source({"a.txt"});
  make(options);
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder_.path() / "cache")) {
    if (entry.path().extension() != ".tokens") continue;
    std::ofstream(entry.path(), std::ios::app) << "x";
  }
  EXPECT_NE(refusal(options).find("delete it to have it made again"), std::string::npos);
}

TEST_F(TokenSourceTest, BadDocumentsAreRefusedOrCounted) {
  write("a.txt", "one<|endoftext|>\ntw\xffo<|endoftext|>three");
  SourceOptions options = source({"a.txt"});
  const std::string message = refusal(options);
  EXPECT_NE(message.find("a.txt:1: not UTF-8"), std::string::npos) << message;
  EXPECT_NE(message.find("have such documents skipped"), std::string::npos) << message;
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "cache"));
  options.bad_documents = BadDocuments::kSkip;
  for (int i = 0; i < 2; ++i) {  // made, then found
    const auto made = make(options);
    EXPECT_EQ(made->document_count(), 2u);
    const auto lines = describe_skipped(made->report());
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_TRUE(lines[0].ends_with("a.txt:1, which is not UTF-8")) << lines[0];
  }
}

TEST_F(TokenSourceTest, SourcesWithoutTextAreRefused) {
  write("empty.txt", "");
  write("blank.txt", " \n<|endoftext|>\n");
  write("binary", std::string("\x7f"
                              "ELF\0\0",
                              6));
  EXPECT_NE(refusal(source({"empty.txt", "blank.txt"})).find("there is no text in source"),
            std::string::npos);
  EXPECT_NE(refusal(source({"binary"})).find("binary:1: binary"), std::string::npos);
  EXPECT_NE(refusal(source({"missing"})).find("missing"), std::string::npos);
  SourceOptions named = source({"blank.txt"});
  named.name = "../x";
  EXPECT_NE(refusal(named).find("no name for a source"), std::string::npos);
}

}  // namespace
}  // namespace minim::train
