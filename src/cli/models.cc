// `minim models`: which models are at hand, where each came from, and whether it suits this
// machine.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/sha256.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/model_card.h"
#include "cli/model_catalog.h"
#include "cli/model_memory.h"
#include "cli/model_summary.h"
#include "cli/terminal.h"
#include "eval/forecast.h"
#include "formats/builtin/builtin_models.h"
#include "formats/byte_reader.h"

namespace minim::cli {
namespace {

constexpr int64_t kContextTokens = 4096;  // that has to fit, or all that the model can
constexpr size_t kHashBytes = size_t{8} << 20;
constexpr size_t kNameShown = 100;

struct Options {
  std::string name;  // of `show`
  bool fit = false;
  bool sha256 = false;
  bool json = false;
  EngineOptions engine;
};

struct Fit {
  uint64_t bytes_needed = 0;
  bool fits = false;
  double generated_tokens_per_second = 0;  // if it did
  double prompt_tokens_per_second = 0;
};

struct Listed {
  CatalogEntry entry;
  std::string problem;  // why the rest is empty
  std::string format;
  ModelSummary summary;
  ModelCard card;
  std::string sha256;
  std::optional<Fit> fit;
  std::string fit_problem;  // why there is none where it was asked for
};

std::string digest_of(const Path& path, const Options& options) {
  if (const BuiltinModel* model = find_builtin(path)) {
    Sha256 hash;
    hash.add(model->bytes);
    return hash.finish();
  }
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return "";  // several files: none to name
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  ProgressDisplay display(options.engine.quiet);
  const ProgressSink progress = display.sink();
  Sha256 hash;
  for (size_t at = 0; at < bytes.size(); at += kHashBytes) {
    const auto part = bytes.subspan(at, std::min(kHashBytes, bytes.size() - at));
    hash.add(part);
    file->release(part);
    report_progress(
        progress,
        {.stage = "hashing", .done = at + part.size(), .total = bytes.size(), .unit = "bytes"});
  }
  return hash.finish();
}

Fit examine_fit(const Engine& engine, const ModelFile& file) {
  const ModelShape shape = model_shape(file);
  const int64_t context = std::min(shape.config.context_length, kContextTokens);
  const Machine machine = read_machine();
  const Forecast speed =
      forecast_speed(engine.context(), shape, {.prompt_tokens = std::min<int64_t>(512, context)});
  const ModelMemory memory = examine_memory(estimate_memory(file), context, machine);
  return {.bytes_needed = memory.total_bytes,
          .fits = memory.fits,
          .generated_tokens_per_second = speed.generation_tokens_per_second,
          .prompt_tokens_per_second = speed.prompt_tokens_per_second};
}

// Nothing that a file holds stops the list.
Listed examine(const CatalogEntry& entry, const Options& options, const Engine* engine) {
  Listed listed = {.entry = entry, .problem = entry.problem};
  if (!listed.problem.empty()) return listed;
  try {
    const auto file = open_model_file(entry.path);
    listed.format = file->format();
    listed.summary = summarize(*file);
    listed.card = read_model_card(*file);
    if (listed.card.license.empty()) add_license_of_text(entry.path, listed.card);
    if (options.sha256) listed.sha256 = digest_of(entry.path, options);
    if (engine == nullptr) return listed;
    try {
      listed.fit = examine_fit(*engine, *file);
    } catch (const Error& error) {
      listed.fit_problem = error.what();
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    listed.problem = error.what();
  }
  return listed;
}

std::string shown(const std::string& text, size_t bytes_max = kNameShown) {
  return printable(text, bytes_max);
}

std::string fit_text(const Listed& listed) {
  if (!listed.fit_problem.empty()) return "cannot run";
  if (!listed.fit) return "";
  if (!listed.fit->fits) return "too large";
  return fmt::format("fits, {:.1f} t/s", listed.fit->generated_tokens_per_second);
}

std::vector<std::string> cells_of(const Listed& listed, const Options& options) {
  const ModelSummary& summary = listed.summary;
  std::vector<std::string> cells = {
      shown(listed.entry.name) + (listed.entry.is_default   ? " *"
                                  : listed.entry.is_builtin ? " (built in)"
                                                            : ""),
      summary.architecture,
      format_count(static_cast<double>(summary.parameters)),
      summary.type,
      fmt::format("{:.2f}", summary.bits_per_weight()),
      format_bytes(static_cast<double>(summary.bytes)),
      summary.context_tokens > 0 ? fmt::format("{}", summary.context_tokens) : "",
      summary.has_chat_template ? "yes" : "no",
      shown(listed.card.license, 30)};
  if (options.fit) cells.push_back(fit_text(listed));
  return cells;
}

// Characters, as the formatting counts them.
size_t columns_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

void print_table(const std::vector<Listed>& models, const Options& options) {
  std::vector<std::string> titles = {"name", "architecture", "params", "type",   "bits",
                                     "size", "context",      "chat",   "licence"};
  if (options.fit) titles.emplace_back("on this machine");
  std::vector<std::vector<std::string>> rows = {titles};
  for (const Listed& listed : models) {
    if (listed.problem.empty()) rows.push_back(cells_of(listed, options));
  }
  std::vector<size_t> widths(titles.size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  const auto print = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    while (line.ends_with(' ')) line.pop_back();
    fmt::print("{}\n", line);
  };
  if (rows.size() > 1) print(rows.front());
  size_t next = 1;
  for (const Listed& listed : models) {
    if (listed.problem.empty()) {
      print(rows[next++]);
      if (!listed.sha256.empty()) fmt::print("  sha256 {}\n", listed.sha256);
    } else {
      fmt::print("{}  cannot be read: {}\n", shown(listed.entry.name), shown(listed.problem, 500));
    }
  }
  const bool any_default = std::any_of(
      models.begin(), models.end(), [](const Listed& listed) { return listed.entry.is_default; });
  if (any_default) fmt::print("* the default: $MINIM_MODEL\n");
}

OrderedJson fit_json(const Listed& listed) {
  if (!listed.fit) return {{"problem", listed.fit_problem}};
  return {{"fits", listed.fit->fits},
          {"bytes_needed", listed.fit->bytes_needed},
          {"generated_tokens_per_second", listed.fit->generated_tokens_per_second},
          {"prompt_tokens_per_second", listed.fit->prompt_tokens_per_second}};
}

OrderedJson to_json(const Listed& listed, const Options& options) {
  OrderedJson json = {{"name", listed.entry.name},
                      {"path", listed.entry.path.string()},
                      {"default", listed.entry.is_default},
                      {"builtin", listed.entry.is_builtin}};
  std::error_code error;
  if (std::filesystem::is_symlink(listed.entry.path, error)) {
    json["link_to"] = std::filesystem::read_symlink(listed.entry.path, error).string();
  }
  if (!listed.problem.empty()) {
    json["problem"] = listed.problem;
    return json;
  }
  const ModelSummary& summary = listed.summary;
  json["format"] = listed.format;
  json["title"] = listed.card.title;
  json["architecture"] = summary.architecture;
  json["parameters"] = summary.parameters;
  json["type"] = summary.type;
  json["bits_per_weight"] = summary.bits_per_weight();
  json["bytes"] = summary.bytes;
  json["context_tokens"] = summary.context_tokens;
  json["chat_template"] = summary.has_chat_template;
  json["licence"] = listed.card.license;
  json["source"] = listed.card.source;
  OrderedJson facts = OrderedJson::array();
  for (const auto& [label, text] : listed.card.facts) facts.push_back({label, text});
  json["facts"] = facts;
  if (!listed.sha256.empty()) json["sha256"] = listed.sha256;
  if (options.fit) json["fit"] = fit_json(listed);
  return json;
}

// In ASCII: what a terminal obeys is not all below 0x20.
void print_json(const OrderedJson& json) {
  fmt::print("{}\n", json.dump(2, ' ', true, OrderedJson::error_handler_t::replace));
}

std::unique_ptr<Engine> make_engine(const Options& options) {
  return options.fit ? std::make_unique<Engine>(options.engine) : nullptr;
}

int list(const Options& options) {
  const InterruptGuard interrupt;
  const auto engine = make_engine(options);
  std::vector<Listed> models;
  for (const CatalogEntry& entry : list_models()) {
    models.push_back(examine(entry, options, engine.get()));
  }
  if (options.json) {
    OrderedJson document = {{"folders", OrderedJson::array()}, {"models", OrderedJson::array()}};
    for (const Path& folder : model_folders()) document["folders"].push_back(folder.string());
    for (const Listed& listed : models) document["models"].push_back(to_json(listed, options));
    print_json(document);
    return kExitOk;
  }
  if (!models.empty()) print_table(models, options);
  const bool any_file = std::any_of(models.begin(), models.end(),
                                    [](const Listed& listed) { return !listed.entry.is_builtin; });
  if (any_file) return kExitOk;
  fmt::print("no other models in");
  for (const Path& folder : model_folders()) fmt::print(" '{}'", shown(folder.string(), 500));
  fmt::print("; $MINIM_MODELS names other folders\n");
  return kExitOk;
}

void print_fact(const std::string& label, const std::string& text) {
  fmt::print("  {:<18}{}\n", label, shown(text, 500));
}

void print_card(const Listed& listed, const Options& options) {
  const ModelSummary& summary = listed.summary;
  fmt::print("{}\n", shown(listed.card.title.empty() ? listed.entry.name : listed.card.title));
  print_fact("file", listed.entry.path.string());
  print_fact("format", listed.format);
  print_fact("class", summary.class_name());
  print_fact("weights", fmt::format("{}, {} in {:.3f} bits each",
                                    format_count(static_cast<double>(summary.parameters)),
                                    format_bytes(static_cast<double>(summary.bytes)),
                                    summary.bits_per_weight()));
  if (summary.context_tokens > 0) {
    print_fact("context", fmt::format("{} tokens", summary.context_tokens));
  }
  print_fact("chat template", summary.has_chat_template ? "yes" : "no");
  for (const auto& [label, text] : listed.card.facts) print_fact(label, text);
  if (listed.card.license.empty()) print_fact("licence", "the file names none");
  if (!listed.sha256.empty()) print_fact("sha256", listed.sha256);
  if (options.fit) {
    print_fact("on this machine",
               listed.fit_problem.empty() ? fit_text(listed) : listed.fit_problem);
  }
  const auto card = find_card_text(listed.entry.path);
  if (!card) return;
  fmt::print("\n{}:\n\n{}", shown(card->path.string(), 500), printable_lines(card->text));
  if (card->is_cut) fmt::print("... (the file goes on)\n");
}

int show(const Options& options) {
  const InterruptGuard interrupt;
  const Path path = resolve_model(options.name);
  CatalogEntry entry = {.name = options.name, .path = path, .is_builtin = is_builtin_path(path)};
  const auto engine = make_engine(options);
  const Listed listed = examine(entry, options, engine.get());
  if (!listed.problem.empty()) open_model_file(path);  // throws it again, with its code
  if (options.json) {
    OrderedJson json = to_json(listed, options);
    if (const auto card = find_card_text(path)) json["card"] = card->text;
    print_json(json);
  } else {
    print_card(listed, options);
  }
  return kExitOk;
}

void add_options(CLI::App& app, Options& options) {
  app.add_flag("--fit", options.fit,
               "Tell whether each fits this machine, and how fast it would be (seconds for each)");
  app.add_flag("--sha256", options.sha256, "Compute the SHA-256 of each file");
  app.add_flag("--json", options.json, "Print JSON");
  add_engine_options(app, options.engine);
}

}  // namespace

Action add_models(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_options(app, *options);
  CLI::App* show_app = app.add_subcommand("show", "Show the card of one model");
  show_app->add_option("NAME", options->name, "A name of the list, a file or a folder")->required();
  add_options(*show_app, *options);
  app.footer(
      "Looks in the folders of $MINIM_MODELS (separated by ':'), by default\n"
      "$XDG_DATA_HOME/minim/models and ./models. The names work wherever a MODEL is wanted.\n"
      "  minim models --fit\n"
      "  minim models show tiny-q4_0");
  return [options, show_app] { return show_app->parsed() ? show(*options) : list(*options); };
}

}  // namespace minim::cli
