// What a training run is made of, as a person writes it down: docs/recipes.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace minim::train {

// Every field is a key of the section of the same name; recipe_table.cc has the defaults' meaning,
// bounds and help. Strings of a fixed set of words are checked against it when a recipe is read.

struct ModelRecipe {
  std::string preset;
  std::string from;
  std::vector<std::string> stack;
  std::string architecture = "qwen3";
  std::optional<int64_t> layers, dim, heads, kv_heads, head_dim, ffn_dim;
  int64_t context = 2048;
  double rope_base = 10000;
  double norm_epsilon = 1e-6;
  bool tied_embeddings = true;
  int64_t sliding_window = 0;
};

struct TokenizerRecipe {
  std::string file;
  std::vector<std::string> train;  // names of sources, or files
  int64_t size = 4096;
  std::string pre_tokenizer = "gpt-2";
  int64_t frequency_min = 2;
  std::vector<std::string> special_tokens = {"<|endoftext|>"};
  std::string bos = "<|endoftext|>", eos = "<|endoftext|>", eot, padding;
  bool add_bos = true;
  std::string chat_template;
  double text_megabytes_max = 200;
};

struct SourceRecipe {
  std::string name;
  std::vector<std::string> files;
  std::string format = "text";
  std::string split = "separator";
  std::string separator = "<|endoftext|>";
  std::vector<std::string> fields = {"text"};
  std::string delimiter;
  std::vector<std::string> columns;
  std::vector<std::string> rows;
  std::vector<std::string> prompts;
  std::string answer;
  std::optional<double> held_out;
  std::string held_out_by;
  std::string bad_documents = "refuse";
  std::string answers = "all";
  std::string begin = "auto";
  bool end = true;
  bool trim = true;
  std::optional<double> weight, epochs;
  double epochs_max = 0;
  double loss_weight = 1;
};

struct DataRecipe {
  std::string cache = "cache";
  double held_out = 0.005;
  std::string packing = "stream";
  bool drop_copies = false;
  double temperature = 1;
  int64_t seed = 1;
  std::vector<SourceRecipe> sources;
};

struct TrainingRecipe {
  std::optional<int64_t> steps;
  std::optional<double> tokens;  // a run ends after one of these, or the sources' epochs
  int64_t row_tokens = 512;
  int64_t batch_rows = 32;
  int64_t micro_rows = 0;
  std::string optimizer = "muon";
  double learning_rate = 0.02;
  double adamw_learning_rate = 3e-3;
  double weight_decay = 0.1;
  double beta1 = 0.9, beta2 = 0.95;
  double epsilon = 1e-8;
  double momentum = 0.95;
  std::string schedule = "wsd";
  int64_t warmup_steps = 100;
  double decay_share = 0.2;
  double final_share = 0;
  double clip = 1;
  double z_loss = 0;
  double dropout = 0;
  double ema = 0;
  bool recompute = false;
  std::string precision = "auto";
  int64_t checkpoint_steps = 500;
  int64_t held_out_steps = 250;
  int64_t held_out_rows = 64;
  int64_t bad_steps_max = 20;
  double spike = 4;
  int64_t seed = 1;
};

struct DistillationRecipe {
  std::string teacher;
  std::string stored;
  std::string loss = "forward_kl";
  double skew = 0.1;
  double temperature = 1;
  double hard_weight = 0.1;
  int64_t top_k = 0;
  double hidden_weight = 0;
  std::vector<std::string> layer_map;
  std::vector<std::string> start_layers;
};

struct OutputRecipe {
  std::string folder;
  std::string type = "bf16";
  std::string name;
  std::string description;
};

struct Recipe {
  ModelRecipe model;
  TokenizerRecipe tokenizer;
  DataRecipe data;
  TrainingRecipe training;
  DistillationRecipe distillation;
  OutputRecipe output;

  std::string origin;  // the file that it was read from
  Path folder;         // of that file: where relative paths of inputs begin
  // Of every key that was set, as "training.steps": "recipe.yaml:12", or "--set training.steps".
  std::map<std::string, std::string> places;

  // Where `key` was set; the recipe's name where it was not.
  std::string where(const std::string& key) const;
  // A relative path of an input as one that can be opened.
  Path resolve(const std::string& path) const;
};

// Reads and checks a recipe. `settings`: "section.key=value", as if it stood in the recipe; a
// source is "data.sources.NAME.key" or "data.sources.0.key". In every text, ${NAME} is a variable
// of the environment and ${NAME:-word} the same with a default. A recipe with `base: NAME` begins
// with all that the recipe NAME in its folder says, and changes it. Throws kNotFound, kFormat for
// what is no YAML, and kInvalidArgument with the line for an unknown key (suggesting the nearest),
// a wrong type, a value out of bounds, or keys that contradict each other.
Recipe load_recipe(const Path& path, std::span<const std::string> settings = {});
Recipe parse_recipe(const std::string& text, const std::string& origin, const Path& folder,
                    std::span<const std::string> settings = {});

// Every key with its type, default, bounds and help, for --help and the documentation.
struct RecipeKeyHelp {
  std::string key;  // "training.steps", "data.sources[].weight"
  std::string type;
  std::string fallback;  // the default as it is written in a recipe
  std::string help;
};
std::vector<RecipeKeyHelp> recipe_keys();

// The recipe as YAML with every key that is not at its default: for the log of a run.
std::string format_recipe(const Recipe& recipe);

}  // namespace minim::train
