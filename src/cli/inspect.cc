// `minim inspect`: what is in a model file, without loading it.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/terminal.h"
#include "model/memory.h"

namespace minim::cli {
namespace {

constexpr size_t kArrayItemsShown = 6;
constexpr size_t kTextShown = 72;

struct Options {
  ModelOptions model;
  bool tensors = false;
  bool metadata = false;
  bool json = false;
};

// Values that make up a tensor type's share of a file.
struct TypeShare {
  int64_t tensors = 0;
  uint64_t values = 0;
  uint64_t bytes = 0;
};

struct Totals {
  uint64_t values = 0;
  uint64_t bytes = 0;
  std::map<std::string, TypeShare> types;

  double bits_per_weight() const {
    return values == 0 ? 0 : static_cast<double>(bytes) * 8 / static_cast<double>(values);
  }
};

Totals add_up(const ModelFile& file) {
  Totals totals;
  for (const TensorEntry& tensor : file.tensors()) {
    TypeShare& share = totals.types[data_type_info(tensor.type).name];
    ++share.tensors;
    share.values += static_cast<uint64_t>(tensor.value_count());
    share.bytes += tensor.byte_count();
    totals.values += static_cast<uint64_t>(tensor.value_count());
    totals.bytes += tensor.byte_count();
  }
  return totals;
}

OrderedJson to_json(const MetadataArray& array) {
  OrderedJson list = OrderedJson::array();
  std::visit(
      [&](const auto& values) {
        for (const auto& value : values) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, MetadataArray>) {
            list.push_back(to_json(value));
          } else {
            list.push_back(value);
          }
        }
      },
      array.values);
  return list;
}

OrderedJson to_json(const MetadataValue& value) {
  return std::visit(
      [](const auto& held) -> OrderedJson {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, MetadataArray>) {
          return to_json(held);
        } else {
          return held;
        }
      },
      value.value);
}

std::string dump(const OrderedJson& json, int indent = -1) {
  return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

// A value on one line, long ones cut.
std::string shorten(const MetadataValue& value) {
  const auto* array = std::get_if<MetadataArray>(&value.value);
  if (array == nullptr) {
    std::string text = dump(to_json(value));
    if (text.size() > kTextShown) {
      size_t cut = kTextShown;
      while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
      text = text.substr(0, cut) + fmt::format("... ({} bytes)", text.size());
    }
    return text;
  }
  MetadataArray head = *array;
  std::visit(
      [](auto& values) {
        if (values.size() > kArrayItemsShown) values.resize(kArrayItemsShown);
      },
      head.values);
  std::string text = dump(to_json(head));
  if (array->size() > kArrayItemsShown) text.insert(text.size() - 1, ", ...");
  return fmt::format("{} x {}: {}", array->size(), metadata_type_name(array->element), text);
}

std::string shape_text(const TensorEntry& tensor) {
  std::string text;
  for (int i = tensor.rank - 1; i >= 0; --i) {
    text += fmt::format("{}{}", text.empty() ? "" : " x ", tensor.shape[static_cast<size_t>(i)]);
  }
  return text;
}

// The graph in one line, or why this file cannot be run.
std::string graph_text(const ModelFile& file) {
  if (file.tensors().empty()) return "no weights: a vocabulary only";
  try {
    const ModelConfig config = read_model_config(file);
    const MemoryEstimate memory = estimate_memory(file);
    return fmt::format(
        "{} layers, {} wide, {}/{} heads of {}, context {}, vocabulary {}; "
        "cache {} a token in f16",
        config.layer_count, config.dim, config.head_count, config.kv_head_count, config.head_dim,
        config.context_length, config.vocabulary_size,
        format_bytes(static_cast<double>(memory.kv_bytes_per_token)));
  } catch (const Error& error) {
    return fmt::format("minim cannot run it: {}", error.what());
  }
}

void print_summary(const ModelFile& file, const Totals& totals) {
  const auto name = file.metadata().string("general.name").value_or("(no name)");
  const auto architecture = file.metadata().string("general.architecture").value_or("unknown");
  fmt::print("{}\n", file.path().string());
  fmt::print("  format        {}\n  name          {}\n  architecture  {}\n", file.format(), name,
             architecture);
  fmt::print("  graph         {}\n", graph_text(file));
  fmt::print("  weights       {} in {} tensors, {}, {:.3f} bits per weight\n",
             format_count(static_cast<double>(totals.values)), file.tensors().size(),
             format_bytes(static_cast<double>(totals.bytes)), totals.bits_per_weight());
  for (const auto& [type, share] : totals.types) {
    fmt::print("    {:<8} {:>5} tensors {:>9} values {:>10} {:>6.1f} %\n", type, share.tensors,
               format_count(static_cast<double>(share.values)),
               format_bytes(static_cast<double>(share.bytes)),
               100.0 * static_cast<double>(share.bytes) / static_cast<double>(totals.bytes));
  }
}

void print_metadata(const ModelFile& file) {
  fmt::print("\nmetadata\n");
  size_t width = 0;
  for (const auto& [key, value] : file.metadata().entries()) width = std::max(width, key.size());
  for (const auto& [key, value] : file.metadata().entries()) {
    fmt::print("  {:<{}}  {}\n", key, width, shorten(value));
  }
}

void print_tensors(const ModelFile& file) {
  fmt::print("\ntensors\n");
  size_t width = 0;
  for (const TensorEntry& tensor : file.tensors()) width = std::max(width, tensor.name.size());
  for (const TensorEntry& tensor : file.tensors()) {
    fmt::print("  {:<{}}  {:<8} {:>10}  {}\n", tensor.name, width, data_type_info(tensor.type).name,
               format_bytes(static_cast<double>(tensor.byte_count())), shape_text(tensor));
  }
}

void print_json(const ModelFile& file, const Totals& totals) {
  OrderedJson document = {{"path", file.path().string()},
                          {"format", file.format()},
                          {"values", totals.values},
                          {"tensor_bytes", totals.bytes},
                          {"bits_per_weight", totals.bits_per_weight()}};
  OrderedJson metadata = OrderedJson::object();
  for (const auto& [key, value] : file.metadata().entries()) metadata[key] = to_json(value);
  OrderedJson tensors = OrderedJson::array();
  for (const TensorEntry& tensor : file.tensors()) {
    OrderedJson shape = OrderedJson::array();
    for (int i = tensor.rank - 1; i >= 0; --i)
      shape.push_back(tensor.shape[static_cast<size_t>(i)]);
    tensors.push_back({{"name", tensor.name},
                       {"type", data_type_info(tensor.type).name},
                       {"shape", shape},
                       {"bytes", tensor.byte_count()}});
  }
  document["metadata"] = metadata;
  document["tensors"] = tensors;
  fmt::print("{}\n", dump(document, 2));
}

int inspect(const Options& options) {
  const auto file = open_model(options.model);
  const Totals totals = add_up(*file);
  if (options.json) {
    print_json(*file, totals);
    return 0;
  }
  print_summary(*file, totals);
  if (options.metadata) print_metadata(*file);
  if (options.tensors) print_tensors(*file);
  if (!options.metadata && !options.tensors) {
    fmt::print("\n--metadata and --tensors show all of it, --json for programs\n");
  }
  return 0;
}

}  // namespace

Action add_inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_flag("-m,--metadata", options->metadata, "List the metadata");
  app.add_flag("--tensors", options->tensors, "List the tensors; shapes are rows x columns");
  app.add_flag("--json", options->json, "Print everything as JSON");
  app.footer("Example:\n  minim inspect model.gguf --tensors");
  return [options] { return inspect(*options); };
}

}  // namespace minim::cli
