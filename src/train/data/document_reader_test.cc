#include "train/data/document_reader.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "tests/support/test_data.h"

namespace minim::train {
namespace {

using Texts = std::vector<std::string>;

class DocumentReaderTest : public ::testing::Test {
 protected:
  Path write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_.path() / name, std::ios::binary) << content;
    return folder_.path() / name;
  }

  Texts read(const std::string& content, const DocumentReaderOptions& options) {
    DocumentReader reader({write("data", content)}, options);
    Texts texts;
    origins_.clear();
    for (RawDocument document; reader.next(document);) {
      texts.push_back(document.too_long ? "too long" : document.bytes);
      origins_.push_back(document.origin.substr(folder_.path().string().size() + 1));
    }
    cut_ = reader.documents_cut();
    EXPECT_EQ(reader.bytes_read(), reader.bytes_total());
    return texts;
  }

  minim::testing::TemporaryFolder folder_;
  Texts origins_;
  uint64_t cut_ = 0;
};

TEST_F(DocumentReaderTest, SeparatorsBelongToNoDocument) {
  EXPECT_EQ(read("one\ntwo<|endoftext|>\nthree<|endoftext|>", {}), (Texts{"one\ntwo", "\nthree"}));
  EXPECT_EQ(origins_, (Texts{"data:1", "data:2"}));
  EXPECT_EQ(read("", {}), (Texts{""}));
  EXPECT_EQ(read("a--b--\n", {.separator = "--"}), (Texts{"a", "b"}));
  EXPECT_EQ(read("a----b", {.separator = "--"}), (Texts{"a", "", "b"}));
}

TEST_F(DocumentReaderTest, SeparatorsAcrossReadsAreFound) {
  // The reader takes a megabyte at a time.
  for (const size_t size : {1048570, 1048575, 1048576, 2097145}) {
    const std::string long_text(size, 'x');
    EXPECT_EQ(read(long_text + "<|endoftext|>end", {}), (Texts{long_text, "end"})) << size;
  }
}

TEST_F(DocumentReaderTest, FilesLinesAndParagraphs) {
  const std::string text = "\xef\xbb\xbfone\ntwo\r\n \t\r\n\nthree";
  EXPECT_EQ(read(text, {.split = TextSplit::kFile}), (Texts{"one\ntwo\r\n \t\r\n\nthree"}));
  EXPECT_EQ(read(text, {.split = TextSplit::kBlankLine}), (Texts{"one\ntwo\r\n", "", "three"}));
  EXPECT_EQ(origins_, (Texts{"data:1", "data:4", "data:5"}));
  EXPECT_EQ(read(text, {.split = TextSplit::kLine}), (Texts{"one", "two\r", "", "", "three", ""}));
}

TEST_F(DocumentReaderTest, LongTextsAreCutAtLineEndsOrCharacters) {
  const DocumentReaderOptions options = {.split = TextSplit::kFile, .document_bytes_max = 16};
  EXPECT_EQ(read("0123456789\n0123456789\n012", options),
            (Texts{"0123456789\n", "0123456789\n012"}));
  EXPECT_EQ(cut_, 1u);
  EXPECT_EQ(read("0123456789abcde\xc3\xa9xyz", options), (Texts{"0123456789abcde", "\xc3\xa9xyz"}));
  EXPECT_EQ(read(std::string(16, 'x'), options), (Texts{std::string(16, 'x')}));
  EXPECT_EQ(cut_, 0u);
  const std::string many = "0123456789\n\n0123456789\n\n0123456789";
  EXPECT_EQ(read(many, {.split = TextSplit::kBlankLine, .document_bytes_max = 16}),
            (Texts{"0123456789\n", "0123456789\n", "0123456789"}));
  EXPECT_EQ(read(many + many, {.split = TextSplit::kBlankLine, .document_bytes_max = 16}),
            (Texts{"0123456789\n", "0123456789\n", "0123456789012345", "6789\n", "0123456789\n",
                   "0123456789"}));
  EXPECT_EQ(cut_, 1u);
}

TEST_F(DocumentReaderTest, ObjectsAreLinesOrElements) {
  const DocumentReaderOptions options = {.format = DocumentFormat::kJsonl};
  EXPECT_EQ(read("{\"a\":1}\n\n  \n{\"a\":2}", options), (Texts{"{\"a\":1}", "{\"a\":2}"}));
  EXPECT_EQ(origins_, (Texts{"data:1", "data:4"}));
  EXPECT_EQ(read(" [ {\"b\": 1, \"a\": 2},\n 3 ]", options), (Texts{"{\"b\":1,\"a\":2}", "3"}));
  EXPECT_EQ(origins_, (Texts{"data: element 1", "data: element 2"}));
  EXPECT_EQ(read("", options), Texts{});
  EXPECT_EQ(read("[]", options), Texts{});
  EXPECT_THROW(read("[{\"a\": 1}", options), Error);
}

TEST_F(DocumentReaderTest, LongObjectsAreMarkedAndPassedOver) {
  const std::string line(3 << 20, 'x');
  EXPECT_EQ(read("{}\n" + line + "\n{\"a\":1}\n",
                 {.format = DocumentFormat::kJsonl, .document_bytes_max = 1 << 20}),
            (Texts{"{}", "too long", "{\"a\":1}"}));
}

TEST_F(DocumentReaderTest, FilesFollowEachOther) {
  DocumentReader reader({write("one", "1<|endoftext|>2"), write("two", "3"), write("none", "")},
                        {});
  Texts texts;
  for (RawDocument document; reader.next(document);) texts.push_back(document.bytes);
  EXPECT_EQ(texts, (Texts{"1", "2", "3", ""}));
}

}  // namespace
}  // namespace minim::train
