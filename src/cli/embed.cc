// `minim embed`: texts as vectors, and how alike they are.
#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/choice_option.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/public_model.h"
#include "cli/terminal.h"
#include "cli/text_list.h"

namespace minim::cli {
namespace {

constexpr size_t kTextsAtOnce = 64;  // then what came is written

enum class Format { kJson, kText, kFloat32 };

struct Options {
  PublicModelOptions model;
  std::vector<std::string> texts;
  std::string file;
  Format format = Format::kJson;
  v1::EmbedOptions embed;
  bool similarity = false;
};

void write_json(const ListedText& text, size_t index, std::span<const float> embedding) {
  OrderedJson line = {{"index", index}};
  if (!text.id.is_null()) line["id"] = text.id;
  // Floats as short as they can be read back exactly.
  std::string values;
  for (const float value : embedding) {
    values += (values.empty() ? "" : ",") + fmt::format("{}", value);
  }
  std::string head = line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  head.pop_back();
  fmt::print("{},\"embedding\":[{}]}}\n", head, values);
}

void write_text(std::span<const float> embedding) {
  std::string values;
  for (const float value : embedding) {
    values += (values.empty() ? "" : " ") + fmt::format("{}", value);
  }
  fmt::print("{}\n", values);
}

void write_float32(std::span<const float> embedding) {
  static_assert(std::endian::native == std::endian::little, "the format is little-endian");
  std::fwrite(embedding.data(), sizeof(float), embedding.size(), stdout);
}

void write_rows(const Options& options, std::span<const ListedText> texts, size_t first,
                const v1::Embeddings& embeddings) {
  for (size_t i = 0; i < embeddings.size(); ++i) {
    switch (options.format) {
      case Format::kJson: write_json(texts[i], first + i, embeddings[i]); break;
      case Format::kText: write_text(embeddings[i]); break;
      case Format::kFloat32: write_float32(embeddings[i]); break;
    }
  }
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double product = 0;
  double a_square = 0;
  double b_square = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += double{a[i]} * b[i];
    a_square += double{a[i]} * a[i];
    b_square += double{b[i]} * b[i];
  }
  return a_square > 0 && b_square > 0 ? product / std::sqrt(a_square * b_square) : 0;
}

// One row a text: its cosine with each of the texts.
void write_similarity(const v1::Embeddings& all) {
  for (size_t i = 0; i < all.size(); ++i) {
    std::string row;
    for (size_t j = 0; j < all.size(); ++j) {
      row += fmt::format("{}{:7.4f}", row.empty() ? "" : " ", cosine(all[i], all[j]));
    }
    fmt::print("{}\n", row);
  }
}

int embed(const Options& options) {
  if (options.format == Format::kFloat32 && stdout_is_terminal()) {
    throw Error(ErrorCode::kInvalidArgument,
                "embed: --format f32 writes bytes that are no text; send them to a file");
  }
  const auto texts = read_text_list("embed", options.texts, options.file);
  const InterruptGuard interrupt;
  PublicModel opened(options.model);
  v1::Embeddings all;
  size_t truncated = 0;
  for (size_t first = 0; first < texts.size(); first += kTextsAtOnce) {
    const auto part = std::span(texts).subspan(first, std::min(kTextsAtOnce, texts.size() - first));
    std::vector<std::string_view> views;
    for (const ListedText& text : part) views.push_back(text.text);
    const v1::Embeddings embeddings = opened.model().embed(views, options.embed);
    if (InterruptGuard::interrupted()) throw Error(ErrorCode::kCancelled, "embed: stopped");
    truncated += embeddings.truncated;
    if (options.similarity) {
      all.dimensions = embeddings.dimensions;
      all.values.insert(all.values.end(), embeddings.values.begin(), embeddings.values.end());
    } else {
      write_rows(options, part, first, embeddings);
    }
  }
  if (options.similarity) write_similarity(all);
  if (truncated > 0) {
    fmt::print(stderr, "minim: warning: {} of {} texts were cut to the context of {} tokens\n",
               truncated, texts.size(), opened.model().info().context_tokens);
  }
  return kExitOk;
}

}  // namespace

Action add_embed(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_public_model_options(app, options->model);
  app.add_option("TEXT", options->texts, "The texts (default: --file, or standard input)");
  app.add_option("-f,--file", options->file,
                 "One text a line, or JSON lines with \"text\" and \"id\"; - is standard input");
  add_choice_option(app, "--pooling", options->embed.pooling,
                    "How a text's tokens become one vector (default: as the model's file says)",
                    {{"model", v1::Pooling::kModel},
                     {"mean", v1::Pooling::kMean},
                     {"last", v1::Pooling::kLast},
                     {"cls", v1::Pooling::kCls}});
  app.add_flag("--normalize,!--no-normalize", options->embed.normalized,
               "Vectors of length 1, which is the default, or as they come");
  app.add_option("--dimensions", options->embed.dimensions, "Keep the first ones only")
      ->check(CLI::PositiveNumber);
  app.add_flag("--truncate", options->embed.truncate,
               "Cut texts that do not fit, with a warning, instead of refusing them");
  add_choice_option(app, "--format", options->format,
                    "JSON lines, lines of numbers, or raw little-endian floats (default: json)",
                    {{"json", Format::kJson}, {"text", Format::kText}, {"f32", Format::kFloat32}});
  app.add_flag("--similarity", options->similarity, "Print the cosines of all pairs instead");
  app.footer(
      "Examples:\n"
      "  minim embed model.gguf \"a small dog\" \"a puppy\" --similarity\n"
      "  minim embed model.gguf -f texts.jsonl > vectors.jsonl");
  return [options] { return embed(*options); };
}

}  // namespace minim::cli
