#include "serve/engine/fill_in_middle.h"

#include <fmt/core.h>

#include "base/error.h"

namespace minim::serve {
namespace {

struct Names {
  const char* prefix;
  const char* suffix;
  const char* middle;
};

constexpr Names kKeys[] = {{"fim_pre", "fim_suf", "fim_mid"}, {"prefix", "suffix", "middle"}};

// Of Qwen and Gemma; StarCoder and Granite; SantaCoder; DeepSeek; Llama, with and without
// SentencePiece's mark of a space.
constexpr Names kTokens[] = {
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},
    {"▁<PRE>", "▁<SUF>", "▁<MID>"},
    {"<PRE>", "<SUF>", "<MID>"},
};

std::optional<TokenId> read_id(const Metadata& metadata, const char* name,
                               const Tokenizer& tokenizer) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
  const auto id = metadata.integer(key);
  if (!id) return std::nullopt;
  if (*id < 0 || *id >= tokenizer.size()) {
    throw Error(ErrorCode::kFormat, fmt::format("vocabulary: {} is {}, but there are {} tokens",
                                                key, *id, tokenizer.size()));
  }
  return static_cast<TokenId>(*id);
}

}  // namespace

std::optional<FillTokens> find_fill_tokens(const Metadata& metadata, const Tokenizer& tokenizer) {
  const auto all = [](std::optional<TokenId> prefix, std::optional<TokenId> suffix,
                      std::optional<TokenId> middle) -> std::optional<FillTokens> {
    if (!prefix || !suffix || !middle) return std::nullopt;
    return FillTokens{*prefix, *suffix, *middle};
  };
  for (const Names& keys : kKeys) {
    const auto found =
        all(read_id(metadata, keys.prefix, tokenizer), read_id(metadata, keys.suffix, tokenizer),
            read_id(metadata, keys.middle, tokenizer));
    if (found) return found;
  }
  for (const Names& names : kTokens) {
    const auto found = all(tokenizer.find(names.prefix), tokenizer.find(names.suffix),
                           tokenizer.find(names.middle));
    if (found) return found;
  }
  return std::nullopt;
}

std::vector<TokenId> fill_prompt(const FillTokens& fill, const Tokenizer& tokenizer,
                                 const std::vector<TokenId>& before, std::string_view behind) {
  std::vector<TokenId> prompt;
  const auto bos = tokenizer.vocabulary().bos;
  size_t begin = 0;
  if (bos && !before.empty() && before.front() == *bos) {
    prompt.push_back(*bos);
    begin = 1;
  }
  prompt.push_back(fill.prefix);
  prompt.insert(prompt.end(), before.begin() + static_cast<std::ptrdiff_t>(begin), before.end());
  prompt.push_back(fill.suffix);
  const auto suffix = tokenizer.encode(behind, {.add_special = false});
  prompt.insert(prompt.end(), suffix.begin(), suffix.end());
  prompt.push_back(fill.middle);
  return prompt;
}

}  // namespace minim::serve
