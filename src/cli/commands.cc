#include "cli/command.h"

namespace minim::cli {

std::span<const Command> commands() {
  static constexpr Command kCommands[] = {
      {"run", "Generate text from a model", add_run},
      {"chat", "Converse with a model", add_chat},
      {"embed", "Turn texts into vectors", add_embed},
      {"rerank", "Order documents by how well they suit a query", add_rerank},
      {"serve", "Serve models to other programs over HTTP", add_serve},
      {"top", "Watch a running server", add_top},
      {"inspect", "Show what is in a model file", add_inspect},
      {"convert", "Convert a model to GGUF", add_convert},
      {"quantize", "Store a model's weights in fewer bits", add_quantize},
      {"init", "Write a model with random weights, for measuring", add_init},
      {"tokenize", "Show how a model's tokenizer cuts a text", add_tokenize},
      {"tokenizer", "Learn a tokenizer from texts", add_tokenizer},
      {"data", "Make the data of a training recipe ready", add_data},
      {"train", "Train a model by a recipe", add_train},
      {"distill", "Train a model that learns from another", add_distill},
      {"report", "Draw the curves of a training run", add_report},
      {"perplexity", "Measure how well a model predicts a text", add_perplexity},
      {"eval", "Measure what a model can do, by tasks", add_eval},
      {"bench", "Measure how fast this machine runs a model", add_bench},
      {"tune", "Find the numbers that make models fastest on this machine", add_tune},
      {"doctor", "Show what this machine can do, and whether a model suits it", add_doctor},
      {"models", "List the models at hand, and where each came from", add_models},
      {"completion", "Print a completion script for your shell", add_completion},
  };
  return kCommands;
}

}  // namespace minim::cli
