#include "text/word_counts.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

constexpr size_t kRoundBytes = size_t{16} << 20;
constexpr size_t kTaskBytes = size_t{1} << 20;

using Counts = std::unordered_map<std::string_view, int64_t>;

class WordCounter {
 public:
  explicit WordCounter(const WordCountOptions& options)
      : pre_tokenizer_(vocabulary_for(options)), matcher_(entries_for(options)) {
    const auto form = parse_normal_form(options.normalization);
    if (!form) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("text: the normalization '{}' is not known; nfc, nfd, nfkc and nfkd "
                              "are",
                              options.normalization));
    }
    form_ = *form;
  }

  bool normalizes() const { return form_ != NormalForm::kNone; }
  std::string normalized(std::string_view text) const { return normalize(text, form_); }

  void count(std::string_view text, Counts& counts) const {
    size_t begin = 0;
    for (const SpecialMatch& match : matcher_.find(text)) {
      count_plain(text.substr(begin, match.begin - begin), counts);
      begin = match.begin + match.length;
    }
    count_plain(text.substr(begin), counts);
  }

 private:
  static Vocabulary vocabulary_for(const WordCountOptions& options) {
    Vocabulary vocabulary;
    vocabulary.pre_tokenizer = options.pre_tokenizer;
    return vocabulary;
  }

  static std::vector<ByteTrie::Entry> entries_for(const WordCountOptions& options) {
    std::vector<ByteTrie::Entry> entries;
    for (size_t i = 0; i < options.special_tokens.size(); ++i) {
      entries.push_back({options.special_tokens[i], static_cast<int32_t>(i)});
    }
    return entries;
  }

  void count_plain(std::string_view text, Counts& counts) const {
    uint32_t begin = 0;
    for (const uint32_t end : pre_tokenizer_.split(text)) {
      std::string_view word = text.substr(begin, end - begin);
      begin = end;
      while (word.size() > kCountedWordBytesMax) {
        ++counts[word.substr(0, kCountedWordBytesMax)];
        word.remove_prefix(kCountedWordBytesMax);
      }
      if (!word.empty()) ++counts[word];
    }
  }

  PreTokenizer pre_tokenizer_;
  SpecialTokenMatcher matcher_;
  NormalForm form_ = NormalForm::kNone;
};

// Texts in tasks of about a megabyte, whoever takes them.
void count_round(ThreadPool& threads, const WordCounter& counter, std::vector<std::string>& texts,
                 WordCounts& totals) {
  std::vector<size_t> task_begins = {0};
  size_t bytes = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (bytes >= kTaskBytes) {
      task_begins.push_back(i);
      bytes = 0;
    }
    bytes += texts[i].size();
  }
  const auto task_count = static_cast<int64_t>(task_begins.size());
  task_begins.push_back(texts.size());
  std::vector<Counts> counts(static_cast<size_t>(task_count));
  threads.run(task_count, [&](int64_t task) {
    const auto at = static_cast<size_t>(task);
    for (size_t i = task_begins[at]; i < task_begins[at + 1]; ++i) {
      if (counter.normalizes()) texts[i] = counter.normalized(texts[i]);
      counter.count(texts[i], counts[at]);
    }
  });
  for (const Counts& part : counts) {
    for (const auto& [word, count] : part) totals.words[std::string(word)] += count;
  }
}

// Forgets the rarest words until half the room is free.
void forget_rare(WordCounts& totals, size_t words_max) {
  for (int64_t least = 1; totals.words.size() > words_max / 2; ++least) {
    std::erase_if(totals.words, [&](const auto& entry) {
      if (entry.second > least) return false;
      totals.words_forgotten += static_cast<uint64_t>(entry.second);
      return true;
    });
  }
}

}  // namespace

WordCounts count_words(ThreadPool& threads, const TextStream& next,
                       const WordCountOptions& options) {
  const WordCounter counter(options);
  WordCounts totals;
  std::vector<std::string> texts;
  for (bool more = true; more;) {
    texts.clear();
    size_t bytes = 0;
    std::string text;
    while (bytes < kRoundBytes && (more = next(text))) {
      if (text.size() >= options.text_bytes_max) {
        throw Error(ErrorCode::kLimit,
                    fmt::format("text: a text of {} bytes; cut it into documents", text.size()));
      }
      ++totals.text_count;
      bytes += text.size();
      texts.push_back(std::exchange(text, {}));
    }
    if (texts.empty()) break;
    count_round(threads, counter, texts, totals);
    totals.text_bytes += bytes;
    if (totals.words.size() > options.words_max) forget_rare(totals, options.words_max);
    report_progress(options.progress,
                    {"counting words", totals.text_bytes, options.bytes_total, "bytes"});
  }
  return totals;
}

}  // namespace minim
