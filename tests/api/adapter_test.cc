// Adapters of sessions through the public API.
#include <cmath>
#include <limits>

#include "tests/api/api_fixture.h"

namespace minim_test {
namespace {

class PublicAdapter : public ::testing::Test {
 protected:
  std::vector<int32_t> said_with(const std::vector<float>& weights, const std::string& path) {
    minim::Session session(model_);
    std::vector<minim::Adapter> adapters;
    for (size_t i = 0; i < weights.size(); ++i) adapters.emplace_back(model_, path);
    session.set_adapters(adapters, weights);
    session.append("Once upon a time");
    return generate(session, 12);
  }

  minim::Engine engine_ = make_engine();
  minim::Model model_{engine_, chat_model()};
};

TEST_F(PublicAdapter, ChangesWhatASessionSaysAndNoOther) {
  const std::string path = chat_adapter(1);
  const minim::Adapter adapter(model_, path);
  const minim::AdapterInfo info = adapter.info();
  EXPECT_EQ(info.rank_max, 3);
  EXPECT_EQ(info.matrices, 15u) << "of two layers, and the head";
  EXPECT_GT(info.bytes, 0u);
  const std::vector<int32_t> without = said_with({}, path);
  const std::vector<int32_t> with = said_with({1.0f}, path);
  EXPECT_NE(with, without);
  EXPECT_EQ(said_with({}, path), without);
  EXPECT_EQ(said_with({1.0f}, path), with);
  EXPECT_EQ(said_with({0.0f}, path), without);
  EXPECT_EQ(said_with({0.5f, 0.5f}, path), with);
}

TEST_F(PublicAdapter, LivesOnInItsSessions) {
  const std::string path = chat_adapter(1);
  minim::Session session(model_);
  {
    const minim::Adapter adapter(model_, path);
    session.set_adapters({&adapter, 1}, {});
  }
  session.append("Once upon a time");
  EXPECT_EQ(generate(session, 12), said_with({1.0f}, path));
  minim::Session clone = session.clone();
  EXPECT_EQ(generate(clone, 5), generate(session, 5));
}

TEST_F(PublicAdapter, ChangesOnlyWhereNothingWasRead) {
  const minim::Adapter adapter(model_, chat_adapter(1));
  minim::Session session(model_);
  session.append("Once upon a time");
  session.set_adapters({&adapter, 1}, {});  // it is still to be read
  generate(session, 2);
  EXPECT_STATUS(kInvalidArgument, session.set_adapters({}, {}));
  session.rewind(0);
  session.set_adapters({}, {});
  session.append("Once upon a time");
  EXPECT_EQ(generate(session, 12), said_with({}, chat_adapter(1)));
}

TEST_F(PublicAdapter, RefusesWhatMakesNoSense) {
  const std::string path = chat_adapter(1);
  EXPECT_STATUS(kNotFound, minim::Adapter(model_, path + ".none"));
  EXPECT_STATUS(kFormat, minim::Adapter(model_, chat_model()));
  const minim::Model other(engine_, chat_model());
  const minim::Adapter adapter(model_, path);
  minim::Session session(other);
  EXPECT_STATUS(kInvalidArgument, session.set_adapters({&adapter, 1}, {}));
  minim::Session own(model_);
  for (const float weight :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_STATUS(kInvalidArgument, own.set_adapters({&adapter, 1}, {&weight, 1}));
  }

  minim_error error;
  minim_adapter* none = nullptr;
  EXPECT_EQ(minim_adapter_open(nullptr, path.c_str(), &none, &error), MINIM_INVALID_ARGUMENT);
  EXPECT_EQ(minim_adapter_open(model_.get(), nullptr, &none, &error), MINIM_INVALID_ARGUMENT);
  EXPECT_EQ(minim_adapter_open(model_.get(), path.c_str(), nullptr, &error),
            MINIM_INVALID_ARGUMENT);
  EXPECT_EQ(minim_adapter_get_info(nullptr, nullptr, &error), MINIM_INVALID_ARGUMENT);
  EXPECT_EQ(minim_session_set_adapters(nullptr, nullptr, nullptr, 0, &error),
            MINIM_INVALID_ARGUMENT);
  EXPECT_EQ(minim_session_set_adapters(own.get(), nullptr, nullptr, 2, &error),
            MINIM_INVALID_ARGUMENT);
  const minim_adapter* const missing[] = {nullptr};
  EXPECT_EQ(minim_session_set_adapters(own.get(), missing, nullptr, 1, &error),
            MINIM_INVALID_ARGUMENT);
  minim_adapter_release(nullptr);
}

}  // namespace
}  // namespace minim_test
