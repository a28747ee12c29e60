#include "train/recipe/recipe_table.h"

namespace minim::train {
namespace {

constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = 1e-300;  // above 0

}  // namespace

template <>
std::span<const RecipeKey<ModelRecipe>> section_keys() {
  using M = ModelRecipe;
  static const std::vector<RecipeKey<M>> kKeys = {
      {"preset", &M::preset, "a named shape, of `minim init --help`"},
      {"from", &M::from, "a model file whose weights training starts from, and whose shape it has"},
      {"stack", &M::stack,
       "with from: its layers to begin with, in order, each as often as named "
       "(default: as they are)"},
      {"architecture", &M::architecture, "the graph", 0, 0, "llama qwen2 qwen3 gemma3 phi3 gpt2"},
      {"layers", &M::layers, "blocks", 1, 512},
      {"dim", &M::dim, "width of the residual stream", 8, 65536},
      {"heads", &M::heads, "query heads", 1, 1024},
      {"kv_heads", &M::kv_heads, "key and value heads; divides heads (default: heads)", 1, 1024},
      {"head_dim", &M::head_dim, "values in a head, even (default: dim / heads)", 2, 1024},
      {"ffn_dim", &M::ffn_dim,
       "hidden width of the feed-forward block (default: 8/3 dim, rounded "
       "up to 32)",
       8, 1048576},
      {"context", &M::context, "tokens that a sequence may hold", 2, 16777216},
      {"rope_base", &M::rope_base, "base of the rotary frequencies", 1, 1e12},
      {"norm_epsilon", &M::norm_epsilon, "of every norm", 1e-12, 1},
      {"tied_embeddings", &M::tied_embeddings, "the head is the embedding table"},
      {"sliding_window", &M::sliding_window, "tokens that attention sees; 0: all", 0, 16777216},
  };
  return kKeys;
}

template <>
std::span<const RecipeKey<TokenizerRecipe>> section_keys() {
  using T = TokenizerRecipe;
  static const std::vector<RecipeKey<T>> kKeys = {
      {"file", &T::file, "a GGUF file, tokenizer.json or model that has the vocabulary"},
      {"train", &T::train, "instead of a file: names of sources whose text to learn one from"},
      {"size", &T::size, "tokens of the learned vocabulary, special ones included", 257, 1 << 24},
      {"pre_tokenizer", &T::pre_tokenizer, "how text is cut into words"},
      {"frequency_min", &T::frequency_min, "a rarer pair is not merged", 1, 1e15},
      {"special_tokens", &T::special_tokens, "control tokens, which get the first ids"},
      {"bos", &T::bos, "the special token that begins a text; \"\": none"},
      {"eos", &T::eos, "the special token that ends a text; \"\": none"},
      {"eot", &T::eot, "the special token that ends a turn; \"\": none"},
      {"padding", &T::padding, "the special token that fills up; \"\": none"},
      {"add_bos", &T::add_bos, "begin every text with BOS"},
      {"chat_template", &T::chat_template, "a file with a chat template in Jinja"},
      {"text_megabytes_max", &T::text_megabytes_max, "of text to learn from", 0.001, 1e6},
  };
  return kKeys;
}

template <>
std::span<const RecipeKey<SourceRecipe>> section_keys() {
  using S = SourceRecipe;
  static const std::vector<RecipeKey<S>> kKeys = {
      {"name", &S::name, "letters, digits, '-' and '_'"},
      {"files", &S::files, "paths and patterns; plain, .gz, .xz, .zst, .tar of these"},
      {"format", &S::format, "text, a JSON object a line, conversations, or rows of a table", 0, 0,
       "text jsonl chat table"},
      {"split", &S::split, "where a text is cut into documents", 0, 0,
       "separator blank_line line file"},
      {"separator", &S::separator, "the text between documents, with split: separator"},
      {"fields", &S::fields, "jsonl, table: the fields that make the text, those that there are"},
      {"delimiter", &S::delimiter,
       "table: between fields (default: a tab where the first line has one, "
       "or a comma)"},
      {"columns", &S::columns,
       "table: their names, where the first line has none; jsonl: of rows that "
       "are arrays"},
      {"rows", &S::rows, "jsonl: keys of one object whose arrays hold the rows; \"*\": every key"},
      {"prompts", &S::prompts, "ways to ask, Jinja over the fields: makes conversations"},
      {"answer", &S::answer, "what to answer to prompts, Jinja over the fields"},
      {"held_out", &S::held_out, "of this source (default: data.held_out)", 0, 0.5},
      {"held_out_by", &S::held_out_by,
       "with prompts: a field; documents that agree in it are held out together, and copies"},
      {"bad_documents", &S::bad_documents,
       "binary, not UTF-8, no JSON, ...: an error, or counted "
       "and reported",
       0, 0, "refuse skip"},
      {"answers", &S::answers, "chat: which answers are learned", 0, 0, "all last"},
      {"begin", &S::begin,
       "the token that begins a document; auto: BOS where the vocabulary adds "
       "it",
       0, 0, "auto none bos eos"},
      {"end", &S::end, "end documents with EOS"},
      {"trim", &S::trim, "drop white space around documents"},
      {"weight", &S::weight, "share of the mixture, among all weights", kTiny, kMax},
      {"epochs", &S::epochs,
       "how often it is read; with these on every source and neither steps "
       "nor tokens, how long the run is",
       kTiny, 1e6},
      {"epochs_max", &S::epochs_max, "refuse a run that would read it more often; 0: any", 0, 1e6},
      {"loss_weight", &S::loss_weight, "of each of its predictions", 0, 1e6},
  };
  return kKeys;
}

template <>
std::span<const RecipeKey<DataRecipe>> section_keys() {
  using D = DataRecipe;
  static const std::vector<RecipeKey<D>> kKeys = {
      {"cache", &D::cache, "folder for tokenised sources"},
      {"held_out", &D::held_out, "share of documents kept for measuring, by hash of their text", 0,
       0.5},
      {"packing", &D::packing, "fill rows exactly, or cut only documents longer than a row", 0, 0,
       "stream whole"},
      {"drop_copies", &D::drop_copies, "use the first of equal documents only"},
      {"temperature", &D::temperature, "weights are raised to 1 / temperature", 0.01, 100},
      {"seed", &D::seed, "of the order of documents and rows", 0, 9e15},
  };
  return kKeys;
}

template <>
std::span<const RecipeKey<TrainingRecipe>> section_keys() {
  using T = TrainingRecipe;
  static const std::vector<RecipeKey<T>> kKeys = {
      {"steps", &T::steps, "optimiser steps", 1, 1e12},
      {"tokens", &T::tokens, "instead of steps: tokens to read, 10M and 1.5B for short", 1, 1e15},
      {"row_tokens", &T::row_tokens, "length of a row", 2, 16777216},
      {"batch_rows", &T::batch_rows, "rows in a step", 1, 1048576},
      {"micro_rows", &T::micro_rows,
       "rows at once; the gradients of several are summed; 0: as the "
       "memory allows",
       0, 1048576},
      {"optimizer", &T::optimizer, "muon: for matrices, with adamw for the rest", 0, 0,
       "muon adamw adafactor"},
      {"learning_rate", &T::learning_rate, "of the optimizer, at its highest", kTiny, 1000},
      {"adamw_learning_rate", &T::adamw_learning_rate, "with muon: of all that is no matrix", kTiny,
       1000},
      {"weight_decay", &T::weight_decay, "a step, times the learning rate", 0, 100},
      {"beta1", &T::beta1, "adamw: decay of the mean gradient", 0, 0.999999},
      {"beta2", &T::beta2, "adamw: decay of the mean squared gradient", 0, 0.999999},
      {"epsilon", &T::epsilon, "adamw: added to the root", kTiny, 1},
      {"momentum", &T::momentum, "muon: decay of the mean gradient", 0, 0.999999},
      {"schedule", &T::schedule, "warm-up, stable, decay; or a cosine; or a line", 0, 0,
       "wsd cosine linear"},
      {"warmup_steps", &T::warmup_steps, "until the learning rate is at its highest", 0, 1e12},
      {"decay_share", &T::decay_share, "wsd: the last share of the run, in which it falls", 0, 1},
      {"final_share", &T::final_share, "of the highest learning rate, at the end", 0, 1},
      {"clip", &T::clip, "bound on the norm of all gradients; 0: none", 0, 1e9},
      {"z_loss", &T::z_loss, "weight of the squared logarithm of the softmax's sum", 0, 1},
      {"dropout", &T::dropout, "share of activations that are dropped", 0, 0.9},
      {"ema", &T::ema, "decay of the average of weights that is exported; 0: the last ones", 0,
       0.9999999},
      {"recompute", &T::recompute, "compute activations again instead of keeping them"},
      {"precision", &T::precision, "of matrix products; auto: bf16 where the processor has it", 0,
       0, "auto bf16 fp32"},
      {"checkpoint_steps", &T::checkpoint_steps, "between checkpoints", 1, 1e12},
      {"held_out_steps", &T::held_out_steps, "between measurements on held-out rows; 0: none", 0,
       1e12},
      {"held_out_rows", &T::held_out_rows, "rows of each measurement", 1, 1e9},
      {"bad_steps_max", &T::bad_steps_max,
       "skipped steps in a row before the run goes back to its "
       "checkpoint",
       1, 1e6},
      {"spike", &T::spike, "skip steps whose gradient is this many times its usual norm; 0: none",
       0, 1e9},
      {"seed", &T::seed, "of the first weights and of dropout", 0, 9e15},
  };
  return kKeys;
}

template <>
std::span<const RecipeKey<DistillationRecipe>> section_keys() {
  using D = DistillationRecipe;
  static const std::vector<RecipeKey<D>> kKeys = {
      {"teacher", &D::teacher, "a model to learn from"},
      {"stored", &D::stored, "a file of the teacher's predictions, read or else written once"},
      {"loss", &D::loss, "distance to the teacher's predictions", 0, 0,
       "forward_kl reverse_kl skewed_kl jensen_shannon"},
      {"skew", &D::skew, "skewed_kl: share of the teacher in the mixture", 0, 0.99},
      {"temperature", &D::temperature, "of both predictions", 0.01, 100},
      {"hard_weight", &D::hard_weight, "share of the loss on the text itself", 0, 1},
      {"top_k", &D::top_k, "teacher's most likely tokens, the others as one; 0: all", 0, 65535},
      {"hidden_weight", &D::hidden_weight, "of the loss on hidden states", 0, 1e6},
      {"layer_map", &D::layer_map, "pairs student:teacher of layers whose states are compared"},
      {"start_layers", &D::start_layers, "the teacher's layers that the student starts from"},
  };
  return kKeys;
}

template <>
std::span<const RecipeKey<OutputRecipe>> section_keys() {
  using O = OutputRecipe;
  static const std::vector<RecipeKey<O>> kKeys = {
      {"folder", &O::folder, "of the run: log, checkpoints, model.gguf (default: runs/NAME)"},
      {"type", &O::type, "of the matrices in the model file", 0, 0, "f32 f16 bf16"},
      {"name", &O::name, "of the model (default: the recipe's)"},
      {"description", &O::description, "of the model, kept in its file"},
  };
  return kKeys;
}

}  // namespace minim::train
