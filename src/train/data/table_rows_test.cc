#include "train/data/table_rows.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/test_data.h"
#include "train/data/document_reader.h"
#include "train/data/document_text.h"

namespace minim::train {
namespace {

using Fields = std::vector<std::string>;

Fields split(std::string_view row, std::string_view delimiter) {
  return split_row(row, delimiter).value();
}

TEST(TableRows, FieldsAreCutAtDelimiters) {
  EXPECT_EQ(split("a,b,", ","), (Fields{"a", "b", ""}));
  EXPECT_EQ(split("", ","), (Fields{""}));
  EXPECT_EQ(split("teh->the", "->"), (Fields{"teh", "the"}));
  EXPECT_EQ(guess_delimiter("a\tb,c"), "\t");
  EXPECT_EQ(guess_delimiter("a,b"), ",");
}

TEST(TableRows, QuotesHoldDelimitersAndThemselves) {
  EXPECT_EQ(split(R"("a, b",c)", ","), (Fields{"a, b", "c"}));
  EXPECT_EQ(split(R"("say ""hi""";"")", ";"), (Fields{"say \"hi\"", ""}));
  EXPECT_EQ(split("\"two\nlines\",x", ","), (Fields{"two\nlines", "x"}));
  EXPECT_EQ(split("5\" pipe,x", ","), (Fields{"5\" pipe", "x"}));
  // Where tabs are between fields, a quote is a character.
  EXPECT_EQ(split("\"a\tb", "\t"), (Fields{"\"a", "b"}));
  EXPECT_STREQ(split_row("\"a", ",").error().what(), "a quote that is opened is not closed");
  EXPECT_STREQ(split_row("\"a\"b,c", ",").error().what(),
               "'b' follows a field in quotes, where ',' or the end should");
}

TEST(TableRows, ColumnNamesAreToldApart) {
  EXPECT_EQ(read_column_names("text, label", ",").value(), (Fields{"text", "label"}));
  EXPECT_STREQ(read_column_names("a,,b", ",").error().what(), "a column has no name");
  EXPECT_STREQ(read_column_names("a,a", ",").error().what(), "two columns are called 'a'");
}

class TableReaderTest : public ::testing::Test {
 protected:
  // Every record, or what is wrong with it.
  Fields read(const std::string& content, const DocumentReaderOptions& options) {
    const Path path = folder_.path() / "data";
    std::ofstream(path, std::ios::binary) << content;
    DocumentReader reader({path}, options);
    Fields records;
    origins_.clear();
    for (RawDocument document; reader.next(document);) {
      const DocumentObject read = read_document_object(document, options.format);
      records.push_back(read.defect ? defect_name(*read.defect) + (": " + read.problem)
                                    : read.object.dump());
      origins_.push_back(document.origin.substr(path.string().size()));
    }
    EXPECT_EQ(reader.bytes_read(), reader.bytes_total());
    return records;
  }
  std::string error_of(const std::string& content, const DocumentReaderOptions& options) {
    try {
      read(content, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }

  minim::testing::TemporaryFolder folder_;
  Fields origins_;
};

TEST_F(TableReaderTest, TheFirstLineNamesTheColumns) {
  const DocumentReaderOptions table = {.format = DocumentFormat::kTable};
  EXPECT_EQ(
      read("sentence\tlabel\r\nso good \t1\r\n\nbad\t0", table),
      (Fields{R"({"sentence":"so good ","label":"1"})", R"({"sentence":"bad","label":"0"})"}));
  EXPECT_EQ(origins_, (Fields{":2", ":4"}));
  EXPECT_EQ(read("a,b\n\"x\ny\",1\n2,\"\"\n", table),
            (Fields{R"({"a":"x\ny","b":"1"})", R"({"a":"2","b":""})"}));
  EXPECT_EQ(origins_, (Fields{":2", ":4"}));
  EXPECT_EQ(read("a,b\n", table), Fields{});
  EXPECT_EQ(read("", table), Fields{});
  EXPECT_NE(error_of("a,a\n1,2\n", table).find(":1 does not name the columns"), std::string::npos);
}

TEST_F(TableReaderTest, ColumnsMayBeGiven) {
  EXPECT_EQ(read("ham\tok\nspam\twin\n",
                 {.format = DocumentFormat::kTable, .columns = {"label", "text"}}),
            (Fields{R"({"label":"ham","text":"ok"})", R"({"label":"spam","text":"win"})"}));
  EXPECT_EQ(
      read("teh->the\n",
           {.format = DocumentFormat::kTable, .delimiter = "->", .columns = {"wrong", "right"}}),
      (Fields{R"({"wrong":"teh","right":"the"})"}));
}

TEST_F(TableReaderTest, RowsThatDoNotFitAreTold) {
  EXPECT_EQ(read("a,b\n1\n\"1,2\n", {.format = DocumentFormat::kTable}),
            (Fields{"a bad row: it has 1 fields, and there are 2 columns: a, b",
                    "a bad row: a quote that is opened is not closed"}));
  EXPECT_EQ(origins_, (Fields{":2", ":3"}));
  EXPECT_EQ(read("a\n\xff\n", {.format = DocumentFormat::kTable}), Fields{"not UTF-8: "});
  EXPECT_EQ(read("a\n" + std::string(40, 'x') + "\ny\n",
                 {.format = DocumentFormat::kTable, .document_bytes_max = 16}),
            (Fields{"too long: ", R"({"a":"y"})"}));
}

TEST_F(TableReaderTest, BlocksMakeLists) {
  EXPECT_EQ(read("Rome\tB-place\nis\tO\n\t\n\n\nold\tO\n", {.format = DocumentFormat::kTable,
                                                            .split = TextSplit::kBlankLine,
                                                            .columns = {"words", "tags"}}),
            (Fields{R"({"words":["Rome","is"],"tags":["B-place","O"]})",
                    R"({"words":["old"],"tags":["O"]})"}));
  EXPECT_EQ(origins_, (Fields{":1", ":6"}));
}

TEST_F(TableReaderTest, RowsOfJsonAreFoundByTheirKey) {
  const std::string json = R"({"val": [["a", "x"]], "train": [["b", "y"], ["c"]], "n": 1})";
  const DocumentReaderOptions options = {
      .format = DocumentFormat::kJsonl, .columns = {"text", "intent"}, .rows = {"train"}};
  EXPECT_EQ(read(json, options),
            (Fields{R"({"text":"b","intent":"y","key":"train"})",
                    "a bad row: it has 1 fields, and there are 2 columns: text, intent"}));
  EXPECT_EQ(origins_, (Fields{": 'train', element 1", ": 'train', element 2"}));
  EXPECT_EQ(read(R"({"Play": [{"d": 1}], "Stop": [{"d": 2, "key": 0}]})",
                 {.format = DocumentFormat::kJsonl, .rows = {"*"}}),
            (Fields{R"({"d":1,"key":"Play"})", R"({"d":2,"key":0})"}));
  EXPECT_NE(error_of(json, {.format = DocumentFormat::kJsonl, .rows = {"trian"}})
                .find("has no 'trian'; it has val, train, n"),
            std::string::npos);
  EXPECT_NE(error_of(json, {.format = DocumentFormat::kJsonl, .rows = {"n"}})
                .find("has no array under 'n'"),
            std::string::npos);
  EXPECT_NE(
      error_of("[1]", {.format = DocumentFormat::kJsonl, .rows = {"n"}}).find("no JSON object"),
      std::string::npos);
}

// A published set of commands has six such bytes in two thousand rows.
TEST_F(TableReaderTest, StrayBytesCostTheirRowsOnly) {
  EXPECT_EQ(read("{\"a\": [{\"t\": \"\xed!\"}, {\"t\": \"\xc3\xa9\"}]}",
                 {.format = DocumentFormat::kJsonl, .rows = {"a"}}),
            (Fields{"not UTF-8: ", "{\"t\":\"\xc3\xa9\",\"key\":\"a\"}"}));
}

}  // namespace
}  // namespace minim::train
