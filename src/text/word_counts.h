// How often each word occurs in a stream of texts, counted on all threads in bounded memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "text/pre_tokenizer.h"
#include "text/special_tokens.h"
#include "text/unicode.h"

namespace minim {

// Puts the next text into its argument; false: there are no more.
using TextStream = std::function<bool(std::string&)>;

struct WordCountOptions {
  std::string pre_tokenizer = "gpt-2";  // one of pre_tokenizer_names()
  std::string normalization;            // as in Vocabulary
  // Texts are cut where one of these stands, and it is not counted.
  std::vector<std::string> special_tokens;
  // Distinct words that are kept. When there are more, those that were seen least are forgotten
  // (lossy counting: Manku and Motwani, 2002), after a round of texts whose size does not depend on
  // the number of threads.
  size_t words_max = size_t{1} << 22;
  size_t text_bytes_max = size_t{512} << 20;  // a text has fewer
  ProgressSink progress;                      // stage "counting words", in bytes
  uint64_t bytes_total = 0;                   // for progress, where known
};

struct WordCounts {
  std::unordered_map<std::string, int64_t> words;
  uint64_t text_count = 0;
  uint64_t text_bytes = 0;
  uint64_t words_forgotten = 0;  // occurrences that no longer count
};

// A word of more bytes than this is counted in pieces.
constexpr size_t kCountedWordBytesMax = 1024;

// The counts are the same for every number of threads. A text may be
// any bytes. Throws kUnsupported for a name that is not known, kLimit for a larger text.
WordCounts count_words(ThreadPool& threads, const TextStream& next,
                       const WordCountOptions& options);

}  // namespace minim
