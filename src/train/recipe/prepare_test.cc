#include "train/recipe/prepare.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "formats/vocabulary_file.h"
#include "kernels/registry.h"
#include "model/random_model.h"
#include "tests/support/test_data.h"

namespace minim::train {
namespace {

constexpr const char* kRecipe = R"(model: {layers: 2, dim: 32, heads: 2}
tokenizer: {train: [tales, chats], size: 300, special_tokens: [<|endoftext|>, <|im_start|>,
            <|im_end|>], eot: <|im_end|>, chat_template: chat.jinja}
data:
  held_out: 0.2
  sources:
    - {name: tales, files: tales.txt, epochs: 2}
    - {name: chats, files: chats.jsonl, format: chat, epochs: 1}
training: {row_tokens: 32, batch_rows: 4, warmup_steps: 0}
)";

class PrepareTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream tales(folder_.path() / "tales.txt"), chats(folder_.path() / "chats.jsonl");
    for (int i = 0; i < 60; ++i) {
      tales << "the cat number " << i << " sat on the mat<|endoftext|>"
            << (i == 30 ? " <|endoftext|>" : "");
      chats << R"({"prompt": "how many cats? )" << i << R"(", "completion": "there are )" << i
            << "\"}\n";
    }
    std::ofstream(folder_.path() / "chat.jinja")
        << "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
           "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  }

  Recipe recipe(const std::vector<std::string>& settings = {}) const {
    return parse_recipe(kRecipe, "r.yaml", folder_.path(), settings);
  }

  PreparedData prepare(const Recipe& made) {
    warnings_.clear();
    return prepare_data(context_, made,
                        {.warn = [&](const std::string& text) { warnings_.push_back(text); }});
  }

  minim::testing::TemporaryFolder folder_;
  ThreadPool threads_{2};
  Context context_{threads_, kernels::select_kernel_table(), {}};
  std::vector<std::string> warnings_;
};

TEST_F(PrepareTest, MakesATokenizerAndAMixtureAndFindsThemAgain) {
  const PreparedData made = prepare(recipe());
  EXPECT_LE(made.tokenizer->size(), 300);
  EXPECT_TRUE(made.tokenizer->vocabulary().add_bos);
  ASSERT_EQ(made.sources.size(), 2u);
  EXPECT_TRUE(made.sources[0]->report().made);
  EXPECT_EQ(made.sources[0]->document_count(), 60u);
  EXPECT_GT(*made.held_out->row_count(), 0u);
  ASSERT_FALSE(warnings_.empty());
  EXPECT_NE(warnings_[0].find("'tales', for the vocabulary: left out 1 document: "),
            std::string::npos);

  const PreparedData found = prepare(recipe());
  EXPECT_FALSE(found.sources[0]->report().made);
  EXPECT_EQ(found.tokenizer->vocabulary().tokens, made.tokenizer->vocabulary().tokens);
  EXPECT_EQ(found.training->fingerprint(), made.training->fingerprint());
  Batch one, two;
  made.training->read(7, 4, one);
  found.training->read(7, 4, two);
  EXPECT_EQ(one.inputs, two.inputs);
  EXPECT_EQ(one.weights, two.weights);

  const PreparedData shuffled = prepare(recipe({"data.seed=2"}));
  EXPECT_NE(shuffled.training->fingerprint(), made.training->fingerprint());
}

// Whatever row is asked for: a prompt is never learned, an answer always is.
TEST_F(PrepareTest, NoLossFallsOnPrompts) {
  const PreparedData made = prepare(recipe());
  const Tokenizer& tokenizer = *made.tokenizer;
  const PackedRows& chats = *made.training_parts[1];
  for (uint64_t row = 0; row < chats.row_count(); ++row) {
    Batch batch;
    batch.resize(1, 32);
    chats.fill(row, batch, 0);
    for (size_t i = 0; i < static_cast<size_t>(batch.used[0]); ++i) {
      const auto start = static_cast<size_t>(batch.document_starts[i]);
      const std::string before =
          tokenizer.decode(std::span(batch.inputs).subspan(start, i + 1 - start));
      if (batch.weights[i] == 0) continue;
      const size_t asked = before.rfind("<|im_start|>");
      const size_t answer = before.rfind("<|im_start|>assistant\n");
      EXPECT_EQ(asked, answer) << before;
      EXPECT_EQ(before.find("<|im_end|>", answer), std::string::npos) << before;
    }
    EXPECT_GE(batch.weight_sum(), 0);
  }
}

TEST_F(PrepareTest, StepsTokensOrEpochs) {
  const PreparedData made = prepare(recipe());
  const uint64_t rows =
      2 * made.training_parts[0]->row_count() + made.training_parts[1]->row_count();
  EXPECT_EQ(step_count(recipe(), *made.training), static_cast<int64_t>((rows + 3) / 4));
  EXPECT_EQ(step_count(recipe({"training.steps=9"}), *made.training), 9);
  EXPECT_EQ(step_count(recipe({"training.tokens=1k"}), *made.training), 8);
  const Recipe capped = recipe({"data.sources.tales.epochs_max=2", "training.steps=500"});
  EXPECT_THROW(step_count(capped, *prepare(capped).training), Error);
}

TEST_F(PrepareTest, ShapesComeFromKeysPresetsOrFiles) {
  const ModelConfig config = model_config(recipe(), 300);
  EXPECT_EQ(config.architecture, "qwen3");
  EXPECT_EQ(config.vocabulary_size, 300);
  EXPECT_EQ(config.kv_head_count, 2);
  EXPECT_EQ(config.ffn_dim, 96);
  EXPECT_TRUE(config.tied_embeddings);
  for (const char* name : {"llama", "qwen2", "qwen3", "gemma3", "phi3", "gpt2"}) {
    const Recipe other = recipe(
        {std::string("model.architecture=") + name,
         std::string("model.sliding_window=") + (std::string_view(name) == "gemma3" ? "16" : "0")});
    EXPECT_EQ(model_config(other, 300).architecture, name);
  }

  ModelConfig small = config;
  small.vocabulary_size = 400;
  write_random_model(context_, small, folder_.path() / "m.gguf", {.type = DataType::kF32});
  Recipe from = recipe();
  from.model = ModelRecipe{.from = "m.gguf"};
  from.places["model.from"] = "r.yaml:1";
  EXPECT_EQ(model_config(from, 300).vocabulary_size, 400);
  try {
    model_config(from, 401);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "recipe: r.yaml:1: the model has 400 tokens, and the tokenizer 401; they do not "
                 "fit");
  }
}

TEST_F(PrepareTest, TeachersNeedTheSameTokens) {
  const PreparedData made = prepare(recipe());
  const Vocabulary student = made.tokenizer->vocabulary();
  Vocabulary other = student, larger = student;
  other.tokens[270] = "other";
  other.merges.clear();
  larger.tokens.push_back("more");
  larger.types.push_back(TokenType::kUserDefined);
  save_vocabulary(student, folder_.path() / "same.gguf");
  save_vocabulary(other, folder_.path() / "other.gguf");
  save_vocabulary(larger, folder_.path() / "larger.gguf");
  const auto refusal = [&](const char* teacher, const char* top_k) {
    try {
      check_teacher(recipe({std::string("distillation.teacher=") + teacher,
                            std::string("distillation.top_k=") + top_k}),
                    student);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal("same.gguf", "8"), "accepted");
  EXPECT_NE(refusal("other.gguf", "8").find("token 270 is 'other' to the teacher"),
            std::string::npos);
  EXPECT_NE(refusal("larger.gguf", "8").find("needs its teacher's tokenizer"), std::string::npos);
  EXPECT_NE(refusal("same.gguf", "60000").find("take 0 for all"), std::string::npos);
}

TEST_F(PrepareTest, TheRecipesOfTheRepositoryAreSound) {
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(minim::testing::golden_path("../recipes"))) {
    if (entry.path().extension() != ".yaml") continue;
    ++count;
    const Recipe made = load_recipe(entry.path());
    if (!made.model.from.empty()) continue;  // what a recipe before it makes
    EXPECT_NO_THROW(model_config(made, static_cast<int32_t>(made.tokenizer.size)));
  }
  EXPECT_GE(count, 4);
}

}  // namespace
}  // namespace minim::train
