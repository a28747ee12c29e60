// `minim tokenize`: how a model's tokenizer cuts a text.
#include <fmt/core.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/engine.h"

namespace minim::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string text;
  std::string file;
  std::vector<TokenId> decode;
  bool no_special = false;
  bool parse_special = false;
  bool ids = false;
  bool count = false;
  bool json = false;
};

// Bytes as a person can read them: control characters and broken UTF-8 as \xNN.
std::string visible(const std::string& bytes) {
  const std::string dumped = Json(bytes).dump(-1, ' ', false, Json::error_handler_t::ignore);
  const bool whole =
      Json::accept("[" + dumped + "]") && Json::parse(dumped).get<std::string>() == bytes;
  if (whole) return dumped;
  std::string text = "\"";
  for (const unsigned char c : bytes) {
    text += c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? std::string(1, static_cast<char>(c))
                                                           : fmt::format("\\x{:02x}", c);
  }
  return text + "\"";
}

void print_tokens(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens,
                  const Options& options) {
  if (options.count) {
    fmt::print("{}\n", tokens.size());
  } else if (options.ids) {
    std::string line;
    for (const TokenId token : tokens) line += fmt::format("{}{}", line.empty() ? "" : " ", token);
    fmt::print("{}\n", line);
  } else if (options.json) {
    OrderedJson list = OrderedJson::array();
    for (const TokenId token : tokens) {
      const std::string bytes = tokenizer.token_bytes(token);
      OrderedJson entry = {{"id", token}, {"stored", tokenizer.vocabulary().tokens[token]}};
      OrderedJson values = OrderedJson::array();
      for (const unsigned char c : bytes) values.push_back(c);
      entry["bytes"] = values;
      entry["special"] = tokenizer.is_special(token);
      list.push_back(entry);
    }
    const OrderedJson document = {{"count", tokens.size()}, {"tokens", list}};
    fmt::print("{}\n", document.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
  } else {
    for (const TokenId token : tokens) {
      fmt::print("{:>7}  {}{}\n", token, visible(tokenizer.token_bytes(token)),
                 tokenizer.is_special(token) ? "  (special)" : "");
    }
  }
}

int tokenize(const Options& options) {
  const auto file = open_model(options.model);
  const auto tokenizer = open_tokenizer(*file);
  if (!options.decode.empty()) {
    fmt::print("{}\n", tokenizer->decode(options.decode));
    return 0;
  }
  if (!options.text.empty() && !options.file.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "tokenize: give a TEXT or a --file, not both");
  }
  const std::string text =
      !options.text.empty() ? options.text : read_text(options.file.empty() ? "-" : options.file);
  const auto tokens = tokenizer->encode(
      text, {.add_special = !options.no_special, .parse_special = options.parse_special});
  print_tokens(*tokenizer, tokens, options);
  return 0;
}

}  // namespace

Action add_tokenize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_option("TEXT", options->text, "The text (default: --file, or standard input)");
  app.add_option("-f,--file", options->file, "Read the text from a file; - is standard input");
  app.add_option("--decode", options->decode, "Turn these ids into text instead")->delimiter(',');
  app.add_flag("--no-special", options->no_special,
               "Leave out the tokens that begin and end a text");
  app.add_flag("--parse-special", options->parse_special, "Recognise special tokens in the text");
  app.add_flag("--ids", options->ids, "Print ids only, on one line");
  app.add_flag("--count", options->count, "Print the number of tokens only");
  app.add_flag("--json", options->json, "Print JSON");
  app.footer("Example:\n  minim tokenize model.gguf \"Hello, world\"");
  return [options] { return tokenize(*options); };
}

}  // namespace minim::cli
