// Sessions that stop and go on. Equal here means the same bits.
#include "runtime/session_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/rng.h"
#include "base/xxhash64.h"
#include "kernels/testing/random_data.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"
#include "runtime/session.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

constexpr DataType kCacheTypes[] = {DataType::kF32, DataType::kF16, DataType::kQ8_0,
                                    DataType::kQ4_0};
constexpr int32_t kVocabulary = 48;

class SessionFileTest : public ::testing::Test {
 protected:
  std::vector<TokenId> random_tokens(size_t count) {
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) token = static_cast<TokenId>(rng_.below(kVocabulary));
    return tokens;
  }

  std::shared_ptr<const Model> model(const std::string& architecture, int window = 0) {
    ModelConfig config = testing::tiny_config(architecture);
    config.context_length = 500;
    config.rope.original_context_length = 500;
    if (config.learned_positions > 0) config.learned_positions = 500;
    if (window > 0) config.sliding_window = window;
    return Model::load(*context_, testing::tiny_file(config));
  }

  static std::vector<float> copy(std::span<const float> logits) {
    return {logits.begin(), logits.end()};
  }

  testing::TemporaryFolder folder_;
  testing::ModelTestContext context_;
  Rng rng_{testing::test_seed()};
};

// Random texts in random pieces; after each, one of two sessions may be saved and restored, or
// cloned, or wound back a little. It must go on as the other does.
TEST_F(SessionFileTest, SavedRestoredAndClonedSessionsGoOnAsIfNothingHadHappened) {
  const std::shared_ptr<const Model> models[] = {model("llama"), model("gemma3"), model("gpt2"),
                                                 model("phi3", 40)};
  for (const auto& model : models) {
    for (const DataType type : kCacheTypes) {
      SCOPED_TRACE(model->config().architecture + " " + data_type_info(type).name);
      const SessionOptions options = {.batch_tokens = 64, .kv_type = type};
      const auto fresh = [&] { return std::make_unique<Session>(*context_, model, options); };
      auto whole = fresh();
      auto broken = fresh();
      const Path path = folder_.path() / "session";
      while (whole->length() < 400) {
        const auto tokens = random_tokens(rng_.below(2) == 0 ? 1 : 1 + rng_.below(60));
        const auto expected = copy(whole->append(tokens));
        ASSERT_EQ(copy(broken->append(tokens)), expected) << whole->length();
        switch (rng_.below(5)) {
          case 0: {
            auto restored = fresh();
            restored->restore(broken->save());
            broken = std::move(restored);
            break;
          }
          case 1:
            broken->save(path);
            broken->append(random_tokens(10));
            broken->load(path);
            break;
          case 2: {
            auto clone = std::make_unique<Session>(broken->clone());
            broken->append(random_tokens(20));
            broken = std::move(clone);
            break;
          }
          case 3: {
            const auto back = static_cast<int64_t>(rng_.below(20));
            const int64_t length = std::max<int64_t>(whole->length() - back, 0);
            whole->rewind(length);
            broken->rewind(length);
            continue;
          }
          default: break;
        }
        ASSERT_EQ(copy(broken->logits()), expected);
        ASSERT_EQ(std::vector<TokenId>(broken->tokens().begin(), broken->tokens().end()),
                  std::vector<TokenId>(whole->tokens().begin(), whole->tokens().end()));
      }
    }
  }
}

TEST_F(SessionFileTest, AnEmptySessionCanBeSaved) {
  const auto model = this->model("llama");
  Session session(*context_, model);
  Session other(*context_, model);
  other.append(random_tokens(50));
  other.restore(session.save());
  EXPECT_EQ(other.length(), 0);
  EXPECT_TRUE(other.logits().empty());
  EXPECT_EQ(other.cache_bytes(), 0u);
}

TEST_F(SessionFileTest, WhatWasTakenBackIsNotSaved) {
  const auto model = this->model("llama");
  for (const DataType type : kCacheTypes) {
    const SessionOptions options = {.kv_type = type};
    const auto text = random_tokens(50);
    Session frank(*context_, model, options);
    frank.append(text);
    frank.append(random_tokens(10));
    frank.rewind(50);
    Session discreet(*context_, model, options);
    discreet.append(text);
    discreet.rewind(50);
    discreet.append(random_tokens(1));
    discreet.rewind(50);
    EXPECT_EQ(frank.save(), discreet.save());
  }
}

TEST_F(SessionFileTest, TheHeaderSaysWhatItIs) {
  const auto model = this->model("llama");
  Session session(*context_, model, {.kv_type = DataType::kQ8_0});
  session.append(random_tokens(40));
  const auto bytes = session.save();
  const SavedSession saved = read_saved_session(bytes);
  EXPECT_EQ(saved.model, model->fingerprint());
  EXPECT_EQ(saved.layout, model->kv_layout(DataType::kQ8_0));
  EXPECT_EQ(saved.token_count, 40);
  EXPECT_EQ(saved.prompt_tokens, 40);
  EXPECT_EQ(saved.dropped_tokens, 0);
  EXPECT_EQ(saved.first_block, 0);
  EXPECT_EQ(saved.logit_count, kVocabulary);
}

class DamageTest : public SessionFileTest {
 protected:
  // Makes both checksums right again.
  static void seal(std::vector<std::byte>& bytes) {
    const auto put = [&](size_t begin, size_t end) {
      XxHash64 hash;
      hash.update(std::span(bytes).subspan(begin, end - begin));
      const uint64_t digest = hash.digest();
      std::memcpy(bytes.data() + end, &digest, sizeof(digest));
    };
    put(0, 88);
    put(96, bytes.size() - 8);
  }

  template <typename T>
  static void set(std::vector<std::byte>& bytes, size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
  }

  void expect_error(Session& session, std::span<const std::byte> bytes, ErrorCode code,
                    const std::string& part) {
    const auto before = session.save();
    try {
      session.restore(bytes);
      ADD_FAILURE() << "restored: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
    EXPECT_EQ(session.save(), before);
  }

  std::shared_ptr<const Model> model_ = model("llama");
  Session session_{*context_, model_, {.context_tokens = 100, .kv_type = DataType::kQ4_0}};
};

TEST_F(DamageTest, EveryTruncationAndEveryFlippedBitIsFound) {
  session_.append(random_tokens(20));
  auto bytes = session_.save();
  Session other(*context_, model_, {.context_tokens = 100, .kv_type = DataType::kQ4_0});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(other.restore(std::span(bytes).first(size)), Error) << size;
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1 << bit % 8);
    bytes[bit / 8] ^= mask;
    EXPECT_THROW(other.restore(bytes), Error) << "bit " << bit;
    bytes[bit / 8] ^= mask;
  }
  EXPECT_EQ(other.length(), 0);
  EXPECT_NO_THROW(other.restore(bytes));
  bytes.push_back(std::byte{0});
  EXPECT_THROW(other.restore(bytes), Error);
}

TEST_F(DamageTest, WhatBelongsToOthersIsRefused) {
  session_.append(random_tokens(70));
  const auto bytes = session_.save();
  Session coarse(*context_, model_, {.kv_type = DataType::kQ8_0});
  expect_error(coarse, bytes, ErrorCode::kInvalidArgument, "cache of type q4_0");
  Session brief(*context_, model_, {.context_tokens = 69, .kv_type = DataType::kQ4_0});
  expect_error(brief, bytes, ErrorCode::kLimit, "70 tokens");
  Session foreign(*context_, model("qwen3"), {.kv_type = DataType::kQ4_0});
  expect_error(foreign, bytes, ErrorCode::kInvalidArgument, "another model");
  KvLayout layout = model_->kv_layout(DataType::kQ4_0);
  layout.block_tokens = 16;
  Session other_blocks(*context_, model_,
                       {.kv_type = DataType::kQ4_0, .pool = std::make_shared<KvPool>(layout)});
  expect_error(other_blocks, bytes, ErrorCode::kInvalidArgument, "blocks of 32");
  const auto full = std::make_shared<KvPool>(model_->kv_layout(DataType::kQ4_0),
                                             2 * model_->kv_layout(DataType::kQ4_0).block_bytes());
  Session poor(*context_, model_, {.kv_type = DataType::kQ4_0, .pool = full});
  expect_error(poor, bytes, ErrorCode::kLimit, "kv pool");
  EXPECT_EQ(full->blocks_used(), 0);
}

// Whoever writes a file on purpose gets the checksums right.
TEST_F(DamageTest, LiesWithRightChecksumsAreFound) {
  session_.append(random_tokens(70));
  const auto saved = session_.save();
  const auto check = [&](auto change, ErrorCode code, const std::string& part) {
    auto bytes = saved;
    change(bytes);
    seal(bytes);
    expect_error(session_, bytes, code, part);
  };
  const auto field = [&](size_t offset, auto value, const std::string& part) {
    check([&](auto& bytes) { set(bytes, offset, value); }, ErrorCode::kFormat, part);
  };
  check([](auto& bytes) { set(bytes, 0, 'M'); }, ErrorCode::kFormat, "no saved session");
  check([](auto& bytes) { set(bytes, 8, uint32_t{2}); }, ErrorCode::kUnsupported, "version 2");
  field(12, uint32_t{97}, "header");
  field(24, uint32_t{3}, "layout");  // q4_1
  field(28, uint32_t{0}, "layout");  // layers
  field(32, uint32_t{1} << 31, "layout");
  field(36, uint32_t{1} << 16, "bytes");
  field(44, uint32_t{1}, "header");  // reserved
  field(48, int64_t{-1}, "impossible");
  field(48, int64_t{71}, "bytes");
  field(48, INT64_MAX, "impossible");
  field(56, int64_t{71}, "contradict");
  field(64, int64_t{-5}, "impossible");
  field(72, int64_t{4}, "contradict");
  field(80, int64_t{1} << 40, "bytes");
  field(96, int32_t{kVocabulary}, "vocabulary");
  field(96 + 69 * 4, int32_t{-1}, "vocabulary");
  // All sizes at their bounds: no product wraps.
  check(
      [](auto& bytes) {
        for (const size_t offset : {28, 32, 36, 40}) set(bytes, offset, uint32_t{1} << 16);
        set(bytes, 48, int64_t{1} << 40);
      },
      ErrorCode::kFormat, "more than can be");
  // One block less, as if it had been forgotten.
  check(
      [&](auto& bytes) {
        const auto begin = bytes.begin() + 96 + 70 * 4 + kVocabulary * 4;
        bytes.erase(begin, begin + static_cast<std::ptrdiff_t>(
                                       model_->kv_layout(DataType::kQ4_0).block_bytes()));
        set(bytes, 72, int64_t{1});
      },
      ErrorCode::kFormat, "blocks are missing");
}

TEST_F(DamageTest, FilesThatAreNotThere) {
  EXPECT_THROW(session_.load(folder_.path() / "none"), Error);
  EXPECT_THROW(session_.save(folder_.path() / "none" / "session"), Error);
}

// The seeds of the fuzz target are sessions of this model: the format has not changed under them.
TEST_F(DamageTest, SessionsOfVersion1CanBeRead) {
  const auto tiny = Model::load(*context_, testing::tiny_file(testing::tiny_config()));
  for (const auto& [name, type, length] : {std::tuple("f16_40_tokens", DataType::kF16, 40),
                                           {"q4_0_empty", DataType::kQ4_0, 0},
                                           {"f32_1_token", DataType::kF32, 1},
                                           {"q8_0_62_tokens", DataType::kQ8_0, 62}}) {
    const Path path = testing::golden_path(std::string("fuzz/session_fuzz/") + name);
    Session session(*context_, tiny, {.kv_type = type});
    session.load(path);
    EXPECT_EQ(session.length(), length);
  }
}

}  // namespace
}  // namespace minim
