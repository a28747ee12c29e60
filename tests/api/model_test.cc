#include <cmath>
#include <cstring>

#include "tests/api/api_fixture.h"

namespace minim_test {
namespace {

class PublicModel : public ::testing::Test {
 protected:
  minim::Engine engine_ = make_engine();
  minim::Model model_{engine_, chat_model()};
};

TEST_F(PublicModel, SaysWhatItIs) {
  const minim::ModelInfo info = model_.info();
  EXPECT_STREQ(info.architecture, "llama");
  EXPECT_STREQ(info.name, "tiny");
  EXPECT_EQ(info.vocabulary_size, 400);
  EXPECT_EQ(info.context_tokens, 512);
  EXPECT_EQ(info.dimensions, 64);
  EXPECT_EQ(info.has_chat_template, 1);
  EXPECT_EQ(info.bos_token, 1);
  EXPECT_EQ(info.eos_token, 2);
  EXPECT_GT(info.parameters, 50000u);
  EXPECT_GT(info.weight_bytes, 4 * 50000u);
  EXPECT_EQ(model_.metadata("general.architecture"), "llama");
  EXPECT_EQ(model_.metadata("test.number"), "42");
  EXPECT_EQ(model_.metadata("test.number"), "42");
  EXPECT_TRUE(model_.metadata("tokenizer.ggml.token_type")->starts_with("[2,3,3,6,"));
  EXPECT_EQ(model_.metadata("absent"), std::nullopt);
  EXPECT_EQ(static_cast<int32_t>(model_.fallbacks().size()), info.fallback_count);
  EXPECT_FALSE(engine_.kernels().empty());
}

TEST_F(PublicModel, MayBeTheOneThatIsBuiltIn) {
  const minim::Model model(engine_, "builtin:nano");
  EXPECT_STREQ(model.info().name, "nano");
  EXPECT_EQ(model.info().has_chat_template, 1);
  minim::Session session(model);
  session.append("Once upon a time");
  EXPECT_EQ(generate(session, 8).size(), 8u);
  EXPECT_STATUS(kNotFound, minim::Model(engine_, "builtin:none"));
}

TEST_F(PublicModel, TokensAndTextAreWrittenAsFarAsThereIsRoom) {
  const std::vector<int32_t> tokens = model_.tokenize("Once upon");
  EXPECT_EQ(tokens.front(), 1);
  EXPECT_EQ(model_.tokenize("Once upon", {.add_special = false}).size() + 1, tokens.size());
  EXPECT_EQ(model_.tokenize("<s>", {.add_special = false, .parse_special = true}).size(), 1u);
  EXPECT_GT(model_.tokenize("<s>", {.add_special = false}).size(), 1u);
  EXPECT_EQ(model_.detokenize(std::span(tokens).subspan(1)), "Once upon");
  EXPECT_EQ(model_.tokenize(std::string(3000, '.')).size(), 3002u);
  EXPECT_EQ(model_.token_bytes(1), "<s>");

  std::vector<int32_t> room(4, -7);
  size_t count = 0;
  EXPECT_EQ(minim_tokenize(model_.get(), "Once upon", MINIM_TEXT_END, MINIM_TOKENIZE_ADD_SPECIAL,
                           room.data(), 3, &count, nullptr),
            MINIM_OK);
  EXPECT_EQ(count, tokens.size());
  EXPECT_EQ(room[2], tokens[2]);
  EXPECT_EQ(room[3], -7);
  char text[5] = "????";
  size_t size = 0;
  EXPECT_EQ(
      minim_detokenize(model_.get(), tokens.data() + 1, tokens.size() - 1, text, 4, &size, nullptr),
      MINIM_OK);
  EXPECT_EQ(size, 9u);
  EXPECT_EQ(std::string(text, 4), "Once");
  EXPECT_EQ(text[4], '\0');
  EXPECT_STATUS(kInvalidArgument, model_.detokenize(std::vector<int32_t>{400}));
  EXPECT_STATUS(kInvalidArgument, model_.token_bytes(-1));
}

TEST_F(PublicModel, EmbedsAndRanks) {
  const std::vector<std::string> texts = {"one text", "another text", "one text"};
  const minim::Embeddings all = model_.embed(texts);
  ASSERT_EQ(all.size(), 3u);
  ASSERT_EQ(all.dimensions, 64u);
  double square = 0;
  for (const float value : all[1]) square += double{value} * value;
  EXPECT_NEAR(square, 1.0, 1e-5);
  EXPECT_TRUE(std::equal(all[0].begin(), all[0].end(), all[2].begin()));
  EXPECT_FALSE(std::equal(all[0].begin(), all[0].end(), all[1].begin()));
  EXPECT_EQ(model_.embed("one text"), std::vector(all[0].begin(), all[0].end()));
  EXPECT_EQ(model_.embed({"a", "b"}, {.dimensions = 8}).values.size(), 16u);
  EXPECT_STATUS(kLimit, model_.embed(std::string(600, '.')));
  EXPECT_EQ(model_.embed({std::string(600, '.')}, {.truncate = true}).truncated, 1u);
  EXPECT_EQ(model_.embed(std::vector<std::string>{}).size(), 0u);
  for (const auto method : {minim::RankMethod::kEmbeddings, minim::RankMethod::kLikelihood}) {
    const std::vector<float> scores = model_.rerank("one", texts, {.method = method});
    ASSERT_EQ(scores.size(), 3u);
    EXPECT_EQ(scores[0], scores[2]);
    EXPECT_TRUE(std::isfinite(scores[1]));
  }
}

TEST_F(PublicModel, IsForecastBeforeItIsLoaded) {
  const minim::Forecast forecast = minim::Model::forecast(engine_, plain_model());
  EXPECT_EQ(forecast.fits, 1);
  EXPECT_GT(forecast.weight_bytes, 50000u);
  EXPECT_GT(forecast.cache_bytes, 0u);
  EXPECT_GT(forecast.generated_tokens_per_second, 0);
  EXPECT_GT(forecast.prompt_tokens_per_second, 0);
}

TEST_F(PublicModel, OptionsThatMakeNoSenseAreRefused) {
  const auto open = [&](const minim::ModelOptions& options) {
    return thrown([&] { minim::Model(engine_, chat_model(), options); }).first;
  };
  EXPECT_EQ(open({.context_tokens = 513}), minim::Status::kInvalidArgument);
  EXPECT_EQ(open({.context_tokens = -1}), minim::Status::kInvalidArgument);
  EXPECT_EQ(open({.batch_tokens = -1}), minim::Status::kInvalidArgument);
  EXPECT_EQ(open({.sessions_max = INT64_MAX}), minim::Status::kInvalidArgument);
  EXPECT_EQ(open({.cache_type = static_cast<minim::CacheType>(4)}),
            minim::Status::kInvalidArgument);
  EXPECT_EQ(open({.cache_bytes_max = 1}), minim::Status::kInvalidArgument);
  EXPECT_STATUS(kNotFound, minim::Model(engine_, scratch_path("absent")));
  EXPECT_STATUS(kCancelled, minim::Model(engine_, chat_model(),
                                         {.progress = [](const auto&) { return false; }}));
}

TEST_F(PublicModel, EveryCacheTypeGenerates) {
  for (const auto type : {minim::CacheType::kF16, minim::CacheType::kF32, minim::CacheType::kQ8_0,
                          minim::CacheType::kQ4_0}) {
    minim::Model model(engine_, chat_model(), {.cache_type = type, .exact = true});
    minim::Session session(model);
    session.append("Once");
    if (type >= minim::CacheType::kQ8_0) continue;  // heads of 16 values hold no block
    EXPECT_EQ(generate(session, 4).size(), 4u);
  }
}

TEST_F(PublicModel, PrefixesAreSharedWhereAskedFor) {
  minim::Model model(engine_, chat_model(), {.prefix_bytes_max = 1 << 20});
  const std::string text(200, '.');
  for (int i = 0; i < 2; ++i) {
    minim::Session session(model);
    session.append(text);
    session.read();
    EXPECT_EQ(session.statistics().reused_tokens > 0, i == 1);
  }
  EXPECT_EQ(model.statistics().prefix_hits, 1);
  EXPECT_GT(model.statistics().cache_bytes, 0u);
}

TEST_F(PublicModel, ABoundOnMemoryLetsSessionsWait) {
  minim::Model probe(engine_, chat_model());
  minim::Session measured(probe);
  measured.append("Once");
  measured.read();
  const uint64_t block = probe.statistics().cache_bytes;
  minim::Model model(engine_, chat_model(), {.context_tokens = 64, .cache_bytes_max = 3 * block});
  minim::Session first(model);
  first.append("Once");
  first.read();
  minim::Session second(model);
  second.append("Twice");
  EXPECT_EQ(generate(second, 30).size(), 30u);
  EXPECT_LE(model.statistics().cache_bytes, 3 * block);
  EXPECT_EQ(model.statistics().cache_bytes_max, 3 * block);
}

// Handles may be released in any order: what is used lives on.
TEST(PublicHandles, GoInAnyOrder) {
  minim_engine* engine = nullptr;
  minim_model* model = nullptr;
  minim_session* session = nullptr;
  ASSERT_EQ(minim_engine_new(nullptr, &engine, nullptr), MINIM_OK);
  ASSERT_EQ(minim_model_open(engine, chat_model().c_str(), nullptr, &model, nullptr), MINIM_OK);
  ASSERT_EQ(minim_session_new(model, nullptr, &session, nullptr), MINIM_OK);
  ASSERT_EQ(minim_session_append_text(session, "Once", 4, 0, nullptr), MINIM_OK);
  minim_engine_release(engine);
  ASSERT_EQ(minim_session_generate(session, nullptr, nullptr, nullptr), MINIM_OK);
  minim_model_release(model);
  minim_event event = MINIM_EVENT_INIT;
  ASSERT_EQ(minim_session_next(session, &event, -1, nullptr), MINIM_OK);
  EXPECT_NE(event.type, MINIM_EVENT_NONE);
  minim_session_release(session);  // while it generates
}

TEST(PublicHandles, TwoEnginesInOneProcess) {
  minim::Engine one = make_engine(1);
  minim::Engine two = make_engine(3);
  minim::Model first(one, chat_model());
  minim::Model second(two, chat_model());
  minim::Model third(two, chat_model());
  std::vector<std::vector<int32_t>> texts;
  for (minim::Model* model : {&first, &second, &third}) {
    minim::Session session(*model);
    session.append("Once");
    texts.push_back(generate(session, 10));
  }
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_EQ(texts[1], texts[2]);
}

}  // namespace
}  // namespace minim_test
