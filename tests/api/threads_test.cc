// Many sessions on many threads: run under ThreadSanitizer too.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "tests/api/api_fixture.h"

namespace minim_test {
namespace {

// What a cancelled session held is free once the model's thread has let go of it.
void expect_nothing_is_held(const minim::Model& model) {
  for (int i = 0; i < 5000 && model.statistics().cache_bytes > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(model.statistics().sessions, 0);
  EXPECT_EQ(model.statistics().cache_bytes, 0u);
}

TEST(PublicThreads, SessionsThatAreCancelledAtRandom) {
  const minim::Engine engine = make_engine(2);
  const minim::Model model(engine, chat_model(), {.sessions_max = 16});
  constexpr int kThreads = 8;
  constexpr int kSessions = 8;  // of each thread
  std::atomic<int64_t> tokens{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      std::minstd_rand random(static_cast<unsigned>(thread) + 1);
      std::vector<minim::Session> sessions;
      for (int i = 0; i < kSessions; ++i) {
        sessions.emplace_back(model).append(std::string(1 + random() % 40, 'x'));
      }
      std::vector<minim::Generation> running;
      for (minim::Session& session : sessions) {
        running.push_back(session.generate(greedy(), {.tokens_max = 20}));
      }
      for (size_t i = 0; i < sessions.size(); ++i) {
        int64_t pulled = 0;
        for (const minim::Event& event : running[i]) {
          pulled += event.type == minim::EventType::kToken ? 1 : 0;
          if (random() % 24 == 0) sessions[random() % sessions.size()].cancel();
        }
        EXPECT_LE(pulled, 20);
        tokens += pulled;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(tokens, 64);
  EXPECT_EQ(model.statistics().generated_tokens, tokens);
  expect_nothing_is_held(model);
}

TEST(PublicThreads, AnotherThreadCancels) {
  const minim::Engine engine = make_engine(1);
  const minim::Model model(engine, chat_model());
  minim::Session session(model, {.overflow = minim::Overflow::kShift});
  session.append("Once");
  session.cancel();  // nothing is generated
  minim::Generation generation = session.generate(greedy());
  std::thread canceller([&] {
    while (session.statistics().generated_tokens < 5) std::this_thread::yield();
    session.cancel();
  });
  minim::DoneReason reason = minim::DoneReason::kNone;
  int64_t tokens = 0;
  for (const minim::Event& event : generation) {
    tokens += event.type == minim::EventType::kToken ? 1 : 0;
    reason = event.reason;
  }
  canceller.join();
  EXPECT_EQ(reason, minim::DoneReason::kCancelled);
  EXPECT_GE(tokens, 5);
  EXPECT_EQ(session.length(), static_cast<int64_t>(session.tokens().size()));
  EXPECT_EQ(generate(session, 3).size(), 3u);
}

TEST(PublicThreads, AListenerIsToldOfEvents) {
  const minim::Engine engine = make_engine(1);
  const minim::Model model(engine, chat_model());
  minim::Session session(model);
  session.append("Once");
  std::mutex mutex;
  std::condition_variable told;
  bool waits = false;
  session.on_event([&] {
    const std::lock_guard lock(mutex);
    waits = true;
    told.notify_one();
  });
  minim::Generation generation = session.generate(greedy(), {.tokens_max = 10});
  int64_t tokens = 0;
  bool done = false;
  while (!done) {
    {
      std::unique_lock lock(mutex);
      told.wait(lock, [&] { return std::exchange(waits, false); });
    }
    for (;;) {
      const minim::Event& event = generation.next(0);
      if (event.type == minim::EventType::kNone) break;
      tokens += event.type == minim::EventType::kToken ? 1 : 0;
      done = done || event.type == minim::EventType::kDone;
    }
  }
  EXPECT_EQ(tokens, 10);
  session.on_event({});
  EXPECT_EQ(generate(session, 2).size(), 2u);
}

TEST(PublicThreads, TwoModelsAndEmbeddingsShareAnEngine) {
  const minim::Engine engine = make_engine(2);
  minim::Model one(engine, chat_model());
  minim::Model two(engine, plain_model());
  const std::vector<float> expected = one.embed("a text");
  std::vector<std::thread> threads;
  for (minim::Model* model : {&one, &two}) {
    threads.emplace_back([model] {
      for (int i = 0; i < 5; ++i) {
        minim::Session session(*model);
        session.append("Once");
        EXPECT_EQ(generate(session, 10).size(), 10u);
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(one.embed("a text"), expected);
  });
  threads.emplace_back([&] {
    const minim::Model third(engine, chat_model());
    EXPECT_GT(third.rerank("a", {"b"}).size(), 0u);
  });
  for (std::thread& thread : threads) thread.join();
}

TEST(PublicThreads, TenThousandSessionsLeaveNothing) {
  const minim::Engine engine = make_engine(1);
  const minim::Model model(engine, chat_model());
  std::vector<minim::Session> kept;
  for (int i = 0; i < 10000; ++i) {
    minim::Session session(model);
    session.append("Once");
    if (i % 100 == 0) session.read();
    if (i % 200 == 0) kept.push_back(session.clone());
    if (i % 500 == 0) static_cast<void>(session.generate(greedy()));  // lets go of it at once
  }
  EXPECT_EQ(model.statistics().sessions, 50);
  EXPECT_GT(model.statistics().cache_bytes, 0u);
  kept.clear();
  expect_nothing_is_held(model);
}

}  // namespace
}  // namespace minim_test
