// Learns a byte-level BPE vocabulary from texts (Sennrich et al., 2016; Radford et al., 2019): the
// most frequent pair of neighbouring symbols becomes a new one, until there are enough.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "text/vocabulary.h"
#include "text/word_counts.h"

namespace minim {

struct BpeTrainerOptions {
  std::string pre_tokenizer = "gpt-2";  // how texts are cut: one of pre_tokenizer_names()
  std::string normalization;            // "", "nfc", "nfd", "nfkc", "nfkd"
  int32_t vocabulary_size = 8192;       // tokens, special ones and the 256 bytes included
  int64_t frequency_min = 2;            // a pair that is less frequent is not merged
  // Control tokens, which get the first ids; texts are cut where one stands.
  std::vector<std::string> special_tokens = {"<|endoftext|>"};
  std::string bos, eos = "<|endoftext|>", eot, padding;  // special tokens, or empty: none
  bool add_bos = false;
  std::string chat_template;
  size_t words_max = size_t{1} << 22;  // distinct words held in memory
  ProgressSink progress;               // stages "counting words" and "merging"
  uint64_t bytes_total = 0;            // of all texts, for progress, where known
};

struct BpeTrainerReport {
  uint64_t text_count = 0;
  uint64_t text_bytes = 0;
  uint64_t distinct_words = 0;
  uint64_t words_forgotten = 0;  // occurrences of words for which there was no room
  int64_t last_frequency = 0;    // of the pair merged last
  bool complete = true;          // false: too few frequent pairs for the size that was asked for
};

// The vocabulary: special tokens, the 256 bytes in the order of their letters, merged tokens. Of
// pairs of equal frequency the one whose left, then right symbol comes first in the vocabulary goes
// first, as in Hugging Face's tokenizers, whose merges these are. Neither the threads nor the order
// of the texts change the result unless words had to be forgotten.
// Throws kInvalidArgument for options that make no sense and where there is no text, kUnsupported
// for a pre-tokenizer that is not known, kCancelled.
Vocabulary train_byte_bpe(ThreadPool& threads, const TextStream& next,
                          const BpeTrainerOptions& options, BpeTrainerReport* report = nullptr);

}  // namespace minim
