// `minim quantize` and `minim convert`: model files in, GGUF out.
#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "compress/quantize/quantize_file.h"
#include "formats/gguf/gguf_writer.h"

namespace minim::cli {
namespace {

struct Options {
  ModelOptions model;
  EngineOptions engine;
  std::string output;
  QuantizeOptions quantize;
  DataType head_type = DataType::kQ8_0;
  DataType fallback_type = DataType::kQ8_0;
  std::vector<std::string> rules;
  std::vector<std::string> metadata;  // "general.license=mit"
  CLI::Option* type_given = nullptr;
  CLI::Option* head_given = nullptr;
  CLI::Option* fallback_given = nullptr;
  bool force = false;
  bool plan = false;
  bool json = false;
};

DataType parse_type(const std::string& name) {
  const DataTypeInfo* info = find_data_type(name);
  if (info != nullptr && info->is_weight) return info->type;
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("'{}' is not a type of weights; `minim quantize --help` lists them", name));
}

std::vector<TensorTypeRule> parse_rules(const std::vector<std::string>& texts) {
  std::vector<TensorTypeRule> rules;
  for (const std::string& text : texts) {
    const size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("--tensor-type takes NAME=TYPE, not '{}'", text));
    }
    rules.push_back({text.substr(0, equals), parse_type(text.substr(equals + 1))});
  }
  return rules;
}

// The same file with other words about it. What the model is made of stays.
std::shared_ptr<const ModelFile> with_metadata(std::shared_ptr<const ModelFile> file,
                                               const std::vector<std::string>& texts) {
  if (texts.empty()) return file;
  Metadata metadata = file->metadata();
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    const std::string key = text.substr(0, equals);
    const bool is_fixed = key == "general.architecture" || key == "general.alignment";
    if (equals == std::string::npos || !key.starts_with("general.") || is_fixed) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("--metadata takes general.KEY=TEXT, such as general.license=mit, not "
                              "'{}'",
                              text));
    }
    metadata.set_string(key, text.substr(equals + 1));
  }
  return std::make_shared<ModelFile>(file->path(), file->format(), std::move(metadata),
                                     file->tensors());
}

bool uses_own_type(const QuantizeReport& report) {
  for (const QuantizedTensor& tensor : report.tensors) {
    if (tensor.to == DataType::kNf4) return true;
  }
  return false;
}

void print_json(const QuantizeReport& report) {
  OrderedJson tensors = OrderedJson::array();
  for (const QuantizedTensor& tensor : report.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"from", data_type_info(tensor.from).name},
                       {"to", data_type_info(tensor.to).name},
                       {"bytes", tensor.bytes},
                       {"error", tensor.error},
                       {"fallback", tensor.fallback}});
  }
  const OrderedJson document = {{"bytes_before", report.bytes_before},
                                {"bytes_after", report.bytes_after},
                                {"bits_per_weight", report.bits_per_weight()},
                                {"error", report.error()},
                                {"tensors", tensors}};
  fmt::print("{}\n", document.dump(2));
}

void print_report(const QuantizeReport& report, bool every_tensor) {
  for (const QuantizedTensor& tensor : report.tensors) {
    if (tensor.fallback) {
      fmt::print(stderr, "minim: warning: '{}' is stored as {}: its rows are no whole blocks\n",
                 tensor.name, data_type_info(tensor.to).name);
    }
    if (!every_tensor) continue;
    fmt::print("  {:<36} {:>7} -> {:<7} {:>10}", tensor.name, data_type_info(tensor.from).name,
               data_type_info(tensor.to).name, format_bytes(static_cast<double>(tensor.bytes)));
    if (tensor.from != tensor.to) fmt::print("  error {:.3f} %", 100 * tensor.error);
    fmt::print("\n");
  }
  fmt::print("{} -> {}, {:.3f} bits per weight",
             format_bytes(static_cast<double>(report.bytes_before)),
             format_bytes(static_cast<double>(report.bytes_after)), report.bits_per_weight());
  if (report.error() > 0) fmt::print(", weights off by {:.3f} % (rms)", 100 * report.error());
  fmt::print("\n");
}

int quantize(Options options) {
  const auto file = with_metadata(open_model(options.model), options.metadata);
  options.quantize.rules = parse_rules(options.rules);
  if (options.head_given->count() > 0) options.quantize.head_type = options.head_type;
  if (options.fallback_given->count() > 0) options.quantize.fallback_type = options.fallback_type;
  QuantizeReport report = plan_quantization(*file, options.quantize);
  if (!options.plan) {
    refuse_overwrite(options.output, options.force);
    const Engine engine(options.engine);
    const InterruptGuard interrupt;
    ProgressDisplay display(options.engine.quiet);
    options.quantize.progress = display.sink();
    report = quantize_file(engine.context(), *file, options.output, options.quantize);
  }
  if (uses_own_type(report)) {
    fmt::print(stderr, "minim: warning: nf4 is minim's own type; other programs cannot read it\n");
  }
  if (options.json) {
    print_json(report);
  } else if (!options.engine.quiet) {
    print_report(report, options.plan || options.engine.verbose);
  }
  return kExitOk;
}

// Without --type the tensors are copied as they are.
int convert(Options options) {
  const auto file = with_metadata(open_model(options.model), options.metadata);
  if (options.type_given->count() > 0) {
    options.quantize.head_type = options.quantize.type;
    refuse_overwrite(options.output, options.force);
    const Engine engine(options.engine);
    const InterruptGuard interrupt;
    ProgressDisplay display(options.engine.quiet);
    options.quantize.progress = display.sink();
    quantize_file(engine.context(), *file, options.output, options.quantize);
  } else {
    refuse_overwrite(options.output, options.force);
    const InterruptGuard interrupt;
    ProgressDisplay display(options.engine.quiet);
    save_gguf(options.output, file->metadata(), file->tensors(), display.sink());
  }
  if (!options.engine.quiet) {
    fmt::print(stderr, "wrote {} ({}, {} tensors)\n", options.output,
               format_bytes(static_cast<double>(std::filesystem::file_size(options.output))),
               file->tensors().size());
  }
  return kExitOk;
}

void add_file_options(CLI::App& app, Options& options) {
  add_model_options(app, options.model);
  app.add_option("OUT", options.output, "GGUF file to write")->required();
  app.add_flag("--force", options.force, "Replace OUT if it exists");
  app.add_option("--metadata", options.metadata,
                 "Say this in OUT: general.name, general.license, ...; may be given again")
      ->type_name("general.KEY=TEXT")
      ->allow_extra_args(false);
}

}  // namespace

Action add_quantize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_file_options(app, *options);
  add_type_option(app, "--type", options->quantize.type, "Type of the matrices")->required();
  options->head_given = add_type_option(
      app, "--head-type", options->head_type,
      "Type of the head and of a table tied to it (default: --type, but at least q8_0)");
  options->fallback_given =
      add_type_option(app, "--fallback", options->fallback_type,
                      "Type of matrices whose rows --type cannot hold (default: an error)");
  app.add_option("--tensor-type", options->rules, "NAME=TYPE: tensors whose name contains NAME")
      ->type_name("NAME=TYPE");
  app.add_flag("--requantize", options->quantize.allow_requantize,
               "Accept weights that are quantized already");
  app.add_flag("--plan", options->plan, "Show what would be stored how, and write nothing");
  app.add_flag("--json", options->json, "Print the report as JSON");
  add_engine_options(app, options->engine);
  app.footer("Example:\n  minim quantize model.gguf small.gguf --type q4_k");
  return [options] { return quantize(*options); };
}

Action add_convert(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_file_options(app, *options);
  options->type_given = add_type_option(app, "--type", options->quantize.type,
                                        "Type of the matrices (default: as they are)");
  add_engine_options(app, options->engine);
  app.footer(
      "Examples:\n"
      "  minim convert hf-folder/ model.gguf\n"
      "  minim convert stories15M.bin stories.gguf --tokenizer tokenizer.bin");
  return [options] { return convert(*options); };
}

}  // namespace minim::cli
