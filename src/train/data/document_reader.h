// Cuts data files into documents, one after the other, in bounded memory. What is in a document is
// for DocumentEncoder to understand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "train/data/member_reader.h"

namespace minim::train {

enum class DocumentFormat {
  kText,   // plain text
  kJsonl,  // a JSON object a line, or one JSON array of objects
  kChat,   // the same, each a conversation
  kTable,  // rows of delimited text, each made into a JSON object
};

// Where plain text is cut.
enum class TextSplit {
  kFile,       // each file is a document
  kLine,       // each line
  kBlankLine,  // at lines without anything but white space
  kSeparator,  // at a text, which belongs to no document; behind the last one, white space is none
};

struct DocumentReaderOptions {
  DocumentFormat format = DocumentFormat::kText;
  TextSplit split = TextSplit::kSeparator;
  std::string separator = "<|endoftext|>";
  // Plain text is cut after this many bytes, at the end of a line where there is one in its last
  // half. REQUIRES: at least 16.
  size_t document_bytes_max = size_t{16} << 20;
  // Of a table: what is between fields; empty: a tab where the first line has one, or a comma.
  // With split kBlankLine a record is a block of rows, and its columns are lists.
  std::string delimiter;
  // The names of columns; empty: the first line of each file has them. Of JSON: of rows that are
  // arrays.
  std::vector<std::string> columns;
  // JSON: a file is one object, and these of its keys hold arrays of rows; "*": every key does. A
  // row that is an object gets its key as "key", unless it has one.
  std::vector<std::string> rows;
};

struct RawDocument {
  std::string bytes;   // of the text, or of a JSON object
  std::string origin;  // "stories.txt:12", the line where it begins
  bool too_long =
      false;  // an object or row longer than document_bytes_max, of which this is the front
  std::string problem;  // a row that does not fit its table: how
};

class DocumentReader {
 public:
  // REQUIRES: a separator that is not empty, where it is used.
  DocumentReader(std::vector<Path> files, const DocumentReaderOptions& options);

  // The next document, empty ones included; false: there are no more. Throws what MemberReader
  // throws, and kFormat or kLimit for a JSON array that is none or has more than 256 MiB, and for a
  // first line that gives no names.
  bool next(RawDocument& document);
  // Bytes on disk that were used up so far, of bytes_total().
  uint64_t bytes_read() const;
  uint64_t bytes_total() const { return bytes_total_; }
  uint64_t documents_cut() const { return documents_cut_; }  // for their length

 private:
  bool open_member();
  bool fill();
  bool next_line(size_t& end, size_t& after);
  bool next_separated(RawDocument& document);
  bool next_paragraph(RawDocument& document);
  bool next_object(RawDocument& document);
  bool next_element(RawDocument& document);
  bool next_row(RawDocument& document);
  bool next_block(RawDocument& document);
  void begin_json();
  void begin_table();
  void add_elements(const OrderedJson& array, const std::string& key);
  void take(size_t end, size_t after, RawDocument& document);
  bool cut(RawDocument& document);
  std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }

  std::vector<Path> files_;
  DocumentReaderOptions options_;
  size_t next_file_ = 0;
  uint64_t bytes_total_ = 0;
  uint64_t bytes_done_ = 0;  // of files that are finished
  uint64_t documents_cut_ = 0;
  std::unique_ptr<MemberReader> reader_;
  bool in_member_ = false;
  bool separated_ = false;  // a separator was found in it
  bool ended_ = false;      // the member has no more bytes than the buffer
  std::string buffer_;
  size_t begin_ = 0;                   // of what is not yet taken
  uint64_t line_ = 1;                  // at begin_
  std::vector<RawDocument> elements_;  // of JSON arrays, last first
  bool damaged_ = false;               // the JSON is not all UTF-8
  std::vector<std::string> columns_;   // of the table
  std::string delimiter_;
};

}  // namespace minim::train
