// Tokenizers: MB/s on English prose and on text made to be slow. The vocabularies and the prose
// come from the data folder; cases without their files are left out.
#include <cstdio>
#include <functional>
#include <memory>

#include "base/rng.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/sentencepiece.h"
#include "formats/vocabulary.h"
#include "tests/support/bench.h"
#include "tests/support/test_data.h"
#include "text/tokenizer.h"

namespace minim {
namespace {

constexpr size_t kTextBytes = 1'000'000;

struct Text {
  std::string name;
  std::string content;
};

std::string repeat(std::string_view unit, size_t bytes) {
  std::string out;
  while (out.size() + unit.size() <= bytes) out += unit;
  return out;
}

std::string random_bytes(size_t bytes, uint64_t low, uint64_t high) {
  Rng rng(1);
  std::string out;
  while (out.size() < bytes) out += static_cast<char>(low + rng.below(high - low));
  return out;
}

std::vector<Text> make_texts(const std::string& prose, size_t bytes) {
  return {
      {"english", prose.substr(0, bytes)},
      {"one letter", repeat("a", bytes)},
      {"two letters", repeat("ab", bytes)},
      {"spaces", repeat(" ", bytes)},
      {"line ends", repeat("\n", bytes)},
      {"one three-byte character", repeat("中", bytes)},
      {"emoji", repeat("😀", bytes)},
      {"combining marks", repeat("\xCC\x95\xCC\x80", bytes)},
      {"digits", repeat("1234567890", bytes)},
      {"special prefixes", repeat("<|im_star", bytes)},
      {"one random word", random_bytes(bytes, 'a', 'z' + 1)},
      {"spaces and a letter", repeat(std::string(999, ' ') + "x", bytes)},
      {"random bytes", random_bytes(bytes, 0, 256)},
      {"apostrophes", repeat("'", bytes)},
  };
}

std::shared_ptr<const Tokenizer> open_tokenizer(const Path& path, const std::string& pre) {
  Vocabulary vocabulary;
  if (path.extension() == ".gguf") {
    vocabulary = read_vocabulary(open_gguf(path)->metadata());
  } else {
    const std::string file = read_file(path);
    vocabulary = read_sentencepiece(std::as_bytes(std::span(file)));
  }
  if (!pre.empty()) vocabulary.pre_tokenizer = pre;
  return Tokenizer::make(std::move(vocabulary));
}

struct Model {
  const char* name;
  const char* file;
  const char* pre;  // another pre-tokenizer over the same vocabulary
};

constexpr Model kModels[] = {
    {"gpt-2", "gguf_vocab/ggml-vocab-gpt-2.gguf", ""},
    {"llama-bpe words", "gguf_vocab/ggml-vocab-gpt-2.gguf", "dbrx"},
    {"qwen2 words", "gguf_vocab/ggml-vocab-gpt-2.gguf", "qwen2"},
    {"starcoder words", "gguf_vocab/ggml-vocab-gpt-2.gguf", "starcoder"},
    {"gpt-4o words", "gguf_vocab/ggml-vocab-gpt-2.gguf", "gpt-4o"},
    {"deepseek-llm words", "gguf_vocab/ggml-vocab-gpt-2.gguf", "deepseek-llm"},
    {"deepseek-v3 words", "gguf_vocab/ggml-vocab-gpt-2.gguf", "deepseek-v3"},
    {"bloom words", "gguf_vocab/ggml-vocab-gpt-2.gguf", "bloom"},
    {"chameleon words", "gguf_vocab/ggml-vocab-gpt-2.gguf", "chameleon"},
    {"uncut", "gguf_vocab/ggml-vocab-gpt-2.gguf", "none"},
    {"falcon", "gguf_vocab/ggml-vocab-falcon.gguf", ""},
    {"deepseek-coder", "gguf_vocab/ggml-vocab-deepseek-coder.gguf", ""},
    {"llama-spm", "gguf_vocab/ggml-vocab-llama-spm.gguf", ""},
    {"unigram", "sentencepiece/test_model.model", ""},
    {"bert-bge", "gguf_vocab/ggml-vocab-bert-bge.gguf", ""},
};

int run(const bench::Options& options) {
  const Path prose_path = testing::data_path("text/misc/botchan.txt.xz");
  if (prose_path.empty()) {
    std::printf("no text: set MINIM_DATA\n");
    return 0;
  }
  const size_t bytes = options.tiny ? 10'000 : kTextBytes;
  std::string prose;
  for (const char* name : {"text/misc/botchan.txt.xz", "text/misc/wizard_of_oz_and_more.txt.xz",
                           "text/misc/wiki_demo.txt.xz"}) {
    if (const Path path = testing::data_path(name); !path.empty())
      prose += testing::read_data(path);
  }
  for (const Model& model : kModels) {
    const Path path = testing::data_path(std::string("conformance/") + model.file);
    if (path.empty()) continue;
    const auto tokenizer = open_tokenizer(path, model.pre);
    std::vector<bench::Case> cases;
    for (Text& text : make_texts(prose, bytes)) {
      const double megabytes = static_cast<double>(text.content.size()) / 1e6;
      cases.push_back({std::string(model.name) + ": " + text.name, megabytes, "MB",
                       [tokenizer, content = std::move(text.content)] {
                         const auto tokens = tokenizer->encode(content, {.parse_special = true});
                         if (tokens.size() > content.size() + 2) std::abort();
                       }});
    }
    bench::run_cases(options, cases, 3);
  }
  return 0;
}

}  // namespace
}  // namespace minim

int main(int argc, char** argv) { return minim::run(minim::bench::parse_options(argc, argv)); }
