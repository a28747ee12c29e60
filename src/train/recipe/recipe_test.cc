#include "train/recipe/recipe.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "tests/support/test_data.h"
#include "train/recipe/recipe_check.h"

namespace minim::train {
namespace {

constexpr const char* kSmall = R"(model:
  layers: 2
  dim: 64
  heads: 4
tokenizer:
  train: stories
  size: 512
data:
  sources:
    - name: stories
      files: a.txt
training:
  steps: 10
  warmup_steps: 2
)";

Recipe parse(const std::string& text, const std::vector<std::string>& settings = {}) {
  return parse_recipe(text, "toy.yaml", "/recipes", settings);
}

std::string refusal(const std::string& text, const std::vector<std::string>& settings = {}) {
  try {
    parse(text, settings);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = kSmall;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

// What replaces a piece of kSmall, and how the message about it begins.
struct Mistake {
  const char* from;
  const char* to;
  const char* message;
};

constexpr Mistake kMistakes[] = {
    {"steps: 10", "stepz: 10",
     "recipe: toy.yaml:13: 'stepz' is no key of training; did you mean 'steps'?"},
    {"steps: 10", "frobnicate: 10",
     "recipe: toy.yaml:13: 'frobnicate' is no key of training; `minim data --keys` lists them"},
    {"training:", "traning:",
     "recipe: toy.yaml:13: 'traning' is no section; did you mean "
     "'training'?"},
    {"      files:", "      file:",
     "recipe: toy.yaml:11: 'file' is no key of data.sources.0; "
     "did you mean 'files'?"},
    {"steps: 10", "steps: many",
     "recipe: toy.yaml:13: training.steps is 'many', not a whole number"},
    {"steps: 10", "steps: 1.5", "recipe: toy.yaml:13: training.steps is '1.5', not a whole number"},
    {"steps: 10", "steps: \"10\"",
     "recipe: toy.yaml:13: training.steps is '10', not a whole number"},
    {"steps: 10", "steps: [1]",
     "recipe: toy.yaml:13: training.steps is a list, not a whole number"},
    {"steps: 10", "steps: 0", "recipe: toy.yaml:13: training.steps is 0; it must be 1 to 1e+12"},
    {"steps: 10", "steps: nan", "recipe: toy.yaml:13: training.steps is 'nan', not a whole number"},
    {"steps: 10", "steps: 10\n  clip: -1",
     "recipe: toy.yaml:14: training.clip is -1; it must be 0 to 1e+09"},
    {"steps: 10", "steps: 10\n  recompute: yes",
     "recipe: toy.yaml:14: training.recompute is 'yes', not true or false"},
    {"steps: 10", "steps: 10\n  optimizer: adam",
     "recipe: toy.yaml:14: training.optimizer is 'adam'; it can be muon, adamw, adafactor: "
     "'adamw'?"},
    {"steps: 10", "steps: 10\n  steps: 11",
     "recipe: toy.yaml:14: 'steps' is there already, in line 13"},
    {"steps: 10", "steps: 10\n  tokens: 5M",
     "recipe: toy.yaml:14: training.tokens is there beside steps; give one of them"},
    {"steps: 10", "steps: [1", "recipe: toy.yaml:14: "},
    {"heads: 4", "heads: 5",
     "recipe: toy.yaml:4: model.heads is 5, which does not divide dim, "
     "64; give head_dim"},
    {"heads: 4", "heads: 4\n  kv_heads: 3",
     "recipe: toy.yaml:5: model.kv_heads is 3, which does not divide heads, 4"},
    {"heads: 4", "preset: nano-tiny",
     "recipe: toy.yaml:2: model has more than one of preset, from, and a shape of its own; give "
     "one"},
    {"heads: 4", "heads: 4\n  stack: [0, 1]",
     "recipe: toy.yaml:5: model.stack is there without from, whose layers it names"},
    {"train: stories", "train: tales",
     "recipe: toy.yaml:6: tokenizer.train names 'tales', which is no source"},
    {"size: 512", "size: 256",
     "recipe: toy.yaml:7: tokenizer.size is 256; it must be 257 to "
     "1.67772e+07"},
    {"size: 512", "pre_tokenizer: gpt2",
     "recipe: toy.yaml:7: tokenizer.pre_tokenizer is 'gpt2', which is not known; take gpt-2, "
     "llama-bpe, smollm or qwen2"},
    {"name: stories", "name: a/b",
     "recipe: toy.yaml:10: data.sources.0.name is 'a/b'; take up to 64 letters, digits, '-' and "
     "'_'"},
    {"files: a.txt", "weight: 0\n      files: a.txt",
     "recipe: toy.yaml:11: data.sources.0.weight is 0; it must be above 0"},
    {"files: a.txt", "files: a.txt\n      weight: 1\n    - {name: b, files: b}",
     "recipe: toy.yaml:13: data.sources.1 ('b') has no weight, but others do; give every source "
     "one, or none"},
    {"files: a.txt", "files: a.txt\n    - {name: stories, files: b}",
     "recipe: toy.yaml:12: data.sources.1.name is 'stories', as of a source before it"},
    {"files: a.txt", "format: text", "recipe: toy.yaml:10: data.sources.0 has no files"},
    {"files: a.txt", "files: a.txt\n      weight: 1\n      epochs: 2",
     "recipe: toy.yaml:10: data.sources.0 has a weight and epochs; give one of them"},
    {"files: a.txt", "files: a.txt\n      columns: [a, a]\n      format: table",
     "recipe: toy.yaml:12: data.sources.0.columns has 'a' twice"},
    {"files: a.txt", "files: a.txt\n      delimiter: \";\"",
     "recipe: toy.yaml:12: data.sources.0.delimiter is for format: table"},
    {"files: a.txt", "files: a.txt\n      rows: train",
     "recipe: toy.yaml:12: data.sources.0.rows is for format: jsonl"},
    {"files: a.txt", "files: a.txt\n      prompts: \"{{ text }}\"",
     "recipe: toy.yaml:12: data.sources.0.prompts is there without an answer"},
    {"files: a.txt", "files: a.txt\n      prompts: [a, \"{{ text\"]\n      answer: b",
     "recipe: toy.yaml:12: data.sources.0.prompts is no template: "},
    {"files: a.txt", "files: a.txt\n      held_out_by: text",
     "recipe: toy.yaml:12: data.sources.0.held_out_by is for sources with prompts"},
    {"warmup_steps: 2", "warmup_steps: 20",
     "recipe: toy.yaml:14: training.warmup_steps is 20, more than the 10 steps of the run"},
    {"warmup_steps: 2", "micro_rows: 5",
     "recipe: toy.yaml:14: training.micro_rows is 5, which does not divide batch_rows, 32"},
    {"warmup_steps: 2", "row_tokens: 4096",
     "recipe: toy.yaml:14: training.row_tokens is 4096, more than model.context, 2048"},
    {"warmup_steps: 2", "warmup_steps: 2\ndistillation:\n  top_k: 5",
     "recipe: toy.yaml:16: distillation has no teacher"},
    {"warmup_steps: 2", "warmup_steps: 2\ndistillation:\n  teacher: t.gguf\n  layer_map: [\"1-2\"]",
     "recipe: toy.yaml:17: distillation.layer_map has '1-2'; pairs are written STUDENT:TEACHER, "
     "as in \"0:1\""},
};

TEST(Recipe, KeysAndDefaults) {
  const Recipe recipe = parse(kSmall);
  EXPECT_EQ(recipe.model.layers, 2);
  EXPECT_EQ(recipe.model.architecture, "qwen3");
  EXPECT_EQ(recipe.tokenizer.train, std::vector<std::string>{"stories"});
  ASSERT_EQ(recipe.data.sources.size(), 1u);
  EXPECT_EQ(recipe.data.sources[0].files, std::vector<std::string>{"a.txt"});
  EXPECT_EQ(recipe.data.sources[0].separator, "<|endoftext|>");
  EXPECT_EQ(recipe.training.steps, 10);
  EXPECT_EQ(recipe.training.optimizer, "muon");
  EXPECT_EQ(recipe.where("training.steps"), "toy.yaml:13");
  EXPECT_EQ(recipe.where("data.sources.0.files"), "toy.yaml:11");
  EXPECT_EQ(recipe.where("training.clip"), "toy.yaml");
  EXPECT_EQ(recipe.resolve("x/y"), Path("/recipes/x/y"));
  EXPECT_EQ(recipe.resolve("/x"), Path("/x"));
}

TEST(Recipe, NumbersMayBeShort) {
  EXPECT_EQ(parse(replaced("steps: 10", "tokens: 1.5B")).training.tokens, 1.5e9);
  EXPECT_EQ(parse(replaced("steps: 10", "steps: 20k")).training.steps, 20000);
  EXPECT_EQ(parse(replaced("steps: 10", "steps: 1e3")).training.steps, 1000);
  EXPECT_EQ(parse(replaced("steps: 10", "steps: 10\n  learning_rate: 3e-4")).training.learning_rate,
            3e-4);
}

TEST(Recipe, SettingsReplaceKeys) {
  const Recipe recipe =
      parse(kSmall, {"training.steps=99", "data.sources.stories.weight=2",
                     "data.sources.0.files=[b.txt, c.txt]", "tokenizer.special_tokens=[<|a|>]",
                     "tokenizer.bos=", "training.clip=0.5"});
  EXPECT_EQ(recipe.training.steps, 99);
  EXPECT_EQ(recipe.data.sources[0].weight, 2);
  EXPECT_EQ(recipe.data.sources[0].files, (std::vector<std::string>{"b.txt", "c.txt"}));
  EXPECT_EQ(recipe.tokenizer.special_tokens, std::vector<std::string>{"<|a|>"});
  EXPECT_EQ(recipe.where("training.steps"), "--set training.steps");
  EXPECT_EQ(refusal(kSmall, {"training.step=3"}),
            "recipe: --set training.step: 'step' is no key of training; did you mean 'steps'?");
  EXPECT_EQ(refusal(kSmall, {"training.steps=x"}),
            "recipe: --set training.steps: training.steps is 'x', not a whole number");
  EXPECT_NE(refusal(kSmall, {"training.steps"}).find("KEY=VALUE"), std::string::npos);
  EXPECT_NE(refusal(kSmall, {"steps=3"}).find("SECTION.KEY"), std::string::npos);
  EXPECT_NE(refusal(kSmall, {"data.sources.books.weight=3"}).find("no source 'books'"),
            std::string::npos);
}

TEST(Recipe, VariablesOfTheEnvironment) {
  ::setenv("MINIM_RECIPE_TEST", "/data", 1);
  ::unsetenv("MINIM_RECIPE_NONE");
  const auto files = [](const std::string& text) {
    return parse(replaced("files: a.txt", "files: \"" + text + "\"")).data.sources[0].files[0];
  };
  EXPECT_EQ(files("${MINIM_RECIPE_TEST}/a"), "/data/a");
  EXPECT_EQ(files("${MINIM_RECIPE_NONE:-../b}/a"), "../b/a");
  EXPECT_EQ(refusal(replaced("a.txt", "${MINIM_RECIPE_NONE}/a")).substr(0, 69),
            "recipe: toy.yaml:11: the environment has no variable 'MINIM_RECIPE_NO");
  EXPECT_NE(refusal(replaced("a.txt", "${X")).find("without its"), std::string::npos);
}

TEST(Recipe, MistakesNameTheirLine) {
  for (const auto& [from, to, message] : kMistakes) {
    const std::string error = refusal(replaced(from, to));
    EXPECT_TRUE(error.starts_with(message)) << error << "\n" << message;
  }
  EXPECT_EQ(refusal(""), "recipe: toy.yaml: data has no sources");
  EXPECT_EQ(refusal("3"), "recipe: toy.yaml:1: the recipe is no map of keys and values");
  EXPECT_EQ(refusal("model: 3"), "recipe: toy.yaml:1: 'model' is no map of keys and values");
}

TEST(Recipe, WithoutLengthOnlyWithEpochs) {
  EXPECT_NE(refusal(replaced("steps: 10\n", "clip: 1\n")).find("does not say how long"),
            std::string::npos);
  EXPECT_EQ(refusal(replaced("steps: 10\n", "clip: 1\n"), {"data.sources.0.epochs=3"}), "accepted");
}

TEST(Recipe, AliasesDoNotGrowWithoutBound) {
  std::string text = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    text += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) text += std::string(i > 0 ? ", *" : "*") + static_cast<char>(c - 1);
    text += "]\n";
  }
  EXPECT_NE(refusal(text).find("more than 64 levels or 100000 nodes"), std::string::npos);
  EXPECT_NE(refusal(std::string(200, '[')), "accepted");
  EXPECT_NE(refusal(std::string(2 << 20, '#')).find("1 MiB"), std::string::npos);
}

TEST(Recipe, FormattingReadsBack) {
  const Recipe recipe = parse(kSmall, {"data.sources.0.separator=\"a\\\"\\n\\\\b\"",
                                       "training.learning_rate=0.000123", "data.held_out=0.25"});
  const std::string text = format_recipe(recipe);
  const Recipe again = parse(text);
  EXPECT_EQ(format_recipe(again), text);
  EXPECT_EQ(again.data.sources[0].separator, "a\"\n\\b");
  EXPECT_EQ(again.training.learning_rate, 0.000123);
  EXPECT_EQ(again.data.held_out, 0.25);
}

TEST(Recipe, EveryKeyHasHelpAndItsDefaultIsAccepted) {
  for (const RecipeKeyHelp& key : recipe_keys()) {
    EXPECT_FALSE(key.help.empty() || key.type.empty()) << key.key;
    if (key.fallback.empty() || key.key == "tokenizer.train") continue;
    std::string path = key.key;
    if (path.starts_with("data.sources[]")) path.replace(0, 14, "data.sources.0");
    if (path == "data.sources.0.name" || path == "data.sources.0.files") continue;
    if (path == "distillation.teacher") continue;
    EXPECT_EQ(refusal(kSmall, {"training.steps=1000", "distillation.teacher=t.gguf",
                               path + "=" + key.fallback}),
              "accepted")
        << path;
  }
}

TEST(Recipe, FilesAreLookedForBesideTheRecipe) {
  const minim::testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "toy.yaml") << kSmall;
  const Recipe recipe = load_recipe(folder.path() / "toy.yaml");
  EXPECT_EQ(recipe.output.name, "toy");
  EXPECT_EQ(recipe.output.folder, "runs/toy");
  try {
    check_files(recipe);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("toy.yaml:11: data: no file matches 'a.txt'"),
              std::string::npos)
        << error.what();
  }
  std::ofstream(folder.path() / "a.txt") << "text";
  EXPECT_NO_THROW(check_files(recipe));
  EXPECT_THROW(load_recipe(folder.path() / "none.yaml"), Error);
}

class RecipeBaseTest : public ::testing::Test {
 protected:
  void SetUp() override { write("small.yaml", kSmall); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.path() / name) << text;
  }
  Recipe load(const std::string& name, const std::vector<std::string>& settings = {}) {
    return load_recipe(folder_.path() / name, settings);
  }
  // Without the folder's name.
  std::string refusal(const std::string& name) {
    try {
      load(name);
    } catch (const Error& error) {
      std::string text = error.what();
      const std::string folder = folder_.path().string() + "/";
      for (size_t at = 0; (at = text.find(folder)) != std::string::npos;) {
        text.erase(at, folder.size());
      }
      return text;
    }
    return "accepted";
  }

  minim::testing::TemporaryFolder folder_;
};

TEST_F(RecipeBaseTest, ChangesWhatAnotherSays) {
  write("more.yaml",
        "training: {steps: 20}\nbase: small.yaml\ndata:\n  sources:\n"
        "    - {name: stories, weight: 2}\n    - {name: books, files: b.txt, weight: 1}\n");
  write("most.yaml", "base: more.yaml\ndata: {sources: [{name: books, weight: 3}]}\n");
  const Recipe made = load("most.yaml", {"training.warmup_steps=3"});
  EXPECT_EQ(made.model.layers, 2);
  EXPECT_EQ(made.training.steps, 20);
  EXPECT_EQ(made.training.warmup_steps, 3);
  ASSERT_EQ(made.data.sources.size(), 2);
  EXPECT_EQ(made.data.sources[0].files, std::vector<std::string>{"a.txt"});
  EXPECT_EQ(made.data.sources[0].weight, 2);
  EXPECT_EQ(made.data.sources[1].weight, 3);
  EXPECT_EQ(made.output.name, "most");
  const auto place = [&](const char* key) { return Path(made.where(key)).filename().string(); };
  EXPECT_EQ(place("model.layers"), "small.yaml:2");
  EXPECT_EQ(place("training.steps"), "more.yaml:1");
  EXPECT_EQ(place("data.sources.1.files"), "more.yaml:6");
  EXPECT_EQ(place("data.sources.1.weight"), "most.yaml:2");
  EXPECT_EQ(made.where("training.warmup_steps"), "--set training.warmup_steps");
  // What a run's log keeps of it stands alone.
  EXPECT_EQ(format_recipe(parse(format_recipe(made))), format_recipe(made));
}

TEST_F(RecipeBaseTest, RefusesWhatIsNoBase) {
  write("itself.yaml", "base: itself.yaml\n");
  EXPECT_EQ(
      refusal("itself.yaml"),
      "recipe: itself.yaml:1: base is the 17th in a row; does 'itself.yaml' build on itself?");
  write("absent.yaml", "\nbase: none.yaml\n");
  EXPECT_EQ(refusal("absent.yaml"), "recipe: absent.yaml:2: base: there is no file 'none.yaml'");
  for (const char* base : {"../small.yaml", "[small.yaml]", "\"\"", "{}"}) {
    write("bad.yaml", std::string("base: ") + base);
    EXPECT_EQ(refusal("bad.yaml"),
              "recipe: bad.yaml:1: base is no name of a recipe in the same folder")
        << base;
  }
  write("wrong.yaml", "model: {layers: two}\n");
  write("on.yaml", "base: wrong.yaml\n");
  EXPECT_EQ(refusal("on.yaml"), "recipe: wrong.yaml:1: model.layers is 'two', not a whole number");
}

}  // namespace
}  // namespace minim::train
