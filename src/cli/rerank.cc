// `minim rerank`: which documents suit a query best.
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/choice_option.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/public_model.h"
#include "cli/terminal.h"
#include "cli/terminal_text.h"
#include "cli/text_list.h"

namespace minim::cli {
namespace {

struct Options {
  PublicModelOptions model;
  std::string query;
  std::vector<std::string> documents;
  std::string file;
  v1::RankOptions rank;
  int64_t top = 0;  // 0: all
  bool json = false;
};

// Places of the documents, the best one first; of equals the first one.
std::vector<size_t> order_of(const std::vector<float>& scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  return order;
}

void print_line(const ListedText& document, size_t index, float score) {
  std::string text = document.text;
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (stdout_is_terminal()) text = terminal_text(text);
  fmt::print("{:9.4f} {:>5}  {}\n", score, index + 1, text);
}

void print_json(const ListedText& document, size_t index, float score) {
  OrderedJson line = {{"index", index}, {"score", score}};
  if (!document.id.is_null()) line["id"] = document.id;
  line["text"] = document.text;
  fmt::print("{}\n", line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
}

int rerank(const Options& options) {
  if (options.query.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "rerank: the query is empty");
  }
  const auto documents = read_text_list("rerank", options.documents, options.file);
  const InterruptGuard interrupt;
  PublicModel opened(options.model);
  std::vector<std::string_view> views;
  for (const ListedText& document : documents) views.push_back(document.text);
  const std::vector<float> scores = opened.model().rerank(options.query, views, options.rank);
  std::vector<size_t> order = order_of(scores);
  if (options.top > 0) order.resize(std::min(order.size(), static_cast<size_t>(options.top)));
  for (const size_t i : order) {
    if (options.json) {
      print_json(documents[i], i, scores[i]);
    } else {
      print_line(documents[i], i, scores[i]);
    }
  }
  return kExitOk;
}

}  // namespace

Action add_rerank(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_public_model_options(app, options->model);
  app.add_option("QUERY", options->query, "What is looked for")->required();
  app.add_option("DOCUMENT", options->documents,
                 "The documents (default: --file, or standard input)");
  app.add_option("-f,--file", options->file,
                 "One document a line, or JSON lines with \"text\" and \"id\"");
  add_choice_option(
      app, "--method", options->rank.method,
      "Cosine of the embeddings, how probable the query is after the document, or how "
      "probable \"yes\" is when the model is asked (default: embeddings)",
      {{"embeddings", v1::RankMethod::kEmbeddings},
       {"likelihood", v1::RankMethod::kLikelihood},
       {"judgement", v1::RankMethod::kJudgement}});
  app.add_option("--top", options->top, "Print the best ones only")->check(CLI::PositiveNumber);
  app.add_flag("--truncate", options->rank.truncate,
               "Cut documents that do not fit instead of refusing them");
  app.add_flag("--json", options->json, "Print JSON lines; \"index\" counts from 0");
  app.footer(
      "Prints score, number and text, the best one first.\n\n"
      "Example:\n  minim rerank model.gguf \"opening hours\" -f pages.txt --top 5");
  return [options] { return rerank(*options); };
}

}  // namespace minim::cli
