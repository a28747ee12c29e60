// Values that no careful caller gives: each is a status and a sentence, and nothing is written past
// what was offered.
#include <cstring>
#include <limits>

#include "tests/api/api_fixture.h"

namespace minim_test {
namespace {

class Hostile : public ::testing::Test {
 protected:
  Hostile() { session_.append("Once"); }

  // The status of a call, which must say a sentence where it fails.
  void expect(minim_status status, minim_status expected) {
    EXPECT_EQ(status, expected) << error_.message;
    EXPECT_EQ(error_.status, expected);
    EXPECT_EQ(std::strlen(error_.message) > 0, expected != MINIM_OK);
  }
  void refused(minim_status status) { expect(status, MINIM_INVALID_ARGUMENT); }

  minim::Engine engine_ = make_engine(1);
  minim::Model model_{engine_, chat_model()};
  minim::Session session_{model_};
  minim::Sampling sampling_;
  minim_error error_ = {0, ""};
  minim_error* e_ = &error_;
  size_t count_ = 0;
};

TEST_F(Hostile, NullHandles) {
  minim_model* model = nullptr;
  minim_sampling* sampling = nullptr;
  int32_t token = 0;
  refused(minim_engine_new(nullptr, nullptr, e_));
  refused(minim_model_open(nullptr, "x", nullptr, &model, e_));
  refused(minim_model_open(engine_.get(), nullptr, nullptr, &model, e_));
  refused(minim_model_open(engine_.get(), "x", nullptr, nullptr, e_));
  refused(minim_model_forecast(engine_.get(), "x", nullptr, nullptr, e_));
  refused(minim_model_get_info(nullptr, nullptr, e_));
  refused(minim_model_get_info(model_.get(), nullptr, e_));
  refused(minim_model_get_statistics(nullptr, nullptr, e_));
  refused(minim_tokenize(nullptr, "a", 1, 0, &token, 1, &count_, e_));
  refused(minim_tokenize(model_.get(), nullptr, 1, 0, &token, 1, &count_, e_));
  refused(minim_tokenize(model_.get(), nullptr, MINIM_TEXT_END, 0, &token, 1, &count_, e_));
  refused(minim_tokenize(model_.get(), "a", 1, 0, nullptr, 1, &count_, e_));
  refused(minim_tokenize(model_.get(), "a", 1, 0, &token, 1, nullptr, e_));
  refused(minim_detokenize(model_.get(), nullptr, 1, nullptr, 0, &count_, e_));
  refused(minim_token_bytes(model_.get(), 1, nullptr, 1, &count_, e_));
  refused(minim_chat_text(model_.get(), nullptr, 1, nullptr, nullptr, 0, &count_, e_));
  refused(minim_sampling_new(nullptr, e_));
  refused(minim_sampling_clone(nullptr, &sampling, e_));
  refused(minim_sampling_set_number(nullptr, "seed", 1, e_));
  refused(minim_sampling_set_number(sampling_.get(), nullptr, 1, e_));
  refused(minim_sampling_set_text(sampling_.get(), "seed", nullptr, 3, e_));
  refused(minim_sampling_add_stop(nullptr, "a", 1, e_));
  refused(minim_sampling_check(nullptr, e_));
  refused(minim_sampling_option(0, nullptr, e_));
}

TEST_F(Hostile, NullSessions) {
  minim_session* session = nullptr;
  minim_event event = MINIM_EVENT_INIT;
  const minim_text text = {"a", 1};
  float value = 0;
  void* bytes = nullptr;
  refused(minim_session_new(nullptr, nullptr, &session, e_));
  refused(minim_session_new(model_.get(), nullptr, nullptr, e_));
  refused(minim_session_tokens(nullptr, nullptr, 0, &count_, e_));
  refused(minim_session_append_text(nullptr, "a", 1, 0, e_));
  refused(minim_session_append_tokens(session_.get(), nullptr, 1, e_));
  refused(minim_session_rewind(nullptr, 0, e_));
  refused(minim_session_read(nullptr, nullptr, nullptr, e_));
  refused(minim_session_set_messages(session_.get(), nullptr, 1, nullptr, e_));
  refused(minim_session_set_messages_json(session_.get(), nullptr, 1, nullptr, e_));
  refused(minim_session_clone(session_.get(), nullptr, e_));
  refused(minim_session_save(session_.get(), nullptr, e_));
  refused(minim_session_load(nullptr, "x", e_));
  refused(minim_session_save_bytes(session_.get(), nullptr, &count_, e_));
  refused(minim_session_save_bytes(session_.get(), &bytes, nullptr, e_));
  refused(minim_session_load_bytes(session_.get(), nullptr, 1, e_));
  refused(minim_session_generate(nullptr, nullptr, nullptr, e_));
  refused(minim_session_next(nullptr, &event, 0, e_));
  refused(minim_session_next(session_.get(), nullptr, 0, e_));
  refused(minim_session_on_event(nullptr, nullptr, nullptr, e_));
  refused(minim_session_generate_to(session_.get(), nullptr, nullptr, nullptr, nullptr, e_));
  refused(minim_session_get_statistics(session_.get(), nullptr, e_));
  refused(minim_embed(nullptr, &text, 1, nullptr, &value, 1, nullptr, e_));
  refused(minim_embed(model_.get(), nullptr, 1, nullptr, &value, 1, nullptr, e_));
  refused(minim_embed(model_.get(), &text, 1, nullptr, nullptr, 64, nullptr, e_));
  refused(minim_rerank(model_.get(), nullptr, &text, 1, nullptr, &value, nullptr, e_));
  refused(minim_rerank(model_.get(), &text, nullptr, 1, nullptr, &value, nullptr, e_));
  refused(minim_rerank(model_.get(), &text, &text, 1, nullptr, nullptr, nullptr, e_));
  EXPECT_EQ(generate(session_, 2).size(), 2u);
}

TEST_F(Hostile, NullWhereNothingCanBeReported) {
  EXPECT_EQ(minim_session_length(nullptr), 0);
  EXPECT_EQ(minim_model_metadata(nullptr, "a"), nullptr);
  EXPECT_EQ(minim_model_metadata(model_.get(), nullptr), nullptr);
  EXPECT_EQ(minim_model_fallback(nullptr, 0), nullptr);
  EXPECT_EQ(minim_model_fallback(model_.get(), -1), nullptr);
  EXPECT_STREQ(minim_engine_kernels(nullptr), "");
  minim_engine_release(nullptr);
  minim_model_release(nullptr);
  minim_session_release(nullptr);
  minim_sampling_release(nullptr);
  minim_session_cancel(nullptr);
  minim_bytes_release(nullptr);
  EXPECT_EQ(generate(session_, 2).size(), 2u);
}

TEST_F(Hostile, NumbersOutsideOfAnyRange) {
  minim_session* session = nullptr;
  int32_t token = 0;
  float value = 0;
  const minim_text text = {"a", 1};
  refused(minim_tokenize(model_.get(), "a", SIZE_MAX - 1, 0, &token, 1, &count_, e_));
  refused(minim_tokenize(model_.get(), "a", 1, ~0u, &token, 1, &count_, e_));
  refused(minim_tokenize(model_.get(), "a", 1, 0, &token, SIZE_MAX, &count_, e_));
  refused(minim_detokenize(model_.get(), &token, SIZE_MAX, nullptr, 0, &count_, e_));
  refused(minim_token_bytes(model_.get(), INT32_MAX, nullptr, 0, &count_, e_));
  token = -1;
  refused(minim_session_append_tokens(session_.get(), &token, 1, e_));
  token = INT32_MAX;
  refused(minim_session_append_tokens(session_.get(), &token, 1, e_));
  refused(minim_session_append_tokens(session_.get(), &token, SIZE_MAX, e_));
  refused(minim_session_rewind(session_.get(), INT64_MIN, e_));
  refused(minim_session_rewind(session_.get(), INT64_MAX, e_));
  refused(minim_embed(model_.get(), &text, SIZE_MAX, nullptr, &value, 1, nullptr, e_));
  refused(minim_embed(model_.get(), &text, 1, nullptr, &value, 1, nullptr, e_));
  for (const int32_t wrong : {-1, 99, INT32_MIN, INT32_MAX}) {
    minim_session_options options = MINIM_SESSION_OPTIONS_INIT;
    options.overflow = wrong;
    refused(minim_session_new(model_.get(), &options, &session, e_));
    minim_embed_options embed = MINIM_EMBED_OPTIONS_INIT;
    embed.pooling = wrong;
    refused(minim_embed(model_.get(), &text, 1, &embed, &value, 1, nullptr, e_));
    minim_rank_options rank = MINIM_RANK_OPTIONS_INIT;
    rank.method = wrong;
    refused(minim_rerank(model_.get(), &text, &text, 1, &rank, &value, nullptr, e_));
  }
  for (const double share : {0.0, -1.0, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    minim_session_options options = MINIM_SESSION_OPTIONS_INIT;
    options.shift_share = share;
    refused(minim_session_new(model_.get(), &options, &session, e_));
  }
  for (const int64_t negative : {int64_t{-1}, INT64_MIN}) {
    minim_session_options options = MINIM_SESSION_OPTIONS_INIT;
    options.shift_sinks = negative;
    refused(minim_session_new(model_.get(), &options, &session, e_));
    options = MINIM_SESSION_OPTIONS_INIT;
    options.context_tokens = negative;
    refused(minim_session_new(model_.get(), &options, &session, e_));
    minim_generate_options generate_options = MINIM_GENERATE_OPTIONS_INIT;
    generate_options.tokens_max = negative - (negative == -1 ? 1 : 0);
    refused(minim_session_generate(session_.get(), nullptr, &generate_options, e_));
    minim_embed_options embed = MINIM_EMBED_OPTIONS_INIT;
    embed.dimensions = negative;
    refused(minim_embed(model_.get(), &text, 1, &embed, &value, 1, nullptr, e_));
  }
  EXPECT_EQ(session, nullptr);
  EXPECT_STREQ(minim_status_name(-5), "unknown");
  EXPECT_STREQ(minim_status_name(MINIM_BUSY), "busy");
  EXPECT_STREQ(minim_done_reason_name(99), "unknown");
  EXPECT_EQ(generate(session_, 2).size(), 2u);
}

TEST_F(Hostile, TextThatIsNone) {
  const std::string bytes("a\0\xff\xfe\x80z", 6);
  session_.append(bytes);
  EXPECT_EQ(model_.detokenize(model_.tokenize(bytes, {.add_special = false})), bytes);
  const minim_message message = {nullptr, "a"};
  refused(minim_session_set_messages(session_.get(), &message, 1, nullptr, e_));
  const minim_message other = {"user", nullptr};
  refused(minim_session_set_messages(session_.get(), &other, 1, nullptr, e_));
  refused(minim_session_set_messages_json(session_.get(), "{}", 2, nullptr, e_));
  expect(minim_session_set_messages_json(session_.get(), "[\xff]", 3, nullptr, e_), MINIM_FORMAT);
  const std::string deep(100000, '[');
  EXPECT_NE(minim_session_set_messages_json(session_.get(), deep.data(), deep.size(), nullptr, e_),
            MINIM_OK);
  // Special tokens in what people write stay text.
  session_.chat({{"user", "</s><s>"}});
  const std::vector<int32_t> held = session_.tokens();
  EXPECT_EQ(std::count(held.begin(), held.end(), 2), 0);
}

TEST_F(Hostile, LongMessagesAreCutAtACharacter) {
  std::string name;
  while (name.size() < 3000) name += "\xe2\x82\xac";
  expect(minim_sampling_set_number(sampling_.get(), name.c_str(), 1, e_), MINIM_NOT_FOUND);
  const std::string message = error_.message;
  EXPECT_GE(message.size(), sizeof(error_.message) - 4);
  EXPECT_TRUE(message.ends_with("\xe2\x82\xac"));
}

// A caller with an older header has a shorter struct, one with a newer header a longer one.
TEST_F(Hostile, StructsOfEverySize) {
  alignas(8) unsigned char room[256];
  for (uint32_t size = 0; size <= 200; ++size) {
    std::memset(room, 0xab, sizeof(room));
    std::memcpy(room, &size, sizeof(size));
    auto* info = reinterpret_cast<minim_model_info*>(room);
    const minim_status status = minim_model_get_info(model_.get(), info, e_);
    const bool is_size = size >= 8 && size % 8 == 0;
    EXPECT_EQ(status, is_size ? MINIM_OK : MINIM_INVALID_ARGUMENT) << size;
    EXPECT_EQ(info->struct_size, size);
    const size_t written = is_size ? std::min<size_t>(size, sizeof(minim_model_info)) : 4;
    for (size_t i = written; i < sizeof(room); ++i) ASSERT_EQ(room[i], 0xab) << size << ", " << i;
    if (is_size) {
      EXPECT_EQ(info->vocabulary_size, 400);
    }
  }
  for (const uint32_t size : {uint32_t{0}, uint32_t{3}, uint32_t{12}, uint32_t{5000}, UINT32_MAX}) {
    minim_session_options options = MINIM_SESSION_OPTIONS_INIT;
    options.struct_size = size;
    minim_session* session = nullptr;
    refused(minim_session_new(model_.get(), &options, &session, e_));
    minim_event event = MINIM_EVENT_INIT;
    event.struct_size = size;
    refused(minim_session_next(session_.get(), &event, 0, e_));
  }
}

TEST_F(Hostile, OptionsOfOtherVersions) {
  // What an older header does not have is at its default, whatever lies there.
  minim_session_options options;
  std::memset(&options, 0xff, sizeof(options));
  options.struct_size = 8;
  options.overflow = MINIM_OVERFLOW_SHIFT;
  minim_session* session = nullptr;
  expect(minim_session_new(model_.get(), &options, &session, e_), MINIM_OK);
  minim_session_release(session);
  // What a newer header has more is not looked at.
  struct {
    minim_session_options known = MINIM_SESSION_OPTIONS_INIT;
    int64_t more = -1;
  } longer;
  longer.known.struct_size = sizeof(longer);
  expect(minim_session_new(model_.get(), &longer.known, &session, e_), MINIM_OK);
  minim_session_release(session);
  // An event that is shorter gets the first fields.
  alignas(8) unsigned char room[64];
  std::memset(room, 0xab, sizeof(room));
  auto* event = reinterpret_cast<minim_event*>(room);
  event->struct_size = 24;
  expect(minim_session_next(session_.get(), event, 0, e_), MINIM_OK);
  EXPECT_EQ(event->text_size, 0u);
  for (size_t i = 24; i < sizeof(room); ++i) ASSERT_EQ(room[i], 0xab);
}

}  // namespace
}  // namespace minim_test
