#include "train/recipe/recipe_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "text/example_template.h"
#include "text/pre_tokenizer.h"
#include "train/data/file_list.h"
#include "train/recipe/section_reader.h"

namespace minim::train {
namespace {

[[noreturn]] void refuse(const Recipe& recipe, const std::string& key, const std::string& what) {
  throw_bad_recipe(recipe.where(key), fmt::format("{} {}", key, what));
}

void check_model(const Recipe& recipe) {
  const ModelRecipe& model = recipe.model;
  const bool from_shape =
      model.layers || model.dim || model.heads || model.ffn_dim || model.kv_heads || model.head_dim;
  const int ways = int{!model.preset.empty()} + int{!model.from.empty()} + int{from_shape};
  if (ways == 0) {
    refuse(recipe, "model",
           "says nothing of its shape; give preset, from, or layers, dim and "
           "heads");
  }
  if (ways > 1) {
    refuse(recipe, "model", "has more than one of preset, from, and a shape of its own; give one");
  }
  if (!model.stack.empty() && model.from.empty()) {
    refuse(recipe, "model.stack", "is there without from, whose layers it names");
  }
  for (const std::string& layer : model.stack) {
    const bool digits = !layer.empty() && layer.size() < 5 &&
                        layer.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) refuse(recipe, "model.stack", fmt::format("has '{}', which is no layer", layer));
  }
  if (!from_shape) return;
  for (const auto& [name, value] :
       {std::pair{"layers", model.layers}, {"dim", model.dim}, {"heads", model.heads}}) {
    if (!value) refuse(recipe, "model", fmt::format("has a shape without {}", name));
  }
  if (!model.head_dim && *model.dim % *model.heads != 0) {
    refuse(recipe, "model.heads",
           fmt::format("is {}, which does not divide dim, {}; give head_dim", *model.heads,
                       *model.dim));
  }
  const int64_t head_dim = model.head_dim.value_or(*model.dim / *model.heads);
  if (head_dim % 2 != 0) {
    refuse(recipe, model.head_dim ? "model.head_dim" : "model.heads",
           fmt::format("gives heads of {} values; rotary positions need an even number", head_dim));
  }
  if (model.kv_heads && *model.heads % *model.kv_heads != 0) {
    refuse(recipe, "model.kv_heads",
           fmt::format("is {}, which does not divide heads, {}", *model.kv_heads, *model.heads));
  }
  if (recipe.training.row_tokens > model.context) {
    refuse(recipe, "training.row_tokens",
           fmt::format("is {}, more than model.context, {}", recipe.training.row_tokens,
                       model.context));
  }
}

void check_tokenizer(const Recipe& recipe) {
  const TokenizerRecipe& tokenizer = recipe.tokenizer;
  if (!tokenizer.file.empty() && !tokenizer.train.empty()) {
    refuse(recipe, "tokenizer", "has both file and train; give one");
  }
  if (tokenizer.file.empty() && tokenizer.train.empty() && recipe.model.from.empty()) {
    refuse(recipe, "tokenizer",
           "is missing; give tokenizer.file, or tokenizer.train with the "
           "names of sources");
  }
  if (!tokenizer.train.empty() && !recipe.model.from.empty()) {
    refuse(recipe, "tokenizer.train",
           "makes a new vocabulary, which model.from cannot have learned; leave it away");
  }
  if (!pre_tokenizer_facts(tokenizer.pre_tokenizer).known) {
    refuse(recipe, "tokenizer.pre_tokenizer",
           fmt::format("is '{}', which is not known; take gpt-2, llama-bpe, smollm or qwen2",
                       tokenizer.pre_tokenizer));
  }
  if (tokenizer.size < static_cast<int64_t>(tokenizer.special_tokens.size()) + 256) {
    refuse(recipe, "tokenizer.size",
           fmt::format("is {}, less than the 256 bytes and {} special "
                       "tokens",
                       tokenizer.size, tokenizer.special_tokens.size()));
  }
  for (const std::string& name : tokenizer.train) {
    const auto& sources = recipe.data.sources;
    const bool known = std::any_of(sources.begin(), sources.end(),
                                   [&](const SourceRecipe& source) { return source.name == name; });
    if (!known) {
      refuse(recipe, "tokenizer.train", fmt::format("names '{}', which is no source", name));
    }
  }
}

// Keys of one format that another would pass over.
void check_table(const Recipe& recipe, const SourceRecipe& source, const std::string& path) {
  const bool table = source.format == "table", jsonl = source.format == "jsonl";
  if (!table && !source.delimiter.empty()) {
    refuse(recipe, path + ".delimiter", "is for format: table");
  }
  if (!table && !jsonl && !source.columns.empty()) {
    refuse(recipe, path + ".columns", "is for format: table or jsonl");
  }
  if (!jsonl && !source.rows.empty()) refuse(recipe, path + ".rows", "is for format: jsonl");
  const auto& rows = source.rows;
  if (rows.size() > 1 && std::find(rows.begin(), rows.end(), "*") != rows.end()) {
    refuse(recipe, path + ".rows", "has '*', which is every key, beside others");
  }
  std::set<std::string> names;
  for (const std::string& column : source.columns) {
    if (column.empty()) refuse(recipe, path + ".columns", "has an empty name");
    if (!names.insert(column).second) {
      refuse(recipe, path + ".columns", fmt::format("has '{}' twice", column));
    }
  }
}

void check_examples(const Recipe& recipe, const SourceRecipe& source, const std::string& path) {
  if (source.prompts.empty() && !source.held_out_by.empty()) {
    refuse(recipe, path + ".held_out_by", "is for sources with prompts");
  }
  if (source.prompts.empty() && source.answer.empty()) return;
  if (source.prompts.empty()) refuse(recipe, path + ".answer", "is there without prompts");
  if (source.answer.empty()) refuse(recipe, path + ".prompts", "is there without an answer");
  if (source.format == "chat") {
    refuse(recipe, path + ".prompts", "is not for format: chat, which has its own");
  }
  const auto check = [&](const std::string& key, const std::string& text) {
    try {
      const RecordTemplate parsed(text);
    } catch (const Error& error) {
      refuse(recipe, path + key, fmt::format("is no template: {}", error.what()));
    }
  };
  for (const std::string& prompt : source.prompts) check(".prompts", prompt);
  check(".answer", source.answer);
}

void check_source(const Recipe& recipe, size_t index, std::set<std::string>& names) {
  const SourceRecipe& source = recipe.data.sources[index];
  const std::string path = fmt::format("data.sources.{}", index);
  const bool plain = std::all_of(source.name.begin(), source.name.end(), [](unsigned char c) {
    return (std::isalnum(c) != 0 && c < 0x80) || c == '-' || c == '_';
  });
  if (source.name.empty()) refuse(recipe, path, "has no name");
  if (!plain || source.name.size() > 64) {
    refuse(recipe, path + ".name",
           fmt::format("is '{}'; take up to 64 letters, digits, '-' and '_'", source.name));
  }
  if (!names.insert(source.name).second) {
    refuse(recipe, path + ".name", fmt::format("is '{}', as of a source before it", source.name));
  }
  if (source.files.empty()) refuse(recipe, path, "has no files");
  if (source.split == "separator" && source.separator.empty()) {
    refuse(recipe, path + ".separator", "is empty; take split: file for one document a file");
  }
  if (source.prompts.empty() && source.fields.empty()) {
    refuse(recipe, path + ".fields", "is empty");
  }
  check_table(recipe, source, path);
  check_examples(recipe, source, path);
  if (source.weight && source.epochs) {
    refuse(recipe, path, "has a weight and epochs; give one of them");
  }
}

void check_data(const Recipe& recipe) {
  const auto& sources = recipe.data.sources;
  if (sources.empty()) refuse(recipe, "data", "has no sources");
  std::set<std::string> names;
  for (size_t i = 0; i < sources.size(); ++i) check_source(recipe, i, names);
  const auto weighted = std::count_if(sources.begin(), sources.end(),
                                      [](const auto& source) { return source.weight.has_value(); });
  if (weighted == 0 || weighted == static_cast<std::ptrdiff_t>(sources.size())) return;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].weight) continue;
    refuse(recipe, fmt::format("data.sources.{}", i),
           fmt::format("('{}') has no weight, but others do; give every source one, or none",
                       sources[i].name));
  }
}

void check_training(const Recipe& recipe) {
  const TrainingRecipe& training = recipe.training;
  if (training.steps && training.tokens) {
    refuse(recipe, "training.tokens", "is there beside steps; give one of them");
  }
  const auto& sources = recipe.data.sources;
  const bool by_epochs = std::all_of(sources.begin(), sources.end(),
                                     [](const auto& source) { return source.epochs.has_value(); });
  if (!training.steps && !training.tokens && !by_epochs) {
    refuse(recipe, "training",
           "does not say how long; give steps or tokens, or epochs for every source");
  }
  if (training.micro_rows > 0 && training.batch_rows % training.micro_rows != 0) {
    refuse(recipe, "training.micro_rows",
           fmt::format("is {}, which does not divide batch_rows, {}", training.micro_rows,
                       training.batch_rows));
  }
  if (training.steps && training.warmup_steps > *training.steps) {
    refuse(recipe, "training.warmup_steps",
           fmt::format("is {}, more than the {} steps of the run", training.warmup_steps,
                       *training.steps));
  }
}

void check_distillation(const Recipe& recipe) {
  const DistillationRecipe& distillation = recipe.distillation;
  const bool any = recipe.places.count("distillation") > 0;
  if (!any) return;
  if (distillation.teacher.empty()) {
    refuse(recipe, "distillation", "has no teacher");
  }
  for (const std::string& pair : distillation.layer_map) {
    const bool sound =
        !pair.empty() && pair.find_first_not_of("0123456789:") == std::string::npos &&
        std::count(pair.begin(), pair.end(), ':') == 1 && pair.front() != ':' && pair.back() != ':';
    if (sound) continue;
    refuse(recipe, "distillation.layer_map",
           fmt::format("has '{}'; pairs are written STUDENT:TEACHER, as in \"0:1\"", pair));
  }
  if (distillation.hidden_weight > 0 && distillation.layer_map.empty()) {
    refuse(recipe, "distillation.hidden_weight", "needs a layer_map");
  }
}

void check_file(const Recipe& recipe, const std::string& key, const std::string& path) {
  if (path.empty() || std::filesystem::exists(recipe.resolve(path))) return;
  throw Error(ErrorCode::kNotFound,
              fmt::format("recipe: {}: {} is '{}', which is not there", recipe.where(key), key,
                          recipe.resolve(path).string()));
}

}  // namespace

void check_recipe(const Recipe& recipe) {
  check_data(recipe);
  check_model(recipe);
  check_tokenizer(recipe);
  check_training(recipe);
  check_distillation(recipe);
}

void check_files(const Recipe& recipe) {
  check_file(recipe, "model.from", recipe.model.from);
  check_file(recipe, "tokenizer.file", recipe.tokenizer.file);
  check_file(recipe, "tokenizer.chat_template", recipe.tokenizer.chat_template);
  check_file(recipe, "distillation.teacher", recipe.distillation.teacher);
  for (size_t i = 0; i < recipe.data.sources.size(); ++i) {
    const std::string key = fmt::format("data.sources.{}.files", i);
    try {
      find_files(recipe.data.sources[i].files, recipe.folder);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("recipe: {}: {}", recipe.where(key), error.what()));
    }
  }
}

}  // namespace minim::train
