#include "train/recipe/prepare.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "formats/vocabulary.h"
#include "formats/vocabulary_file.h"
#include "model/architecture.h"
#include "model/presets.h"
#include "train/data/file_list.h"
#include "train/data/source_texts.h"
#include "train/recipe/section_reader.h"

namespace minim::train {
namespace {

template <typename Value>
Value chosen(const std::string& word,
             std::initializer_list<std::pair<std::string_view, Value>> values) {
  for (const auto& [name, value] : values) {
    if (word == name) return value;
  }
  // The table of keys allows no other words.
  MINIM_CHECK(false);
  return values.begin()->second;
}

Metadata shape_metadata(const ModelRecipe& model, int32_t vocabulary_size) {
  Metadata metadata;
  const std::string& name = model.architecture;
  metadata.set_string("general.architecture", name);
  const auto set = [&](const char* key, int64_t value) {
    metadata.set_uint32(fmt::format("{}.{}", name, key), static_cast<uint32_t>(value));
  };
  const int64_t head_dim = model.head_dim.value_or(*model.dim / *model.heads);
  set("block_count", *model.layers);
  set("embedding_length", *model.dim);
  set("attention.head_count", *model.heads);
  set("attention.head_count_kv", model.kv_heads.value_or(*model.heads));
  set("attention.key_length", head_dim);
  set("attention.value_length", head_dim);
  set("feed_forward_length", model.ffn_dim.value_or((*model.dim * 8 / 3 + 31) / 32 * 32));
  set("context_length", model.context);
  set("vocab_size", vocabulary_size);
  if (model.sliding_window > 0) set("attention.sliding_window", model.sliding_window);
  const auto set_number = [&](const std::string& key, double value) {
    metadata.set_float32(fmt::format("{}.{}", name, key), static_cast<float>(value));
  };
  // Learned positions have no base.
  if (name != "gpt2") set_number("rope.freq_base", model.rope_base);
  set_number(find_architecture(name).epsilon_key, model.norm_epsilon);
  return metadata;
}

// The texts of several sources, one after the other.
class AllTexts {
 public:
  AllTexts(const Recipe& recipe) : recipe_(recipe) {
    const auto& names = recipe.tokenizer.train;
    const double bytes = recipe.tokenizer.text_megabytes_max * 1e6;
    for (const std::string& name : names) {
      const auto& sources = recipe.data.sources;
      const auto found = std::find_if(sources.begin(), sources.end(),
                                      [&](const auto& source) { return source.name == name; });
      texts_.push_back(std::make_unique<SourceTexts>(
          source_options(recipe, static_cast<size_t>(found - sources.begin())),
          SourceTextsOptions{
              .bytes_max = static_cast<uint64_t>(bytes / static_cast<double>(names.size())),
              .held_out = found->held_out.value_or(recipe.data.held_out)}));
    }
  }

  bool next(std::string& text) {
    for (; at_ < texts_.size(); ++at_) {
      if (texts_[at_]->next(text)) return true;
    }
    return false;
  }

  void warn(const PrepareOptions& options) const {
    for (size_t i = 0; i < texts_.size() && options.warn; ++i) {
      for (const std::string& line : describe_skipped(texts_[i]->report())) {
        options.warn(
            fmt::format("source '{}', for the vocabulary: {}", recipe_.tokenizer.train[i], line));
      }
    }
  }

 private:
  const Recipe& recipe_;
  std::vector<std::unique_ptr<SourceTexts>> texts_;
  size_t at_ = 0;
};

// Of everything that the learned vocabulary depends on.
uint64_t tokenizer_key(const Recipe& recipe, const BpeTrainerOptions& trainer,
                       const ProgressSink& progress) {
  XxHash64 hash;
  const auto add = [&](const std::string& text) {
    hash.update_value(uint64_t{text.size()});
    hash.update(text);
  };
  hash.update_value(uint32_t{1});  // the version of the trainer
  add(trainer.pre_tokenizer);
  hash.update_value(trainer.vocabulary_size);
  hash.update_value(trainer.frequency_min);
  for (const std::string& token : trainer.special_tokens) add(token);
  for (const std::string* name : {&trainer.bos, &trainer.eos, &trainer.eot, &trainer.padding}) {
    add(*name);
  }
  hash.update_value(static_cast<uint32_t>(trainer.add_bos));
  add(trainer.chat_template);
  hash.update_value(recipe.tokenizer.text_megabytes_max);
  hash.update_value(recipe.data.held_out);
  for (size_t i = 0; i < recipe.data.sources.size(); ++i) {
    const auto& names = recipe.tokenizer.train;
    const bool used =
        std::find(names.begin(), names.end(), recipe.data.sources[i].name) != names.end();
    if (!used) continue;
    hash.update_value(source_key(source_options(recipe, i), {}, progress));
    const std::optional<double>& held_out = recipe.data.sources[i].held_out;
    if (held_out) hash.update_value(*held_out);
  }
  return hash.digest();
}

Vocabulary learn_vocabulary(const Context& context, const Recipe& recipe,
                            const PrepareOptions& options) {
  BpeTrainerOptions trainer = tokenizer_options(recipe);
  const uint64_t key = tokenizer_key(recipe, trainer, options.progress);
  const Path cache = recipe.resolve(recipe.data.cache);
  const Path path = cache / fmt::format("tokenizer-{:016x}.gguf", key);
  if (std::filesystem::exists(path)) return load_vocabulary(path);
  trainer.progress = options.progress;
  AllTexts texts(recipe);
  BpeTrainerReport report;
  const Vocabulary vocabulary = train_byte_bpe(
      context.threads, [&](std::string& text) { return texts.next(text); }, trainer, &report);
  texts.warn(options);
  if (!report.complete && options.warn) {
    options.warn(fmt::format("the text gives a vocabulary of {} tokens only, not {}",
                             vocabulary.tokens.size(), trainer.vocabulary_size));
  }
  std::filesystem::create_directories(cache);
  save_vocabulary(vocabulary, path);
  return vocabulary;
}

}  // namespace

SourceOptions source_options(const Recipe& recipe, size_t index) {
  const SourceRecipe& source = recipe.data.sources.at(index);
  SourceOptions options;
  options.name = source.name;
  options.files = find_files(source.files, recipe.folder);
  options.reader.format =
      chosen<DocumentFormat>(source.format, {{"text", DocumentFormat::kText},
                                             {"jsonl", DocumentFormat::kJsonl},
                                             {"chat", DocumentFormat::kChat},
                                             {"table", DocumentFormat::kTable}});
  options.reader.split = chosen<TextSplit>(source.split, {{"separator", TextSplit::kSeparator},
                                                          {"blank_line", TextSplit::kBlankLine},
                                                          {"line", TextSplit::kLine},
                                                          {"file", TextSplit::kFile}});
  options.reader.separator = source.separator;
  options.reader.delimiter = source.delimiter;
  options.reader.columns = source.columns;
  options.reader.rows = source.rows;
  options.encoder.prompts = source.prompts;
  options.encoder.answer = source.answer;
  options.encoder.held_out_by = source.held_out_by;
  options.encoder.format = options.reader.format;
  options.encoder.fields = source.fields;
  options.encoder.trim = source.trim;
  options.encoder.begin = chosen<BeginToken>(source.begin, {{"auto", BeginToken::kAuto},
                                                            {"none", BeginToken::kNone},
                                                            {"bos", BeginToken::kBos},
                                                            {"eos", BeginToken::kEos}});
  options.encoder.end = source.end;
  options.encoder.answers = chosen<LearnedAnswers>(
      source.answers, {{"all", LearnedAnswers::kAll}, {"last", LearnedAnswers::kLast}});
  options.bad_documents = chosen<BadDocuments>(
      source.bad_documents, {{"refuse", BadDocuments::kRefuse}, {"skip", BadDocuments::kSkip}});
  return options;
}

BpeTrainerOptions tokenizer_options(const Recipe& recipe) {
  const TokenizerRecipe& tokenizer = recipe.tokenizer;
  BpeTrainerOptions options;
  options.pre_tokenizer = tokenizer.pre_tokenizer;
  options.vocabulary_size = static_cast<int32_t>(tokenizer.size);
  options.frequency_min = tokenizer.frequency_min;
  options.special_tokens = tokenizer.special_tokens;
  options.bos = tokenizer.bos;
  options.eos = tokenizer.eos;
  options.eot = tokenizer.eot;
  options.padding = tokenizer.padding;
  options.add_bos = tokenizer.add_bos && !tokenizer.bos.empty();
  if (!tokenizer.chat_template.empty()) {
    options.chat_template = read_file(recipe.resolve(tokenizer.chat_template), size_t{1} << 20);
  }
  return options;
}

ModelConfig model_config(const Recipe& recipe, int32_t vocabulary_size) {
  const ModelRecipe& model = recipe.model;
  if (!model.from.empty()) {
    ModelConfig config = read_model_config(*open_model_file(recipe.resolve(model.from)));
    if (config.vocabulary_size < vocabulary_size) {
      throw_bad_recipe(recipe.where("model.from"),
                       fmt::format("the model has {} tokens, and the tokenizer {}; they do not fit",
                                   config.vocabulary_size, vocabulary_size));
    }
    if (config.context_length < recipe.training.row_tokens) {
      throw_bad_recipe(recipe.where("training.row_tokens"),
                       fmt::format("training.row_tokens is {}, more than the model's context, {}",
                                   recipe.training.row_tokens, config.context_length));
    }
    if (!model.stack.empty()) {
      for (const std::string& layer : model.stack) {
        if (std::stoi(layer) < config.layer_count) continue;
        throw_bad_recipe(recipe.where("model.stack"),
                         fmt::format("there is no layer {}; the model has {}, from 0", layer,
                                     config.layer_count));
      }
      config.layer_count = static_cast<int>(model.stack.size());
    }
    return config;
  }
  try {
    ModelConfig config = model.preset.empty()
                             ? parse_model_config(shape_metadata(model, vocabulary_size))
                             : preset_config(model.preset);
    if (model.preset.empty()) config.tied_embeddings = model.tied_embeddings;
    config.vocabulary_size = vocabulary_size;
    config.name = recipe.output.name;
    validate_model_config(config);
    return config;
  } catch (const Error& error) {
    throw_bad_recipe(recipe.where("model"), error.what());
  }
}

std::shared_ptr<const Tokenizer> prepare_tokenizer(const Context& context, const Recipe& recipe,
                                                   const PrepareOptions& options) {
  const TokenizerRecipe& tokenizer = recipe.tokenizer;
  if (!tokenizer.train.empty()) return Tokenizer::make(learn_vocabulary(context, recipe, options));
  const std::string& file = tokenizer.file.empty() ? recipe.model.from : tokenizer.file;
  Vocabulary vocabulary = load_vocabulary(recipe.resolve(file));
  if (!tokenizer.chat_template.empty()) {
    vocabulary.chat_template = read_file(recipe.resolve(tokenizer.chat_template), size_t{1} << 20);
  }
  return Tokenizer::make(std::move(vocabulary));
}

void check_teacher(const Recipe& recipe, const Vocabulary& student) {
  const DistillationRecipe& distillation = recipe.distillation;
  if (distillation.teacher.empty()) return;
  const Vocabulary teacher = load_vocabulary(recipe.resolve(distillation.teacher));
  const std::string where = recipe.where("distillation.teacher");
  if (teacher.tokens.size() != student.tokens.size()) {
    throw_bad_recipe(where, fmt::format("the teacher has {} tokens, and the student {}; a student "
                                        "needs its teacher's tokenizer",
                                        teacher.tokens.size(), student.tokens.size()));
  }
  const auto [theirs, ours] =
      std::mismatch(teacher.tokens.begin(), teacher.tokens.end(), student.tokens.begin());
  if (theirs != teacher.tokens.end()) {
    throw_bad_recipe(where, fmt::format("token {} is '{}' to the teacher and '{}' to the student; "
                                        "a student needs its teacher's tokenizer",
                                        theirs - teacher.tokens.begin(), *theirs, *ours));
  }
  if (distillation.top_k >= static_cast<int64_t>(student.tokens.size())) {
    throw_bad_recipe(recipe.where("distillation.top_k"),
                     fmt::format("distillation.top_k is {}, and there are {} tokens; take 0 for "
                                 "all of them",
                                 distillation.top_k, student.tokens.size()));
  }
}

PreparedData prepare_data(const Context& context, const Recipe& recipe,
                          const PrepareOptions& options) {
  PreparedData data;
  data.tokenizer = prepare_tokenizer(context, recipe, options);
  // Before the long work.
  model_config(recipe, data.tokenizer->size());
  check_teacher(recipe, data.tokenizer->vocabulary());
  std::vector<MixturePart> parts;
  std::vector<std::shared_ptr<const PackedRows>> held_out;
  for (size_t i = 0; i < recipe.data.sources.size(); ++i) {
    const SourceRecipe& source = recipe.data.sources[i];
    data.sources.push_back(
        make_source(context, source_options(recipe, i), data.tokenizer,
                    {.cache = recipe.resolve(recipe.data.cache), .progress = options.progress}));
    for (const std::string& line : describe_skipped(data.sources.back()->report())) {
      if (options.warn) options.warn(fmt::format("source '{}': {}", source.name, line));
    }
    PackingOptions packing;
    packing.row_tokens = recipe.training.row_tokens;
    packing.packing = recipe.data.packing == "whole" ? Packing::kWhole : Packing::kStream;
    packing.held_out = source.held_out.value_or(recipe.data.held_out);
    packing.drop_copies = recipe.data.drop_copies;
    packing.seed = static_cast<uint64_t>(recipe.data.seed);
    packing.loss_weight = static_cast<float>(source.loss_weight);
    const auto rows = std::make_shared<const PackedRows>(data.sources.back(), packing);
    data.training_parts.push_back(rows);
    parts.push_back({rows, source.weight, source.epochs, source.epochs_max});
    packing.part = Part::kHeldOut;
    held_out.push_back(std::make_shared<const PackedRows>(data.sources.back(), packing));
  }
  data.training = std::make_shared<const Mixture>(
      std::move(parts), MixtureOptions{.row_tokens = recipe.training.row_tokens,
                                       .temperature = recipe.data.temperature,
                                       .seed = static_cast<uint64_t>(recipe.data.seed)});
  data.held_out =
      std::make_shared<const HeldOutRows>(std::move(held_out), recipe.training.row_tokens);
  return data;
}

int64_t step_count(const Recipe& recipe, const Mixture& mixture) {
  const TrainingRecipe& training = recipe.training;
  const auto rows = static_cast<double>(training.batch_rows);
  double steps = static_cast<double>(training.steps.value_or(0));
  if (training.tokens) {
    steps = std::ceil(*training.tokens / (rows * static_cast<double>(training.row_tokens)));
  } else if (!training.steps) {
    steps = std::ceil(static_cast<double>(mixture.rows_of_epochs()) / rows);
  }
  const auto count = static_cast<int64_t>(steps);
  mixture.check_epochs(static_cast<uint64_t>(count * training.batch_rows));
  return count;
}

}  // namespace minim::train
