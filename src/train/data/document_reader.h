// Cuts data files into documents, one after the other, in bounded memory. What is in a document is
// for DocumentEncoder to understand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "train/data/member_reader.h"

namespace minim::train {

enum class DocumentFormat {
  kText,   // plain text
  kJsonl,  // a JSON object a line, or one JSON array of objects
  kChat,   // the same, each a conversation
};

// Where plain text is cut.
enum class TextSplit {
  kFile,       // each file is a document
  kLine,       // each line
  kBlankLine,  // at lines without anything but white space
  kSeparator,  // at a text, which belongs to no document
};

struct DocumentReaderOptions {
  DocumentFormat format = DocumentFormat::kText;
  TextSplit split = TextSplit::kSeparator;
  std::string separator = "<|endoftext|>";
  // Plain text is cut after this many bytes, at the end of a line where there is one in its last
  // half. REQUIRES: at least 16.
  size_t document_bytes_max = size_t{16} << 20;
};

struct RawDocument {
  std::string bytes;   // of the text, or of a JSON object
  std::string origin;  // "stories.txt:12", the line where it begins
  bool too_long =
      false;  // a JSON object longer than document_bytes_max, of which this is the front
};

class DocumentReader {
 public:
  // REQUIRES: a separator that is not empty, where it is used.
  DocumentReader(std::vector<Path> files, const DocumentReaderOptions& options);

  // The next document, empty ones included; false: there are no more. Throws what MemberReader
  // throws, and kFormat or kLimit for a JSON array that is none or has more than 256 MiB.
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
  void read_array();
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
  bool ended_ = false;  // the member has no more bytes than the buffer
  std::string buffer_;
  size_t begin_ = 0;                   // of what is not yet taken
  uint64_t line_ = 1;                  // at begin_
  std::vector<std::string> elements_;  // of a JSON array, last first
  uint64_t element_ = 0;
};

}  // namespace minim::train
