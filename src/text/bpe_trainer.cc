#include "text/bpe_trainer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace minim {
namespace {

constexpr int32_t kVocabularyMax = 1 << 24;
constexpr int32_t kMergesPerReport = 256;

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// A word as the symbols that it consists of so far: a stretch of one long array that only shrinks.
struct Word {
  size_t begin = 0;
  uint32_t length = 0;
  int64_t count = 0;
};

struct Pair {
  int64_t count = 0;
  std::vector<uint32_t> words;  // that hold the pair, or held it once
};

struct Candidate {
  int64_t count;
  uint64_t key;
  // The most frequent first, then the lowest ids.
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : key > other.key;
  }
};

class PairMerger {
 public:
  // `first_id`: the id of the first byte symbol; bytes are in the order of their letters.
  PairMerger(const WordCounts& counts, int32_t first_id) {
    const std::vector<uint8_t> bytes = bytes_by_letter();
    std::array<int32_t, 256> ids{};
    for (size_t i = 0; i < bytes.size(); ++i) {
      ids[bytes[i]] = first_id + static_cast<int32_t>(i);
      by_bytes_[std::string(1, static_cast<char>(bytes[i]))] = ids[bytes[i]];
    }
    for (const auto& [text, count] : counts.words) {
      words_.push_back({symbols_.size(), static_cast<uint32_t>(text.size()), count});
      for (const char byte : text) symbols_.push_back(ids[static_cast<uint8_t>(byte)]);
    }
    for (size_t w = 0; w < words_.size(); ++w) count_pairs(static_cast<uint32_t>(w));
    for (const auto& [key, pair] : pairs_) queue_.push({pair.count, key});
  }

  static std::vector<uint8_t> bytes_by_letter() {
    std::vector<uint8_t> bytes;
    for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<uint8_t>(byte));
    std::sort(bytes.begin(), bytes.end(),
              [](uint8_t a, uint8_t b) { return byte_to_letter(a) < byte_to_letter(b); });
    return bytes;
  }

  // The most frequent pair, or nothing where none is as frequent as `frequency_min`.
  std::optional<Candidate> take_best(int64_t frequency_min) {
    while (!queue_.empty()) {
      Candidate best = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(best.key);
      const int64_t count = found == pairs_.end() ? 0 : found->second.count;
      if (count != best.count) {
        // Pairs that lost occurrences stay in the queue as they were; those that won some were
        // entered again.
        if (count < best.count && count >= frequency_min) queue_.push({count, best.key});
        continue;
      }
      if (best.count < frequency_min) return std::nullopt;
      return best;
    }
    return std::nullopt;
  }

  // The symbol that spells `bytes`, which gets the id `fresh` if there is none yet.
  int32_t symbol_for(const std::string& bytes, int32_t fresh) {
    return by_bytes_.try_emplace(bytes, fresh).first->second;
  }

  void merge(uint64_t key, int32_t symbol) {
    const auto left = static_cast<int32_t>(key >> 32);
    const auto right = static_cast<int32_t>(key & 0xffffffff);
    std::vector<uint32_t> holders = std::move(pairs_.at(key).words);
    std::sort(holders.begin(), holders.end());
    holders.erase(std::unique(holders.begin(), holders.end()), holders.end());
    grown_.clear();
    for (const uint32_t holder : holders) merge_in_word(holder, left, right, symbol);
    pairs_.erase(key);
    std::sort(grown_.begin(), grown_.end());
    grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());
    for (const uint64_t pair : grown_) {
      const auto found = pairs_.find(pair);
      if (found != pairs_.end() && found->second.count > 0) {
        queue_.push({found->second.count, pair});
      }
    }
  }

 private:
  void count_pairs(uint32_t index) {
    const Word& word = words_[index];
    for (uint32_t i = 0; i + 1 < word.length; ++i) {
      Pair& pair = pairs_[pair_key(symbols_[word.begin + i], symbols_[word.begin + i + 1])];
      pair.count += word.count;
      if (pair.words.empty() || pair.words.back() != index) pair.words.push_back(index);
    }
  }

  void change(uint32_t index, int32_t left, int32_t right, int64_t by) {
    const uint64_t key = pair_key(left, right);
    Pair& pair = pairs_[key];
    pair.count += by;
    if (by < 0) return;
    if (pair.words.empty() || pair.words.back() != index) pair.words.push_back(index);
    grown_.push_back(key);
  }

  void merge_in_word(uint32_t index, int32_t left, int32_t right, int32_t symbol) {
    Word& word = words_[index];
    int32_t* const at = symbols_.data() + word.begin;
    uint32_t written = 0;
    for (uint32_t i = 0; i < word.length;) {
      if (i + 1 == word.length || at[i] != left || at[i + 1] != right) {
        at[written++] = at[i++];
        continue;
      }
      if (written > 0) {
        change(index, at[written - 1], left, -word.count);
        change(index, at[written - 1], symbol, word.count);
      }
      if (i + 2 < word.length) {
        change(index, right, at[i + 2], -word.count);
        change(index, symbol, at[i + 2], word.count);
      }
      at[written++] = symbol;
      i += 2;
    }
    word.length = written;
  }

  std::vector<Word> words_;
  std::vector<int32_t> symbols_;
  std::unordered_map<uint64_t, Pair> pairs_;
  std::unordered_map<std::string, int32_t> by_bytes_;
  std::priority_queue<Candidate> queue_;
  std::vector<uint64_t> grown_;  // pairs that the current merge made or made more frequent
};

void check_special(const BpeTrainerOptions& options) {
  std::vector<std::string> sorted = options.special_tokens;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("text: the special token '{}' is listed twice", *twice));
  }
  for (const std::string& token : sorted) {
    // One character could be a byte's letter; a special token stands for no text.
    if (token.size() >= 2 && is_valid_utf8(token) && utf8_at(token, 0).length < token.size()) {
      continue;
    }
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("text: '{}' cannot be a special token; take at least two characters, "
                            "for example <|end|>",
                            token));
  }
}

void check_options(const BpeTrainerOptions& options) {
  const auto least = static_cast<int64_t>(options.special_tokens.size()) + 256;
  if (options.vocabulary_size < least || options.vocabulary_size > kVocabularyMax) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("text: a vocabulary of {} tokens; it takes {} for the bytes and the "
                            "special tokens, and at most {}",
                            options.vocabulary_size, least, kVocabularyMax));
  }
  if (options.frequency_min < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                "text: the minimum frequency of a pair must be at least 1");
  }
  if (options.words_max < 2) {
    throw Error(ErrorCode::kInvalidArgument, "text: room for at least 2 words is needed");
  }
  check_special(options);
}

std::optional<int32_t> find_special(const BpeTrainerOptions& options, const std::string& name) {
  if (name.empty()) return std::nullopt;
  const auto& tokens = options.special_tokens;
  const auto found = std::find(tokens.begin(), tokens.end(), name);
  if (found == tokens.end()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("text: '{}' is not one of the special tokens; add it to them", name));
  }
  return static_cast<int32_t>(found - tokens.begin());
}

Vocabulary start_vocabulary(const BpeTrainerOptions& options) {
  check_options(options);
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kByteBpe;
  vocabulary.pre_tokenizer = options.pre_tokenizer;
  vocabulary.normalization = options.normalization;
  vocabulary.chat_template = options.chat_template;
  vocabulary.add_bos = options.add_bos;
  vocabulary.tokens = options.special_tokens;
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kControl);
  vocabulary.bos = find_special(options, options.bos);
  vocabulary.eos = find_special(options, options.eos);
  vocabulary.eot = find_special(options, options.eot);
  vocabulary.padding = find_special(options, options.padding);
  if (options.add_bos && !vocabulary.bos) {
    throw Error(ErrorCode::kInvalidArgument, "text: add_bos needs a BOS token");
  }
  for (const uint8_t byte : PairMerger::bytes_by_letter()) {
    vocabulary.tokens.push_back(encode_letters(std::string(1, static_cast<char>(byte))));
  }
  return vocabulary;
}

// Returns whether `vocabulary` reached its size.
bool add_merges(const BpeTrainerOptions& options, PairMerger& merger, Vocabulary& vocabulary,
                BpeTrainerReport& report) {
  const auto size = static_cast<size_t>(options.vocabulary_size);
  std::unordered_map<uint64_t, int32_t> made;
  while (vocabulary.tokens.size() < size) {
    const auto best = merger.take_best(options.frequency_min);
    if (!best) return false;
    report.last_frequency = best->count;
    // One token may be made from several pairs, so that a pair comes up again after it was merged.
    auto known = made.find(best->key);
    if (known == made.end()) {
      const std::string& left = vocabulary.tokens[best->key >> 32];
      const std::string& right = vocabulary.tokens[best->key & 0xffffffff];
      const auto fresh = static_cast<int32_t>(vocabulary.tokens.size());
      const std::string whole = left + right;
      vocabulary.merges.push_back(left + " " + right);
      const int32_t symbol = merger.symbol_for(*decode_letters(whole), fresh);
      if (symbol == fresh) vocabulary.tokens.push_back(whole);
      known = made.emplace(best->key, symbol).first;
    }
    merger.merge(best->key, known->second);
    if (vocabulary.merges.size() % kMergesPerReport == 0) {
      report_progress(options.progress, {"merging", vocabulary.tokens.size(), size, "tokens"});
    }
  }
  return true;
}

}  // namespace

Vocabulary train_byte_bpe(ThreadPool& threads, const TextStream& next,
                          const BpeTrainerOptions& options, BpeTrainerReport* report) {
  Vocabulary vocabulary = start_vocabulary(options);
  const WordCounts counts = count_words(threads, next,
                                        {.pre_tokenizer = options.pre_tokenizer,
                                         .normalization = options.normalization,
                                         .special_tokens = options.special_tokens,
                                         .words_max = options.words_max,
                                         .progress = options.progress,
                                         .bytes_total = options.bytes_total});
  if (counts.words.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "text: there is no text to learn a vocabulary from");
  }
  BpeTrainerReport result;
  result.text_count = counts.text_count;
  result.text_bytes = counts.text_bytes;
  result.distinct_words = counts.words.size();
  result.words_forgotten = counts.words_forgotten;
  PairMerger merger(counts, static_cast<int32_t>(options.special_tokens.size()));
  result.complete = add_merges(options, merger, vocabulary, result);
  vocabulary.types.resize(vocabulary.tokens.size(), TokenType::kNormal);
  if (report != nullptr) *report = result;
  return vocabulary;
}

}  // namespace minim
