#include <algorithm>
#include <cmath>
#include <set>

#include "tests/api/api_fixture.h"

namespace minim_test {
namespace {

class PublicSession : public ::testing::Test {
 protected:
  minim::Engine engine_ = make_engine();
  minim::Model model_{engine_, chat_model()};
};

TEST_F(PublicSession, GeneratesEventsThatEndWithDone) {
  minim::Session session(model_);
  session.append("Once upon a time");
  const int64_t prompt = session.length();
  std::string text;
  int64_t tokens = 0;
  minim::EventType last = minim::EventType::kNone;
  int64_t read = 0;
  for (const minim::Event& event : session.generate(greedy(), {.tokens_max = 20})) {
    ASSERT_NE(last, minim::EventType::kDone);
    last = event.type;
    text += event.text;
    if (event.type == minim::EventType::kProgress) {
      read = event.done;
      EXPECT_EQ(event.total, prompt);
    }
    if (event.type == minim::EventType::kToken) {
      ++tokens;
      EXPECT_EQ(session.length(), prompt + tokens);
    }
    if (event.type == minim::EventType::kDone) {
      EXPECT_EQ(event.reason, minim::DoneReason::kTokensMax);
    }
  }
  EXPECT_EQ(last, minim::EventType::kDone);
  EXPECT_EQ(read, prompt);
  EXPECT_EQ(tokens, 20);
  EXPECT_EQ(session.length(), prompt + 20);
  EXPECT_EQ(session.tokens().size(), static_cast<size_t>(prompt + 20));
  const minim::SessionStatistics statistics = session.statistics();
  EXPECT_EQ(statistics.prompt_tokens, prompt);
  EXPECT_EQ(statistics.generated_tokens, 20);
  EXPECT_GT(statistics.first_token_seconds, 0);
  EXPECT_GT(statistics.decode_seconds, 0);
  EXPECT_NE(statistics.energy_source, MINIM_ENERGY_NONE);
  EXPECT_GE(statistics.joules, 0);
  session.rewind(prompt);
  EXPECT_EQ(session.generate_text(greedy(), {.tokens_max = 20}), text);
}

TEST_F(PublicSession, GoingOnIsNeverHavingStopped) {
  minim::Session whole(model_);
  whole.append("Once upon a time");
  const std::vector<int32_t> expected = generate(whole, 40);
  minim::Session session(model_);
  session.append("Once upon a time");
  std::vector<int32_t> tokens = generate(session, 20);
  const int64_t length = session.length();
  minim::Session clone = session.clone();
  const std::string path = scratch_path("session");
  session.save(path);
  const std::vector<std::byte> bytes = session.save_bytes();
  minim::Session loaded(model_);
  loaded.load(path);
  minim::Session restored(model_);
  restored.load_bytes(bytes);
  for (minim::Session* other : {&session, &clone, &loaded, &restored}) {
    EXPECT_EQ(other->length(), length);
    std::vector<int32_t> all = tokens;
    const std::vector<int32_t> more = generate(*other, 20);
    all.insert(all.end(), more.begin(), more.end());
    EXPECT_EQ(all, expected);
  }
}

TEST_F(PublicSession, TokensThatAreNotReadYetAreSavedToo) {
  minim::Session session(model_);
  session.append("Once upon");
  session.read();
  session.append(" a time");
  minim::Session restored(model_);
  restored.load_bytes(session.save_bytes());
  minim::Session clone = session.clone();
  EXPECT_EQ(restored.tokens(), session.tokens());
  const std::vector<int32_t> expected = generate(session, 10);
  EXPECT_EQ(generate(restored, 10), expected);
  EXPECT_EQ(generate(clone, 10), expected);
}

TEST_F(PublicSession, ADamagedSessionIsRefusedAndChangesNothing) {
  minim::Session session(model_);
  session.append("Once upon");
  session.read();
  session.append(" a time");
  const std::vector<std::byte> saved = session.save_bytes();
  minim::Session other(model_);
  other.append("Other");
  const std::vector<int32_t> before = other.tokens();
  for (size_t at : {size_t{0}, size_t{20}, saved.size() / 2, saved.size() - 60, saved.size() - 30,
                    saved.size() - 20, saved.size() - 12, saved.size() - 3}) {
    std::vector<std::byte> damaged = saved;
    damaged[at] ^= std::byte{0x10};
    EXPECT_NE(thrown([&] { other.load_bytes(damaged); }).first, minim::Status::kOk) << at;
    EXPECT_EQ(other.tokens(), before);
  }
  for (size_t size : {size_t{0}, size_t{10}, saved.size() - 1, saved.size() - 24}) {
    const auto cut = std::span(saved).first(size);
    EXPECT_NE(thrown([&] { other.load_bytes(cut); }).first, minim::Status::kOk) << size;
  }
  EXPECT_STATUS(kNotFound, other.load(scratch_path("absent")));
  EXPECT_STATUS(kNotFound, session.save(scratch_path("no/such/folder")));
  EXPECT_EQ(other.tokens(), before);
}

TEST_F(PublicSession, RewindingAndReadingAgainSaysTheSame) {
  minim::Session session(model_);
  session.append("Once upon a time");
  const int64_t prompt = session.length();
  const std::vector<int32_t> expected = generate(session, 12);
  session.rewind(prompt);
  EXPECT_EQ(session.length(), prompt);
  EXPECT_EQ(generate(session, 12), expected);
  session.rewind(prompt + 6);
  EXPECT_EQ(generate(session, 6), std::vector(expected.begin() + 6, expected.end()));
  session.rewind(0);
  EXPECT_EQ(session.length(), 0);
  EXPECT_STATUS(kInvalidArgument, session.generate());
  EXPECT_STATUS(kInvalidArgument, session.rewind(1));
  EXPECT_STATUS(kInvalidArgument, session.rewind(-1));
}

TEST_F(PublicSession, AConversationIsReadOnce) {
  minim::Session session(model_);
  std::vector<minim::Message> messages = {{"system", "Be brief."}, {"user", "Why?"}};
  session.chat(messages);
  const int64_t first = session.length();
  EXPECT_EQ(model_.detokenize(session.tokens()),
            "<s>" + model_.chat_text(R"([{"role": "system", "content": "Be brief."},
                                         {"role": "user", "content": "Why?"}])"));
  session.read();
  messages.push_back({"assistant", "Because."});
  messages.push_back({"user", "And?"});
  session.chat(messages);
  const int64_t second = session.length();
  EXPECT_GT(second, first);
  session.read();
  EXPECT_EQ(session.statistics().prompt_tokens, second - first);
  // Another answer: only what differs is read again.
  messages[2].content = "Because of that.";
  session.chat(messages);
  session.read();
  EXPECT_LT(session.statistics().prompt_tokens, session.length() - first + 8);
  const std::vector<int32_t> held = session.tokens();
  session.chat(messages);  // the same: nothing is to be read
  EXPECT_EQ(session.tokens(), held);
  minim::Session fresh(model_);
  fresh.chat(messages);
  EXPECT_EQ(fresh.tokens(), held);
  EXPECT_EQ(generate(session, 8), generate(fresh, 8));
}

TEST_F(PublicSession, ConversationsThatAreNoneAreRefused) {
  minim::Session session(model_);
  session.append("Held");
  const std::vector<int32_t> before = session.tokens();
  EXPECT_STATUS(kFormat, session.chat_json("[{"));
  EXPECT_STATUS(kInvalidArgument, session.chat_json("{}"));
  EXPECT_STATUS(kInvalidArgument, session.chat_json("[1]"));
  EXPECT_STATUS(kInvalidArgument, session.chat({{"user", "a"}}, {.tools = "{}"}));
  EXPECT_STATUS(kFormat, session.chat({{"user", "a"}}, {.variables = "x"}));
  EXPECT_STATUS(kLimit, session.chat({{"user", std::string(5000, 'x')}}));
  EXPECT_EQ(session.tokens(), before);
  const minim::Model plain(engine_, plain_model());
  EXPECT_EQ(plain.info().has_chat_template, 0);
  minim::Session without(plain);
  EXPECT_STATUS(kUnsupported, without.chat({{"user", "a"}}));
  EXPECT_STATUS(kUnsupported, without.chat_json("[]"));
  without.append("a");
  EXPECT_STATUS(kUnsupported, without.generate({}, {.tool_calls = true}));
  EXPECT_EQ(generate(without, 2).size(), 2u);
}

TEST_F(PublicSession, WhenTheContextIsFull) {
  const minim::Model model(engine_, chat_model(), {.context_tokens = 96});
  EXPECT_EQ(model.info().context_tokens, 96);
  EXPECT_EQ(model.info().trained_context_tokens, 512);
  minim::Session stops(model);
  stops.append("Once upon a time");
  const auto room = static_cast<size_t>(96 - stops.length());
  minim::DoneReason reason = minim::DoneReason::kNone;
  size_t count = 0;
  for (const minim::Event& event : stops.generate(greedy())) {
    count += event.type == minim::EventType::kToken ? 1 : 0;
    reason = event.reason;
  }
  EXPECT_EQ(reason, minim::DoneReason::kContextFull);
  EXPECT_GE(count, room);
  EXPECT_STATUS(kLimit, stops.append("more text"));

  minim::Session fails(model, {.overflow = minim::Overflow::kError});
  fails.append("Once upon a time");
  EXPECT_STATUS(kLimit, generate(fails, -1));
  EXPECT_GE(fails.length(), 95);

  minim::Session shifts(model, {.overflow = minim::Overflow::kShift});
  shifts.append("Once upon a time");
  int64_t dropped = 0;
  count = 0;
  for (const minim::Event& event : shifts.generate(greedy(), {.tokens_max = 200})) {
    if (event.type == minim::EventType::kContextOverflow) dropped += event.total;
    count += event.type == minim::EventType::kToken ? 1 : 0;
  }
  EXPECT_EQ(count, 200u);
  EXPECT_GE(dropped, 110);
  EXPECT_LE(shifts.length(), 96);
  EXPECT_EQ(shifts.length(), static_cast<int64_t>(shifts.tokens().size()));
  shifts.chat({{"user", "Why?"}});  // what was dropped is not in the way
  EXPECT_EQ(generate(shifts, 3).size(), 3u);
}

TEST_F(PublicSession, HoldsNoMoreThanItWasMadeFor) {
  minim::Session session(model_, {.context_tokens = 64});
  session.append("a");
  EXPECT_STATUS(kLimit, session.append(std::string(200, 'x')));
  int64_t count = 0;
  for (const minim::Event& event : session.generate(greedy())) {
    count += event.type == minim::EventType::kToken ? 1 : 0;
  }
  EXPECT_LE(session.length(), 65);
  EXPECT_GT(count, 40);
  EXPECT_STATUS(kInvalidArgument, minim::Session(model_, {.context_tokens = 513}));
}

TEST_F(PublicSession, StopStringsAndTokensSayWhich) {
  minim::Session session(model_);
  session.append("Once upon a time");
  const int64_t prompt = session.length();
  const std::vector<int32_t> tokens = generate(session, 10);
  session.rewind(prompt);
  minim::Sampling sampling = greedy();
  sampling.add_stop_token(tokens[4]);
  const auto first = std::find(tokens.begin(), tokens.end(), tokens[4]) - tokens.begin();
  int64_t count = 0;
  for (const minim::Event& event : session.generate(sampling)) {
    count += event.type == minim::EventType::kToken ? 1 : 0;
    if (event.type == minim::EventType::kDone) {
      EXPECT_EQ(event.reason, minim::DoneReason::kStopToken);
    }
  }
  EXPECT_EQ(count, first);
  session.rewind(prompt);
  const std::string text = session.generate_text(greedy(), {.tokens_max = 10});
  const std::string part = text.substr(text.find(' '), 2);
  session.rewind(prompt);
  minim::Sampling with_string = greedy();
  with_string.add_stop("never").add_stop(part);
  std::string before;
  for (const minim::Event& event : session.generate(with_string)) {
    before += event.text;
    if (event.type != minim::EventType::kDone) continue;
    EXPECT_EQ(event.reason, minim::DoneReason::kStopString);
    EXPECT_EQ(event.detail, part);
  }
  EXPECT_EQ(before, text.substr(0, text.find(' ')));
  EXPECT_STATUS(kInvalidArgument, minim::Sampling({.stop = {""}}));
}

TEST_F(PublicSession, BusyUntilItsEventsArePulled) {
  minim::Session session(model_);
  session.append("Once");
  {
    minim::Generation generation = session.generate(greedy());
    EXPECT_STATUS(kBusy, session.append("x"));
    EXPECT_STATUS(kBusy, session.tokens());
    EXPECT_STATUS(kBusy, session.rewind(0));
    EXPECT_STATUS(kBusy, session.read());
    EXPECT_STATUS(kBusy, session.clone());
    EXPECT_STATUS(kBusy, session.save_bytes());
    EXPECT_STATUS(kBusy, session.load_bytes({}));
    EXPECT_STATUS(kBusy, session.chat({{"user", "a"}}));
    EXPECT_STATUS(kBusy, session.generate());
    EXPECT_EQ(model_.statistics().sessions, 1);
  }
  session.append("x");
  EXPECT_EQ(generate(session, 2).size(), 2u);
}

TEST_F(PublicSession, PausesWhileNobodyPulls) {
  minim::Session session(model_);
  session.append("Once");
  minim::Generation generation = session.generate(greedy(), {.tokens_max = 300});
  minim::Session other(model_);
  other.append("Twice");
  EXPECT_EQ(generate(other, 100).size(), 100u);
  EXPECT_LT(session.statistics().generated_tokens, 200);
  int64_t count = 0;
  for (const minim::Event& event : generation) {
    count += event.type == minim::EventType::kToken ? 1 : 0;
  }
  EXPECT_EQ(count, 300);
}

TEST_F(PublicSession, ATimeoutIsNoEvent) {
  minim::Session session(model_);
  minim_event event = MINIM_EVENT_INIT;
  EXPECT_EQ(minim_session_next(session.get(), &event, -1, nullptr), MINIM_OK);
  EXPECT_EQ(event.type, MINIM_EVENT_NONE);
  EXPECT_STREQ(event.text, "");
  EXPECT_STREQ(event.detail, "");
}

TEST_F(PublicSession, LogprobsComeWhereAskedFor) {
  minim::Session session(model_);
  session.append("Once");
  minim::Sampling sampling({.temperature = 0, .logprobs = 3});
  sampling.set("ignore-end", 1);
  for (const minim::Event& event : session.generate(sampling, {.tokens_max = 3})) {
    if (event.type != minim::EventType::kToken) continue;
    ASSERT_EQ(event.top.size(), 3u);
    EXPECT_LE(event.logprob, 0.0f);
    EXPECT_GE(event.top[0].logprob, event.top[1].logprob);
  }
}

TEST_F(PublicSession, ASeedOfZeroIsAnotherOneEachTime) {
  std::set<std::vector<int32_t>> texts;
  std::set<std::vector<int32_t>> seeded;
  for (int i = 0; i < 4; ++i) {
    for (const uint64_t seed : {uint64_t{0}, uint64_t{18446744073709551615u}}) {
      minim::Session session(model_);
      session.append("Once");
      minim::Sampling sampling(
          {.temperature = 5, .top_k = 0, .top_p = 1, .min_p = 0, .seed = seed});
      sampling.set("ignore-end", 1);
      (seed == 0 ? texts : seeded).insert(generate(session, 12, sampling));
    }
  }
  EXPECT_EQ(texts.size(), 4u);
  EXPECT_EQ(seeded.size(), 1u);
}

TEST_F(PublicSession, AProgressFunctionCanStopReading) {
  minim::Session session(model_);
  session.append(std::string(150, 'x'));
  const std::vector<int32_t> held = session.tokens();
  EXPECT_STATUS(kCancelled, session.read([](const minim::Progress&) { return false; }));
  EXPECT_EQ(session.tokens(), held);
  minim::Session throws(model_);
  throws.append(held);
  EXPECT_THROW(throws.read([](const minim::Progress&) -> bool { throw 42; }), int);
  EXPECT_EQ(throws.tokens(), held);
  minim::Session reads(model_);
  reads.append(held);
  int calls = 0;
  reads.read([&](const minim::Progress& progress) {
    EXPECT_EQ(progress.unit, "tokens");
    return ++calls > 0;
  });
  EXPECT_GT(calls, 0);
  reads.read();  // nothing is left
  EXPECT_EQ(reads.tokens(), held);
}

// What follows a text keeps the space before its first word; an answer begins a text.
TEST_F(PublicSession, TheFirstSpaceBelongsToTheText) {
  minim::Sampling sampling = greedy();
  const int32_t word = model_.tokenize(" a", {.add_special = false}).back();
  ASSERT_EQ(model_.token_bytes(word), " a");
  sampling.set_bias(word, 1000);
  minim::Session session(model_);
  session.append("Once");
  EXPECT_EQ(session.generate_text(sampling, {.tokens_max = 2}), " a a");
  EXPECT_EQ(session.generate_text(sampling, {.tokens_max = 2}), " a a");
  session.chat({{"user", "Why?"}});
  EXPECT_EQ(session.clone().generate_text(sampling, {.tokens_max = 2}), "a a");
  EXPECT_EQ(session.generate_text(sampling, {.tokens_max = 2}), "a a");
  EXPECT_EQ(session.generate_text(sampling, {.tokens_max = 2}), " a a");
}

}  // namespace
}  // namespace minim_test
